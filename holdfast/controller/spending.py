"""What language models cost.

Owns: usage, budgets, and giving one more.
Must not know: HTTP, runs.
"""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast.controller.actors import store_of
from holdfast.controller.documents import (
    BudgetList,
    Grant,
    Granted,
    ModelUsed,
    ModelUsedList,
    budget_document,
    usage_document,
)
from holdfast.errors import UnknownNameError
from holdfast.ports.operations import GrantBudget, ModelUsage, ModelUsageRecord, first_time
from holdfast.ports.store import Store


class Spending:
    """The usage and the budgets of a store, as documents."""

    def __init__(self, store: Store) -> None:
        """Read `store`."""
        self._store = store

    async def usage(self, by: str, days: int) -> ModelUsedList:
        """Return what was used in so many days, today included, by `day`, `workflow`, `model` or `prefix`."""
        since = first_time(await self._store.now(), days)
        return ModelUsedList(usage=[usage_document(each) for each in await self._store.model_usage(by, since)])

    async def daily(self, days: int) -> list[ModelUsed]:
        """Return what was used on each of so many days, the oldest first, also when nobody asked; the last is today."""
        now = await self._store.now()
        dates = [_date(first_time(now, each)) for each in range(days, 0, -1)]
        found = {each.key: each for each in (await self.usage("day", days)).usage}
        return [found.get(each) or usage_document(ModelUsageRecord(each, "", 0, 0, 0, ModelUsage())) for each in dates]

    async def run_usage(self, run_id: str) -> ModelUsedList:
        """Return what a run's requests used, by step."""
        return ModelUsedList(usage=[usage_document(each) for each in await self._store.run_model_usage(run_id)])

    async def budgets(self) -> BudgetList:
        """Return the budgets from which anything was paid or set aside."""
        return BudgetList(budgets=[budget_document(each) for each in await self._store.budgets()])

    async def grant(self, grant: Grant, by: str = "") -> Granted:
        """Let a budget have more, and parked runs go on; `by` is who does it. Raises UnknownNameError."""
        operation = GrantBudget(grant.name, grant.per, grant.scope, grant.more, grant.limit)
        (resumed,) = await store_of(self._store, by).write([operation])
        if resumed is None:
            remedy = "See them: GET /v1/ai/budgets, or holdfast ai budgets."
            raise UnknownNameError("budget", f"{grant.name} of {grant.per} {grant.scope}", remedy=remedy)
        return Granted(resumed=resumed)


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
