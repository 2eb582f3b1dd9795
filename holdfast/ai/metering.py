"""Each request to a model: paid from its budgets, and written down.

Owns: `Meter`: what is set aside before a request, and what is written down after it.
Must not know: how a request is made, what a prompt is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from holdfast.ai.budgets import Budget, most_of
from holdfast.ai.prices import Cost, cost_of
from holdfast.ai.usage import Reading, Usage
from holdfast.errors import BudgetBusy, BudgetUsedUp, HoldfastError
from holdfast.observe import logger
from holdfast.ports.books import Asker, Books, asker_here, books_here
from holdfast.ports.operations import Amount, ModelCall, ModelUsage, ReserveModelCall, SettleModelCall

if TYPE_CHECKING:
    from holdfast.ai.cached import Cached
    from holdfast.ai.prices import Sold

LOST_SECONDS: Final = 3_600.0
"""A request of which nothing is heard for so long counts for all that was set aside for it."""

log = logger("holdfast.ai")


class Meter:
    """Of one model, with its prefix and its budgets."""

    def __init__(
        self,
        endpoint: Sold,
        prefix: Cached | None,
        budgets: Sequence[Budget],
        output_tokens: int,
        note: Callable[[Usage, Cost | None], None],
        *,
        keeps: bool = False,
    ) -> None:
        """Have `note` told what each request used and cost.

        Args:
            endpoint: whom is asked.
            prefix: what its provider is told to keep.
            budgets: what requests are paid from.
            output_tokens: how long an answer is, at most.
            note: hears of each request that ended.
            keeps: whether requests tell the provider themselves to keep something.
        """
        self._endpoint = endpoint
        self._prefix = prefix
        self._limits = tuple(each.limit for each in budgets)
        self._output_tokens = output_tokens
        self._note = note
        self._keeps = keeps or prefix is not None

    @asynccontextmanager
    async def request(self, sent_bytes: Callable[[], int]) -> AsyncIterator[Reading]:
        """Hold what a request may cost while it is made.

        Args:
            sent_bytes: says how long it is; asked where there is a budget.

        Raises:
            BudgetUsedUp: nothing is left.
            BudgetBusy: something may be left when others that are under way have ended.
            StoreError: it could not be set aside.
        """
        asker, kept = asker_here(), books_here()
        reading = Reading()
        if asker is None or kept is None:
            yield reading
            self._note(reading.usage, self._cost(reading.usage))
            return
        call = self._call(asker)
        most = await self._reserve(kept, call, sent_bytes) if self._limits else None
        try:
            yield reading
        except Exception:
            if most is not None:
                # An answer that broke off may have been paid for, so it counts; one that was refused was not.
                refused = SettleModelCall(call, None, Amount())
                await self._settle(kept, refused if reading.refused else SettleModelCall(call, ModelUsage(), most))
            raise
        usage, cost = reading.usage, self._cost(reading.usage)
        self._note(usage, cost)
        counts = Amount(cost.paid if cost else 0, (usage.input_tokens or 0) + (usage.output_tokens or 0))
        if most is not None and not usage.is_known:
            counts = most
        await self._settle(kept, SettleModelCall(call, _noted(usage, cost), counts))

    def _call(self, asker: Asker) -> ModelCall:
        prefix = self._prefix
        digest, name = ("", "") if prefix is None else (prefix.digest, prefix.name)
        endpoint = self._endpoint
        return ModelCall(
            uuid4().hex, asker.run_id, asker.step, asker.attempt, endpoint.name, digest, name, self._limits
        )

    async def _reserve(self, books: Books, call: ModelCall, sent_bytes: Callable[[], int]) -> Amount:
        most = most_of(
            self._endpoint,
            sent_bytes(),
            self._output_tokens,
            kept=self._keeps,
            priced=any(limit.usd for limit in self._limits),
        )
        reply = await books.reserve(ReserveModelCall(call, most, LOST_SECONDS))
        if not reply.granted:
            raise (BudgetBusy if reply.waits else BudgetUsedUp)(name=reply.name, per=reply.per, scope=reply.scope)
        return most

    async def _settle(self, books: Books, operation: SettleModelCall) -> None:
        try:
            await books.settle(operation)
        except HoldfastError as error:  # the answer is there, and was paid
            log.warning("what a request to a model cost could not be written down", error=str(error))

    def _cost(self, usage: Usage) -> Cost | None:
        endpoint = self._endpoint
        return cost_of(usage, endpoint.seller, endpoint.model) if endpoint.seller else None


def _noted(usage: Usage, cost: Cost | None) -> ModelUsage:
    return ModelUsage(
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        cost.paid if cost else None,
        cost.uncached if cost else None,
    )
