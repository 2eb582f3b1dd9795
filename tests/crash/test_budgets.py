"""Agents that ask at once keep to their budget: what they may cost is in the store before anybody is asked."""

from __future__ import annotations

from holdfast.ai import metering, paying
from holdfast.ports.operations import Amount
from holdfast.stores.sql import model_calls
from tests.crash import budgets
from tests.unit.worker.rig import on_loop

AGENTS = 4


@on_loop
async def test_a_budget_is_exceeded_by_one_request_at_most(tmp_path, monkeypatch):
    """Some are parked; given more they go on, and each has asked once."""
    monkeypatch.setattr(paying, "BUSY_SECONDS_MAX", 0.05)
    assert (await budgets.fan_out(tmp_path, AGENTS)).wrong == []


@on_loop
async def test_budgets_that_are_not_kept_are_seen(tmp_path, monkeypatch):
    """The check above sees a store that refuses nobody, and requests for which nothing is set aside."""
    with monkeypatch.context() as planted:
        planted.setattr(model_calls, "_refusal", lambda *_: None)
        folder = tmp_path / "all"
        folder.mkdir()
        assert "tokens were spent" in " ".join((await budgets.fan_out(folder, AGENTS)).wrong)

    async def nothing(*_):
        return Amount()

    monkeypatch.setattr(metering.Meter, "_reserve", nothing)
    assert "while 0 requests" in " ".join((await budgets.fan_out(tmp_path, 1)).wrong)
