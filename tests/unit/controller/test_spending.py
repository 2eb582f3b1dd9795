"""What language models cost is shown over HTTP, and budgets are given more there."""

from __future__ import annotations

from holdfast.ports.operations import (
    Amount,
    AuditFilter,
    BudgetLimit,
    ModelCall,
    ModelUsage,
    ParkForBudget,
    ReserveModelCall,
    SettleModelCall,
)
from tests.unit.controller.rig import check_problem, on_loop, serving

LIMIT = BudgetLimit("team", "workflow", usd=2_000_000_000)


@on_loop
async def test_usage_is_shown_and_a_budget_is_given_more(tmp_path):
    """In dollars and tokens; the run that was parked goes on, and who granted it stands in the audit log."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        operates, reads = ({"Authorization": f"Bearer {api.secrets[scope]}"} for scope in ("operate", "read"))
        await api.service.starts.start("idle", b"", "r-1")
        run = await api.store.run("r-1")
        call = ModelCall("c", "r-1", "ask#1", 1, "some:model", "digest", "manual", (LIMIT,))
        usage = ModelUsage(1_000, 900, 0, 50, 2_000_000_000, 2_500_000_000)
        await api.store.write([ReserveModelCall(call, Amount(2_000_000_000, 1_100), 60.0)])
        await api.store.write([SettleModelCall(call, usage, Amount(2_000_000_000, 1_050))])
        await api.store.write([ParkForBudget(run.execution_id, "team", "workflow", "idle")])

        (model,) = (await api.http.get("/v1/ai/usage", headers=reads)).json()["usage"]
        assert (model["key"], model["requests"], model["usd"], model["saved_usd"]) == ("some:model", 1, 2.0, 0.5)
        (prefix,) = (await api.http.get("/v1/ai/usage?by=prefix&days=1", headers=reads)).json()["usage"]
        assert (prefix["name"], prefix["cache_read_tokens"]) == ("manual", 900)
        (step,) = (await api.http.get("/v1/ai/usage?run=r-1", headers=reads)).json()["usage"]
        assert step["key"] == "ask#1"
        check_problem(await api.http.get("/v1/ai/usage?by=week", headers=reads), 422)

        (budget,) = (await api.http.get("/v1/ai/budgets", headers=reads)).json()["budgets"]
        assert (budget["scope"], budget["usd"], budget["spent_usd"], budget["held_usd"]) == ("idle", 2.0, 2.0, 0.0)
        grant = {"name": "team", "per": "workflow", "scope": "idle", "usd": 1.5}
        check_problem(await api.http.post("/v1/ai/budgets/grant", json=grant, headers=reads), 403)
        answer = await api.http.post("/v1/ai/budgets/grant", json=grant, headers=operates)
        assert answer.json() == {"resumed": 1}
        assert (await api.store.run("r-1")).status == "RUNNING"
        (budget,) = (await api.http.get("/v1/ai/budgets", headers=reads)).json()["budgets"]
        assert budget["usd"] == 3.5
        entries, _ = await api.store.audit(AuditFilter())
        assert ("grant-budget", "team", "idle") in {(each.action, each.target, each.detail) for each in entries}
        other = {**grant, "scope": "nobody"}
        check_problem(await api.http.post("/v1/ai/budgets/grant", json=other, headers=operates), 404)
        check_problem(await api.http.post("/v1/ai/budgets/grant", json={**grant, "usd": -1}, headers=operates), 422)
