"""Drifts are listed and resolved over HTTP."""

from __future__ import annotations

from holdfast.ports.operations import AuditFilter, DriftChange, ReportDrift
from tests.unit.controller.rig import check_problem, on_loop, serving


@on_loop
async def test_a_drift_is_listed_and_resolved_in_parts(tmp_path):
    """It says what differs and how many runs wait; who resolved it stands there, and in the audit log."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        headers = {"Authorization": f"Bearer {api.secrets['operate']}"}
        reads = {"Authorization": f"Bearer {api.secrets['read']}"}
        for name in ("r-1", "r-2", "r-3"):
            await api.service.starts.start("idle", b"", name)
            run = await api.store.run(name)
            change = DriftChange("cents", "a valid integer", "text")
            await api.store.write([ReportDrift(run.execution_id, "api.test", "GET /rates/{}", "Rate", (change,))])
        (drift,) = (await api.http.get("/v1/drifts", headers=reads)).json()["drifts"]
        assert (drift["state"], drift["endpoint"], drift["contract"]) == ("open", "GET /rates/{}", "Rate")
        assert drift["changes"] == [{"path": "cents", "expected": "a valid integer", "found": "text"}]
        assert (drift["first_run"], drift["runs"], drift["parked"]) == ("r-1", 3, 3)
        run = (await api.http.get("/v1/runs/r-2", headers=reads)).json()
        assert run["status"] == "PARKED"
        resolve = f"/v1/drifts/{drift['drift']}/resolve"
        told = [(await api.http.post(resolve, params={"limit": 2}, headers=headers)).json() for _ in range(2)]
        assert [(each["resumed"], each["parked"]) for each in told] == [(2, 1), (1, 0)]
        (drift,) = (await api.http.get("/v1/drifts", headers=reads)).json()["drifts"]
        assert (drift["state"], drift["resolved_by"], drift["runs"]) == ("resolved", "operate", 3)
        entries, _ = await api.store.audit(AuditFilter(), limit=10)
        assert "resolve-drift" in {each.action for each in entries}
        check_problem(await api.http.post("/v1/drifts/99/resolve", headers=headers), 404, "HF604")
