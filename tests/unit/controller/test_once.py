"""Idempotency keys: one request, one effect, one answer, whoever answers and whatever happens in between."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.controller import Scope
from holdfast.errors import StoreError
from holdfast.ports.operations import DoneBefore, DoOnce, PrunedKeys, PruneKeys, Settle, Unclaim
from tests.unit.controller.rig import START, check_problem, on_loop, raw_request, serving

pytestmark = pytest.mark.usefixtures("backend")

ORDER = {"order": {"account": "a"}, "note": "x"}
OTHER = {"order": {"account": "b"}}
RUNS = "/v1/workflows/Review/runs"
DAY = 86_400.0


def key(name, secret=""):
    """Return the headers of a request with an idempotency key."""
    return {"Idempotency-Key": name} | ({"Authorization": f"Bearer {secret}"} if secret else {})


@on_loop
async def test_the_same_request_has_the_same_answer(tmp_path):
    """Status, headers and body, to the byte, however it is spaced, and whatever has become of the run since."""
    async with serving(tmp_path) as api:
        path = f"{RUNS}?id=r&attribute=region=eu&memo=n=m"
        made = await api.http.post(path, json=ORDER, headers=key("k"))
        assert made.status_code == 201
        await api.http.post("/v1/runs/r/pause")
        await api.http.post("/v1/runs/r/terminate")
        spaced = b'{"note" : "x", "order":{"lines":[],"account":"a"}}'
        again = await api.http.post(path, content=spaced, headers={**key("k"), "Content-Type": "application/json"})
        assert (again.status_code, again.content) == (201, made.content)
        assert again.headers["location"] == made.headers["location"] == "/v1/runs/r"
        assert (await api.http.get("/v1/runs/r")).json()["status"] == "TERMINATED"
        path_again = f"{RUNS}?id=r&id_reuse_policy=allow_duplicate"
        assert (await api.http.post(path_again, json=ORDER)).json()["execution"] == "r@2"
        again = await api.http.post(path, json=ORDER, headers=key("k"))
        assert (again.status_code, again.content) == (201, made.content)
        await api.http.post("/v1/runs/r/terminate")
        waited = await api.http.post(path, json=ORDER, headers={**key("k"), "Prefer": "wait=1"})
        assert (waited.status_code, waited.json()["status"]) == (201, "TERMINATED")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{RUNS}?id=r", OTHER),
        (f"{RUNS}?id=s", ORDER),
        (f"{RUNS}?id=r&timeout=1h", ORDER),
        (f"{RUNS}?id=r&id_reuse_policy=allow_duplicate", ORDER),
        (f"{RUNS}?id=r&attribute=a=b", ORDER),
        ("/v1/workflows/greet/runs?id=r", "bob"),
        ("/v1/runs/r/signals/approve", "me"),
        ("/v1/runs/r/updates/add", {"name": "pen"}),
        ("/v1/runs/r/cancel", {"reason": "x"}),
    ],
)
@on_loop
async def test_another_request_under_a_key_is_refused(tmp_path, path, body):
    """Another input, run, option, workflow or verb: 422, and nothing is done."""
    async with serving(tmp_path) as api:
        assert (await api.http.post(f"{RUNS}?id=r", json=ORDER, headers=key("k"))).status_code == 201
        other = await api.http.post(path, json=body, headers=key("k"))
        assert "another request" in check_problem(other, 422, "HF621")["detail"]
        assert (await api.http.get("/v1/runs/s")).status_code == 404
        assert await api.store.execution_inbox(1) == []


@on_loop
async def test_another_process_gives_the_same_answer(tmp_path):
    """What one controller did and answered another one on the same store answers, while the first lives and after."""
    async with serving(tmp_path) as here:
        async with serving(tmp_path) as there:
            made = await here.http.post(RUNS, json=ORDER, headers=key("k"))
            sent = await here.http.post("/v1/runs/k/signals/approve", json="me", headers=key("s"))
            again = await there.http.post(RUNS, json=ORDER, headers=key("k"))
            assert (again.status_code, again.content) == (201, made.content)
            check_problem(await there.http.post(RUNS, json=OTHER, headers=key("k")), 422, "HF621")
        async with serving(tmp_path) as later:
            again = await later.http.post(RUNS, json=ORDER, headers=key("k"))
            assert (again.status_code, again.content) == (201, made.content)
            again = await later.http.post("/v1/runs/k/signals/approve", json="me", headers=key("s"))
            assert (again.status_code, again.content) == (202, sent.content)
            assert len(await later.store.execution_inbox(1)) == 1
            assert [each["run_id"] for each in (await later.http.get("/v1/runs")).json()["runs"]] == ["k"]


@on_loop
async def test_a_key_is_somebodys_own(tmp_path):
    """The same key of two callers is two keys: each has their own answer, and no signal is taken for the other's."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r")
        ann, bob = [(await api.service.keys.create(each, [Scope.SIGNAL])).secret for each in ("ann", "bob")]
        path = "/v1/runs/r/signals/approve"
        for secret, value in ((ann, "ann"), (ann, "ann"), (bob, "bob")):
            sent = await api.http.post(path, json=value, headers=key("1", secret))
            assert (sent.status_code, sent.json()["operation_id"]) == (202, "1")
        inbox = await api.store.execution_inbox(1)
        assert [each.body for each in inbox] == [b'"ann"', b'"bob"']
        unnamed = await api.http.post(path, json="y", headers={"Authorization": f"Bearer {ann}"})
        again = await api.http.post(path, json="y", headers=key(unnamed.json()["operation_id"], ann))
        assert again.json() == unnamed.json()
        assert len(await api.store.execution_inbox(1)) == 3


