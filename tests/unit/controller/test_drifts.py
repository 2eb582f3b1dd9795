"""Drifts are listed, resolved, and read by accepted mappings over HTTP."""

from __future__ import annotations

from holdfast.ports.mappings import Convert, Move
from holdfast.ports.operations import AuditFilter, DriftChange, ProposedMapping, ProposeMappings, ReportDrift
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


@on_loop
async def test_a_mapping_that_is_proposed_and_proven_is_accepted(tmp_path):
    """No other one is, whatever is sent; who accepted what is in the audit log."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        headers = {"Authorization": f"Bearer {api.secrets['operate']}"}
        for name in ("r-1", "r-2", "r-3"):
            await api.service.starts.start("idle", b"", name)
            run = await api.store.run(name)
            change = DriftChange("cents", "a valid integer", "text")
            (number,) = await api.store.write(
                [ReportDrift(run.execution_id, "api.test", "GET /rates/{}", "Rate", (change,))]
            )
        proven = ProposedMapping((Convert("cents", "number"),), "r-1", ("r-2", "r-3"))
        unproven = ProposedMapping((Move("amount", "cents"),), "r-1", ("r-2",), ("r-3",))
        await api.store.write([ProposeMappings(number, (proven, unproven))])
        reads = {"Authorization": f"Bearer {api.secrets['read']}"}
        (drift,) = (await api.http.get("/v1/drifts", headers=reads)).json()["drifts"]
        first, second = drift["proposals"]
        assert (first["state"], first["made_from"], first["proven"]) == ("proven", "r-1", ["r-2", "r-3"])
        assert (second["state"], second["refuted"]) == ("unproven", ["r-3"])
        accept = f"/v1/drifts/{number}/accept"
        for mapping, problem in (
            (second["mapping"], "is not proven"),
            ([], "is none of those"),
            ([*first["mapping"], *second["mapping"]], "is none of those"),
        ):
            refused = await api.http.post(accept, json={"mapping": mapping}, headers=headers)
            check_problem(refused, 422, "HF402")
            assert problem in refused.text
        for body in (b"", b"[]", b'{"mapping":1}', b'{"mapping":[1]}', b'{"mapping":[],"unproven":true}', b"{"):
            said = await api.http.post(accept, content=body, headers=headers | {"Content-Type": "application/json"})
            assert said.status_code in {400, 422}, body
        assert (await api.store.hosts())[0].state.mappings == {}
        told = await api.http.post(accept, json={"mapping": first["mapping"]}, params={"limit": 2}, headers=headers)
        assert told.json() == {"drift": number, "resumed": 2, "parked": 1}
        assert (await api.store.hosts())[0].state.mappings == {"GET /rates/{}": proven.steps}
        entries, _ = await api.store.audit(AuditFilter(), limit=10)
        assert [(each.actor, each.target, each.detail) for each in entries if each.action == "accept-drift"] == [
            ("operate", str(number), first["words"])
        ]
        again = await api.http.post(accept, json={"mapping": first["mapping"]}, headers=headers)
        check_problem(again, 422, "HF402")
        check_problem(await api.http.post("/v1/drifts/99/accept", json={"mapping": []}, headers=headers), 404, "HF604")
