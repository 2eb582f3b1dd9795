"""Pausing, resuming and breaking locks over HTTP."""

from __future__ import annotations

from holdfast.ports.operations import AcquireLease, Prune
from tests.unit.controller.rig import check_problem, on_loop, serving


@on_loop
async def test_a_run_is_paused_and_resumed(tmp_path):
    """It says who paused it and why, until it is resumed; one that goes on is not resumed again."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        headers = {"Authorization": f"Bearer {api.secrets['operate']}"}
        await api.service.starts.start("idle", b"", "r-1")
        response = await api.http.post("/v1/runs/r-1/pause", json={"reason": "bad deploy"}, headers=headers)
        assert response.status_code == 200
        run = response.json()
        assert run["status"] == "PAUSED"
        assert run["paused"] == {"by": "operate", "reason": "bad deploy", "at": "2023-11-14T22:13:20.000000Z"}
        run = (await api.http.post("/v1/runs/r-1/resume", headers=headers)).json()
        assert (run["status"], run["paused"]) == ("RUNNING", None)
        check_problem(await api.http.post("/v1/runs/r-1/resume", headers=headers), 409, "HF608")
        check_problem(await api.http.post("/v1/runs/r-9/pause", headers=headers), 404, "HF601")


@on_loop
async def test_a_run_nobody_owns_is_terminated_at_once(tmp_path):
    """The answer shows its end, and what comes later is refused."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        run = (await api.http.post("/v1/runs/r-1/terminate", json={"reason": "wrong"})).json()
        assert run["status"] == "TERMINATED"
        assert run["error"]["message"] == "wrong"
        for verb in ("pause", "resume", "terminate", "cancel"):
            check_problem(await api.http.post(f"/v1/runs/r-1/{verb}"), 409, "HF602")


@on_loop
async def test_a_lock_is_broken(tmp_path):
    """Its holder is named; nobody is when nobody held it; a body that names no lock is refused."""
    async with serving(tmp_path) as api:
        await api.store.write([AcquireLease("account:acme/1", 1, "somebody", 60.0)])
        broken = await api.http.post("/v1/locks/break", json={"name": "account:acme/1"})
        assert broken.json() == {"name": "account:acme/1", "holder": "somebody"}
        again = await api.http.post("/v1/locks/break", json={"name": "account:acme/1"})
        assert again.json() == {"name": "account:acme/1", "holder": None}
        check_problem(await api.http.post("/v1/locks/break"), 422)
        check_problem(await api.http.post("/v1/locks/break", json={"lock": "x"}), 422)


@on_loop
async def test_many_runs_are_operated_in_parts(tmp_path):
    """A preview counts; each part says what was done and where the next one begins; what is refused says why."""
    async with serving(tmp_path) as api:
        for number in range(5):
            await api.service.starts.start("idle", b"", f"r-{number}")
        body = {"verb": "pause", "where": {"workflow": "idle"}, "reason": "bad deploy", "limit": 3}
        preview = (await api.http.post("/v1/bulk", json=body | {"preview": True})).json()
        assert preview == {"matched": 5, "done": [], "refused": [], "next": None}
        first = (await api.http.post("/v1/bulk", json=body)).json()
        assert (first["done"], first["matched"]) == (["r-4", "r-3", "r-2"], 5)
        rest = (await api.http.post("/v1/bulk", json=body | {"cursor": first["next"]})).json()
        assert (rest["done"], rest["next"]) == (["r-1", "r-0"], None)
        run = (await api.http.get("/v1/runs/r-0")).json()
        assert run["paused"] == {"by": "anybody", "reason": "bad deploy", "at": run["paused"]["at"]}
        ended = (await api.http.post("/v1/bulk", json={"verb": "terminate", "where": {"status": ["PAUSED"]}})).json()
        assert len(ended["done"]) == 5
        wrong = {"verb": "resume", "where": {"status": ["TERMINATED"]}, "limit": 1}
        (refused,) = (await api.http.post("/v1/bulk", json=wrong)).json()["refused"]
        assert (refused["run_id"], refused["why"]) == ("r-4", "run 'r-4' is TERMINATED and takes no more messages")
        for bad in ({"verb": "fork", "where": {}}, {"verb": "cancel"}, body | {"cursor": "x"}, body | {"limit": 0}):
            check_problem(await api.http.post("/v1/bulk", json=bad), 422)
        found = (await api.http.get("/v1/runs", params={"error": "nothing"})).json()["runs"]
        assert found == []
        early = {"created_before": "2020-01-01T00:00:00Z"}
        assert (await api.http.get("/v1/runs", params=early)).json()["runs"] == []


