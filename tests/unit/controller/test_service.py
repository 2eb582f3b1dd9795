"""The verbs without HTTP: what is validated, in what form it is handed on, and where a page ends."""

from __future__ import annotations

import pytest

from holdfast.controller import catalogue
from holdfast.errors import InputError, RunConflictError, RunNotFoundError, UnknownNameError
from tests.unit.controller.rig import on_loop, serving


async def recorded_input(api, run_id):
    """Return the input of a run as it is in its history."""
    (started, *_) = await api.engine.history(run_id)
    return started.event.input


@on_loop
async def test_equal_inputs_are_equal_bytes(tmp_path):
    """However an input is written - order, space, escapes, defaults - it is recorded in one form."""
    spellings = [
        b'{"order":{"account":"a\xc3\xa9","lines":[{"name":"x","count":1}]},"note":""}',
        b' { "note" : "", "order" : { "lines" : [ { "count":1, "name":"\\u0078" } ], "account" : "a\\u00e9" } } ',
        b'{"order":{"account":"a\\u00E9","lines":[{"name":"x"}]},"note":""}',
    ]
    async with serving(tmp_path) as api:
        made = [(await api.service.starts.start("Review", each, "r-1"))[1] for each in spellings]
        assert made == [True, False, False]
        assert await recorded_input(api, "r-1") == spellings[0]
        with pytest.raises(RunConflictError):
            await api.service.starts.start("Review", spellings[0].replace(b"1", b"2"), "r-1")
        with pytest.raises(RunConflictError):
            await api.service.starts.start("greet", b'"bob"', "r-1")


@on_loop
async def test_nothing_stands_for_null(tmp_path):
    """An empty body starts a workflow that takes nothing, and no other."""
    async with serving(tmp_path) as api:
        run, created = await api.service.starts.start("idle", b"")
        assert created
        assert await recorded_input(api, run.run_id) == b"null"
        with pytest.raises(InputError):
            await api.service.starts.start("greet", b"")


@on_loop
async def test_a_task_is_started_as_a_workflow_of_one_step(tmp_path):
    """`task:NAME` is in the catalogue and can be started."""
    async with serving(tmp_path) as api:
        kinds = {each.name: each.kind for each in catalogue.list_workflows(api.service.registry).workflows}
        assert kinds == {"Review": "workflow", "greet": "workflow", "idle": "workflow", "task:fetch": "task"}
        run, _ = await api.service.starts.start("task:fetch", b'"u"', "t-1")
        assert run.workflow == "task:fetch"


@pytest.mark.parametrize("run_id", ["", ".", "..", "a\nb", "a\0", "x" * 256, "\x7f"])
@on_loop
async def test_a_run_id_has_to_fit_into_a_path(tmp_path, run_id):
    """An id that could not be asked for again is refused."""
    async with serving(tmp_path) as api:
        with pytest.raises(InputError, match="run id"):
            await api.service.starts.start("idle", b"", run_id)


@pytest.mark.parametrize("run_id", ["a", "...", "ord@1", "me@example.com", "ö 1;x=%41?#", "x" * 255, "a\\b"])
@on_loop
async def test_other_run_ids_are_addressable(tmp_path, run_id):
    """An id that is taken leads back to its run by the Location that was answered."""
    async with serving(tmp_path) as api:
        made = await api.http.post("/v1/workflows/idle/runs", params={"id": run_id})
        assert made.status_code == 201
        found = await api.http.get(made.headers["location"])
        assert found.json()["run_id"] == run_id


@on_loop
async def test_messages_are_validated_where_their_handler_is_known(tmp_path):
    """Signals, queries and updates are checked against their handler; only a signal may have none."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r-1")
        messages = api.service.messages
        with pytest.raises(InputError):
            await messages.signal("r-1", "approve", b"7")
        with pytest.raises(InputError):
            await messages.update("r-1", "add", b'{"name":1}', 1)
        with pytest.raises(InputError):
            await messages.query("r-1", "progress", b'"x"', 1)
        with pytest.raises(UnknownNameError, match="add"):
            await messages.update("r-1", "remove", b"null", 1)
        with pytest.raises(UnknownNameError, match="progress"):
            await messages.query("r-1", "state", b"null", 1)
        with pytest.raises(RunNotFoundError):
            await messages.signal("r-2", "approve", b'"me"')
        accepted = await messages.signal("r-1", "whatever", b' {"b": 1, "a": [1.0]} ', "op-1")
        assert accepted.operation_id == "op-1"
        record = await api.store.run("r-1")
        (row,) = await api.store.execution_inbox(record.execution_id)
        assert (row.name, row.operation_id, row.body) == ("whatever", "op-1", b'{"b":1,"a":[1.0]}')


@on_loop
async def test_the_same_signal_twice_is_delivered_once(tmp_path):
    """An Idempotency-Key names the message."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r-1")
        for key in ("k", '"k"', "k2"):
            answer = await api.http.post("/v1/runs/r-1/signals/approve", json="me", headers={"Idempotency-Key": key})
            assert answer.status_code == 202
        record = await api.store.run("r-1")
        assert [each.operation_id for each in await api.store.execution_inbox(record.execution_id)] == ["k", "k2"]