@on_loop
async def test_callers_who_count_alike_do_not_meet(tmp_path):
    """A key that stands for a run id, a fork's, or one of many messages is its caller's own there, too."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r")
        secrets = [(await api.service.keys.create(each, [Scope.ADMIN])).secret for each in ("ann", "bob")]
        for name, path, body in (
            ("1", "/v1/workflows/greet/runs", "ada"),
            ("2", "/v1/runs/r/fork", {"at": "start"}),
        ):
            made = set()
            for secret in (*secrets, *secrets):
                answer = (await api.http.post(path, json=body, headers=key(name, secret))).json()
                made.add(answer.get("run", answer)["run_id"])
            assert made == {f"ann:{name}", f"bob:{name}"}
        everything = {"verb": "cancel", "where": {"workflow": "greet"}}
        for secret in secrets:
            await api.http.post("/v1/bulk", json=everything, headers=key("1", secret))
        for each in ("ann:1", "bob:1"):
            record = await api.store.run(each)
            rows = await api.store.execution_inbox(record.execution_id)
            assert sorted(row.operation_id for row in rows) == [f"ann:1/{each}", f"bob:1/{each}"]


@on_loop
async def test_a_key_is_kept_while_its_run_is_open_and_a_day_longer(tmp_path):
    """Time alone releases nothing: only the end of the run does, and what is then kept for those who ask again."""
    async with serving(tmp_path) as api:
        await api.http.post(f"{RUNS}?id=r", json=ORDER, headers=key("k"))
        api.clock.time += 100 * DAY
        assert (await api.http.post(f"{RUNS}?id=s", json=OTHER, headers=key("k"))).status_code == 422
        await api.http.post("/v1/runs/r/terminate")
        api.clock.time += DAY - 1.0
        assert (await api.http.post(f"{RUNS}?id=s", json=OTHER, headers=key("k"))).status_code == 422
        api.clock.time += 1.0
        assert (await api.http.post(f"{RUNS}?id=s", json=OTHER, headers=key("k"))).status_code == 201
        assert (await api.http.post(f"{RUNS}?id=r", json=ORDER, headers=key("k"))).status_code == 422


@on_loop
async def test_what_is_refused_leaves_its_key_free(tmp_path):
    """Nothing was done, so the same request may be sent again, and another one too."""
    async with serving(tmp_path) as api:
        path = "/v1/runs/r/signals/approve"
        assert (await api.http.post(path, json="me", headers=key("k"))).status_code == 404
        await api.http.post(f"{RUNS}?id=r", json=ORDER)
        assert (await api.http.post(f"{RUNS}?id=r", json=OTHER, headers=key("k"))).status_code == 409
        assert (await api.http.post(path, json=7, headers=key("k"))).status_code == 422
        assert (await api.http.post(path, json="me", headers=key("k"))).status_code == 202


@pytest.mark.only_on("sqlite")  # it looks into the table
@on_loop
async def test_one_that_is_under_way_is_said_to_be(tmp_path):
    """409 while an update waits for its answer, in this process and in another; then the key is as it turned out."""
    async with serving(tmp_path) as here, serving(tmp_path) as there:
        await here.http.post(f"{RUNS}?id=r", json=ORDER)
        path = "/v1/runs/r/updates/add"
        line = {"name": "pen"}
        first = asyncio.create_task(here.http.post(f"{path}?timeout=2", json=line, headers=key("k")))
        while not there.store._reading.execute("SELECT count(*) FROM idempotency").get:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)
        for api in (here, there):
            busy = await api.http.post(path, json=line, headers=key("k"))
            check_problem(busy, 409, "HF622")
            assert busy.headers["retry-after"] == "1"
        assert (await first).status_code == 503
        later = await there.http.post(f"{path}?timeout=0.01", json=line, headers=key("k"))
        check_problem(later, 503, "HF607")


def claim(asked, until, **more):
    """Return a claim of a key."""
    names = {"caller": "local", "key": "k", "run_id": "r"} | more
    return DoOnce(fingerprint=asked, claimed_until=until, keep_seconds=DAY, **names)


@on_loop
async def test_a_claim_is_settled_given_back_or_lapses(tmp_path):
    """A settled key has its answer; one given back is free; one whose process died is free when its time is up."""
    async with serving(tmp_path) as api:
        await api.http.post(f"{RUNS}?id=r", json=ORDER)

        async def do(operation):
            return (await api.store.write([operation]))[0]

        until = START + 10.0
        assert await do(claim(b"a", until)) is True
        assert (await do(claim(b"a", until))).code == "HF622"
        assert (await do(claim(b"b", until))).code == "HF621"
        assert await do(Unclaim("local", "k")) is True
        assert await do(claim(b"a", until)) is True
        assert await do(Settle("local", "k", b"7")) is True
        assert [await do(Settle("local", "k", b"8")), await do(Unclaim("local", "k"))] == [False, False]
        assert await do(claim(b"a", until)) == DoneBefore("", False, b"7", "local", "k", "r")
        assert await do(claim(b"a", until, key="died")) is True
        api.clock.time = until
        assert await do(claim(b"b", until + 10.0, key="died")) is True


@pytest.mark.only_on("sqlite")  # where a statement can be spoilt
@on_loop
async def test_an_act_and_its_key_are_one_commit(tmp_path):
    """Either both are there or neither: what undoes the one undoes the other."""
    async with serving(tmp_path) as api:
        sql = api.store._writer._sql
        api.store._writer._sql = {**sql, "put_idempotency": "INSERT INTO nowhere VALUES (?1,?2,?3,?4,?5,?6,?7,?8)"}
        with pytest.raises(StoreError, match="nowhere"):
            await api.service.starts.start("greet", b'"bob"', key="k")
        assert (await api.http.get("/v1/runs")).json()["runs"] == []
        api.store._writer._sql = sql
        assert (await api.http.post("/v1/workflows/greet/runs", json="bob", headers=key("k"))).status_code == 201


@on_loop
async def test_many_at_once_are_one(tmp_path):
    """Twenty times the same request at the same time: one run, and each has its answer or is told to come back."""
    async with serving(tmp_path) as api:
        headers = [("host", "localhost"), ("content-type", "application/json"), ("idempotency-key", "k/1")]
        path = b"/v1/workflows/greet/runs"
        replies = await asyncio.gather(
            *(raw_request(api.app, "POST", path, headers=headers, body=[b'"bob"']) for _ in range(20))
        )
        assert {each.status for each in replies} <= {201, 409}
        assert len({each.body for each in replies if each.status == 201}) == 1
        assert len((await api.http.get("/v1/runs")).json()["runs"]) == 1


@on_loop
async def test_old_keys_are_let_go(tmp_path):
    """Of keys whose runs ended before a time, some at a time; those of open runs stay."""
    async with serving(tmp_path) as api:
        for number in range(4):
            await api.http.post(f"/v1/workflows/greet/runs?id=r-{number}", json="bob", headers=key(f"k-{number}"))
        for number in (0, 1, 3):
            await api.http.post(f"/v1/runs/r-{number}/terminate")
        assert await api.store.write([PruneKeys(START, 0, 3)]) == [PrunedKeys(0, 3)]
        assert await api.store.write([PruneKeys(START + 1.0, 0, 3)]) == [PrunedKeys(2, 3)]
        assert await api.store.write([PruneKeys(START + 1.0, 3, 3)]) == [PrunedKeys(1, None)]
        again = await api.http.post("/v1/workflows/greet/runs?id=r-2", json="eve", headers=key("k-2"))
        assert again.status_code == 422