@on_loop
async def test_a_run_is_forked(tmp_path):
    """The new run begins where it was told to; made again it is the same; what makes no sense is refused."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("greet", b'"ada"', "g-1")
        response = await api.http.post("/v1/runs/g-1/fork", json={"at": "start", "id": "g-2", "input": "bob"})
        assert response.status_code == 201
        answer = response.json()
        assert (answer["run"]["run_id"], answer["run"]["workflow"]) == ("g-2", "greet")
        assert [answer[each] for each in ("not_run_again", "run_again", "idempotency_keys")] == [[], [], {}]
        again = await api.http.post("/v1/runs/g-1/fork", json={"at": "start", "id": "g-2", "input": "bob"})
        assert again.status_code == 200
        taken = await api.http.post("/v1/runs/g-1/fork", json={"at": "start", "id": "g-2", "input": "eve"})
        check_problem(taken, 409, "HF603")
        check_problem(await api.http.post("/v1/runs/g-1/fork", json={"at": "start", "input": 7}), 422, "HF402")
        check_problem(await api.http.post("/v1/runs/g-1/fork", json={"at": "charge#1"}), 422, "HF610")
        check_problem(await api.http.post("/v1/runs/g-1/fork", json={"at": "start", "id": "a\nb"}), 422, "HF402")
        check_problem(await api.http.post("/v1/runs/g-9/fork", json={"at": "start"}), 404, "HF601")


@on_loop
async def test_runs_are_found_by_attributes(tmp_path):
    """They are set as a run starts, shown with its memo, and select runs in lists and for many at once."""
    async with serving(tmp_path) as api:
        path = "/v1/workflows/idle/runs?attribute=region=eu&memo=note=by%20hand"
        for number in range(2):
            response = await api.http.post(f"{path}&id=r-{number}&attribute=total={number}.5&attribute=code=007")
            assert response.status_code == 201
        await api.service.starts.start("idle", b"", "r-9")
        run = (await api.http.get("/v1/runs/r-1")).json()
        assert run["attributes"] == {"region": "eu", "total": 1.5, "code": "007"}
        assert run["memo"] == {"note": "by hand"}
        bare = (await api.http.get("/v1/runs/r-9")).json()
        assert (bare["attributes"], bare["memo"]) == ({}, {})
        found = (await api.http.get("/v1/runs?where=region=eu")).json()["runs"]
        assert [each["run_id"] for each in found] == ["r-1", "r-0"]
        found = (await api.http.get("/v1/runs?where=region=eu&where=total=0.5")).json()["runs"]
        assert [each["run_id"] for each in found] == ["r-0"]
        body = {"verb": "pause", "where": {"attributes": {"region": "eu"}}}
        assert (await api.http.post("/v1/bulk", json=body)).json()["done"] == ["r-1", "r-0"]
        check_problem(await api.http.get("/v1/runs?where=region"), 422, "HF402")
        check_problem(await api.http.post("/v1/workflows/idle/runs?attribute=status=x"), 422, "HF402")
        check_problem(await api.http.post("/v1/workflows/idle/runs?memo=x"), 422, "HF402")


@on_loop
async def test_many_runs_are_forked_in_parts(tmp_path):
    """A preview counts; each part names the forks and where the next begins; again under one key they are the same."""
    async with serving(tmp_path) as api:
        for number in range(3):
            await api.service.starts.start("greet", b'"ada"', f"g-{number}")
        await api.service.starts.start("idle", b"", "i-1")
        body = {"where": {"workflow": "greet"}, "fork": {"at": "start", "input": "bob"}, "limit": 2}
        preview = (await api.http.post("/v1/bulk/fork", json=body | {"preview": True})).json()
        assert preview == {"matched": 3, "forked": [], "refused": [], "next": None}
        named = {"Idempotency-Key": "after the fix"}
        first = (await api.http.post("/v1/bulk/fork", json=body, headers=named)).json()
        assert [each["run_id"] for each in first["forked"]] == ["g-2", "g-1"]
        assert (first["matched"], first["refused"]) == (3, [])
        rest = {"cursor": first["next"]}
        last = (await api.http.post("/v1/bulk/fork", json=body | rest, headers=named)).json()
        assert ([each["run_id"] for each in last["forked"]], last["next"]) == (["g-0"], None)
        again = (await api.http.post("/v1/bulk/fork", json=body | rest, headers=named)).json()
        assert again["forked"] == last["forked"]
        fork = (await api.http.get(f"/v1/runs/{last['forked'][0]['fork']}")).json()
        assert (fork["workflow"], fork["status"]) == ("greet", "RUNNING")
        wrong = {"where": {"workflow": "idle"}, "fork": {"at": "charge#1"}}
        (refused,) = (await api.http.post("/v1/bulk/fork", json=wrong)).json()["refused"]
        assert (refused["run_id"], "step charge#1" in refused["why"]) == ("i-1", True)
        named_one = {"where": {}, "fork": {"at": "start", "id": "one"}}
        problem = check_problem(await api.http.post("/v1/bulk/fork", json=named_one), 422, "HF402")
        assert problem["errors"][0]["pointer"] == "/fork/id"
        check_problem(await api.http.post("/v1/bulk/fork", json={"where": {}}), 422)
        check_problem(await api.http.post("/v1/bulk/fork", json=body | {"cursor": "x"}), 422)


@on_loop
async def test_a_pruned_history_is_gone_for_good(tmp_path):
    """410 with the reason; the run itself is still described."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        await api.http.post("/v1/runs/r-1/terminate")
        await api.store.write([Prune(await api.store.now() + 1)])
        problem = check_problem(await api.http.get("/v1/runs/r-1/history"), 410, "HF303")
        assert "its id, status and result are still there" in problem["detail"]
        check_problem(await api.http.post("/v1/runs/r-1/fork", json={"at": "start"}), 410, "HF303")
        assert (await api.http.get("/v1/runs/r-1")).json()["status"] == "TERMINATED"