@on_loop
async def test_a_signal_that_nobody_handles_is_accepted_with_a_warning(tmp_path):
    """It is kept, as code may wait for any name; but where handlers are declared a slip is more likely."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r")
        await api.service.starts.start("idle", b"", "i")

        async def answer(run_id, name):
            sent = await api.http.post(f"/v1/runs/{run_id}/signals/{name}", json="me")
            assert sent.status_code == 202
            return sent.json().get("warning", "")

        assert (await answer("r", "aprove")).startswith("Review has no handler for signal 'aprove'. Did you mean 'appr")
        assert "There is: approve." in await answer("r", "zzz")
        assert [await answer("r", "approve"), await answer("i", "anything")] == ["", ""]
        record = await api.store.run("r")
        names = [each.name for each in await api.store.execution_inbox(record.execution_id)]
        assert names == ["aprove", "zzz", "approve"]


@on_loop
async def test_lists_page_by_cursor(tmp_path):
    """Pages follow each other without a gap, newest first, and filters hold on each."""
    async with serving(tmp_path) as api:
        for number in range(7):
            name, text = ("idle", b"null") if number % 2 else ("greet", b'"x"')
            await api.service.starts.start(name, text, f"r-{number}")
        seen, cursor = [], None
        for _ in range(3):
            params = {"limit": 2, "workflow": "greet", "status": "RUNNING"} | ({"cursor": cursor} if cursor else {})
            page = (await api.http.get("/v1/runs", params=params)).json()
            seen += [each["run_id"] for each in page["runs"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == ["r-6", "r-4", "r-2", "r-0"]
        assert (await api.http.get("/v1/runs?status=FAILED")).json() == {"runs": [], "next": None}


@on_loop
async def test_an_orchestrator_of_elsewhere_is_not_needed_to_accept(tmp_path):
    """Without anybody to carry it out a run is accepted, and readiness says so."""
    async with serving(tmp_path) as api:
        assert (await api.http.post("/v1/workflows/idle/runs?id=r")).status_code == 201
        ready = await api.http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"] == {"store": "ok", "orchestrators": "0 alive"}
        answer = await api.http.get("/v1/runs/r/result?wait=0.01")
        assert (answer.status_code, answer.json()["status"]) == (202, "RUNNING")
        await api.http.post("/v1/workflows/Review/runs?id=q", json={"order": {"account": "a"}})
        late = await api.http.get("/v1/runs/q/queries/progress?timeout=0.01")
        assert (late.status_code, late.json()["code"]) == (503, "HF607")


@on_loop
async def test_without_its_store_it_is_not_ready(tmp_path):
    """When the store is gone the process is healthy and not ready, and answers say no more than that."""
    async with serving(tmp_path) as api:
        await api.store.close()
        assert (await api.http.get("/healthz")).status_code == 200
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        gone = await api.http.get("/v1/runs")
        assert gone.status_code == 500
        assert str(tmp_path) not in gone.text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait=10"], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait = 3 ; x=1"], 3),
        (['wait="5"'], 5),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait"], None),
        (["wait=" + "9" * 30], None),
        (["await=3"], None),
    ],
)
def test_prefer_is_read_or_ignored(headers, seconds):
    """What a Prefer header asks for is done or ignored, never an error."""
    from holdfast.controller.http.runs import preferred_wait

    assert preferred_wait(headers) == seconds


@on_loop
async def test_a_key_names_the_run_that_has_no_other_name(tmp_path):
    """?id= names the run, and an Idempotency-Key does where there is none; one that is no run id names the request."""
    async with serving(tmp_path) as api:
        path = "/v1/workflows/idle/runs"
        for query, key, run_id in (("?id=a", "k", "a"), ("", '"b"', "b"), ("", "c/d", None)):
            made = await api.http.post(path + query, headers={"Idempotency-Key": key})
            assert made.status_code == 201
            assert run_id in {None, made.json()["run_id"]}
            again = await api.http.post(path + query, headers={"Idempotency-Key": key})
            assert (again.status_code, again.content) == (201, made.content)
        for wrong in ("", "x" * 300, "a\tb"):
            answer = await api.http.post("/v1/workflows/idle/runs", headers={"Idempotency-Key": wrong})
            assert answer.status_code == 400, wrong
        twice = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
        assert (await api.http.post("/v1/workflows/idle/runs", headers=twice)).status_code == 400


@on_loop
async def test_a_start_says_what_to_do_with_the_run_there_is(tmp_path):
    """201 for an execution that was made, 200 for one that was found, 409 for a refusal, 422 for no policy of ours."""
    async with serving(tmp_path) as api:
        path = "/v1/workflows/greet/runs?id=a"
        first = await api.http.post(path, json="bob")
        refused = await api.http.post(f"{path}&id_conflict_policy=fail", json="bob")
        assert (first.status_code, refused.status_code) == (201, 409)
        used = await api.http.post(f"{path}&id_conflict_policy=use_existing", json="ann")
        assert (used.status_code, used.json()["execution"]) == (200, "a")
        made = await api.http.post(f"{path}&id_conflict_policy=terminate_existing", json="ann")
        assert (made.status_code, made.json()["execution"]) == (201, "a@2")
        wrong = await api.http.post(f"{path}&id_reuse_policy=again", json="ann")
        assert wrong.status_code == 422


@on_loop
async def test_a_result_is_waited_for_as_long_as_is_preferred(tmp_path):
    """`Prefer: wait` does what ?wait= does, as far as the server allows, and the answer says so."""
    async with serving(tmp_path, wait_seconds_max=0.01) as api:
        await api.service.starts.start("idle", b"", "r")
        answer = await api.http.get("/v1/runs/r/result", headers={"Prefer": "respond-async, wait=30"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")
        await api.http.post("/v1/runs/r/terminate")
        answer = await api.http.get("/v1/runs/r/result", headers={"Prefer": "wait=0"})
        assert (answer.status_code, answer.json()["status"]) == (200, "TERMINATED")
        assert "preference-applied" not in (await api.http.get("/v1/runs/r/result")).headers
