"""Pausing, resuming and breaking locks over HTTP."""

from __future__ import annotations

from holdfast.ports.operations import AcquireLease
from tests.unit.controller.rig import check_problem, on_loop, serving


@on_loop
async def test_a_run_is_paused_and_resumed(tmp_path):
    """It says who paused it and why, until it is resumed; one that goes on is not resumed again."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        headers = {"Authorization": f"Bearer {api.secrets['operate']}"}
        await api.service.start("idle", b"", "r-1")
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
        await api.service.start("idle", b"", "r-1")
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