@on_loop
async def test_a_signal_comes_with_a_start(tmp_path):
    """One commit for both; an open run takes it whatever its input; without an id, or with what contradicts it, 400."""
    async with serving(tmp_path) as api:
        path = "/v1/workflows/Review/runs?signal=approve"
        body = {"input": {"order": {"account": "a"}}, "signal": "ada"}
        named = {"Idempotency-Key": "op-1"}
        for _ in range(2):  # under one key it is one request, and answered alike
            response = await api.http.post(f"{path}&id=c-1", json=body, headers=named)
            assert (response.status_code, response.json()["run_id"]) == (201, "c-1")
        await api.http.post(f"{path}&id=c-1", json={"input": {"order": {"account": "b"}}, "signal": "bob"})
        record = await api.store.run("c-1")
        assert [each.body for each in await api.store.execution_inbox(record.execution_id)] == [b'"ada"', b'"bob"']
        assert "warning" not in response.json()
        check_problem(await api.http.post(path, json=body), 400)
        check_problem(await api.http.post(f"{path}&id=c-1&id_conflict_policy=fail", json=body), 400)
        for key in ({}, {"Idempotency-Key": "op-2"}, {"Prefer": "wait=0"}):
            slip = await api.http.post(f"{path[:-1]}&id=c-3", json=body, headers=key)
            assert "has no handler for signal 'approv'. Did you mean 'approve'?" in slip.json()["warning"]
        for wrong in (body | {"signal": 3}, body | {"signals": "ada"}, body | {"input": None}, [1]):
            check_problem(await api.http.post(f"{path}&id=c-2", json=wrong), 422, "HF402")
        check_problem(await api.http.get("/v1/runs/c-2"), 404)
        await api.http.post("/v1/runs/c-1/terminate")
        check_problem(await api.http.post(f"{path}&id=c-1", json=body), 409, "HF602")


@on_loop
async def test_runs_are_found_by_time_to_the_ends_of_time(tmp_path):
    """A time without a zone is in UTC; the first and the last years there are find nothing, and break nothing."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs", json="ada", params={"id": "r"})
        for early in ("0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00"):
            found = await api.http.get("/v1/runs", params={"created_from": early})
            assert [each["run_id"] for each in found.json()["runs"]] == ["r"], found.text
        for late in ("9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00"):
            assert (await api.http.get("/v1/runs", params={"created_from": late})).json()["runs"] == []
