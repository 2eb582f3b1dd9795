"""What language models cost, and the budgets they are paid from.

Owns: usage and budgets.
Must not know: runs, who asks a model. Dollars are numbers with up to 9 decimals.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, cast

import msgspec

from holdfast.controller.documents.base import Document
from holdfast.ports.operations import NANO, Amount, BudgetRecord, ModelUsageRecord, Period

Group: TypeAlias = Literal["day", "workflow", "model", "prefix"]


class ModelUsed(Document, frozen=True):
    """What requests used and cost together. null: nobody said."""

    key: str
    """A day, a workflow, a model, a prefix's digest, or a step of a run."""
    name: str | None
    """What people call it, where that is something else."""
    requests: int
    lost: int
    """Of how many nobody knows the end."""
    unpriced: int
    """How many have no known price."""
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    usd: float | None
    saved_usd: float | None
    """What caches saved, premiums for writing to them taken off; below 0 where they cost more than they saved."""


class ModelUsedList(Document, frozen=True):
    """What requests to language models used and cost, summed up."""

    usage: list[ModelUsed]


class BudgetState(Document, frozen=True):
    """A budget from which anything was paid or set aside."""

    name: str
    per: Period
    scope: str
    """Which of it: a run, a workflow, or a day."""
    usd: float | None
    """The limit, with what was granted; null for none."""
    spent_usd: float
    held_usd: float
    """Set aside for requests that are under way."""
    tokens: int | None
    spent_tokens: int
    held_tokens: int


class BudgetList(Document, frozen=True):
    """Budgets: by name, and the newest days first."""

    budgets: list[BudgetState]


class Grant(Document, frozen=True, forbid_unknown_fields=True):
    """How much more a budget is to have."""

    name: str
    per: Period
    scope: str
    usd: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0
    tokens: Annotated[int, msgspec.Meta(ge=0, le=10**15)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 1_000
    """How many parked runs go on now, at most. Ask again with nothing more for the others."""

    @property
    def more(self) -> Amount:
        """The same in nano-dollars."""
        return Amount(round(self.usd * NANO), self.tokens)


class Granted(Document, frozen=True):
    """A budget that was given more."""

    resumed: int
    """How many runs went on."""


def usage_document(record: ModelUsageRecord) -> ModelUsed:
    """Return what requests used, as clients see it."""
    usage = record.usage
    return ModelUsed(
        key=record.key,
        name=record.name or None,
        requests=record.requests,
        lost=record.lost,
        unpriced=record.unpriced,
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        usd=None if usage.paid is None else usage.paid / NANO,
        saved_usd=None if usage.saved is None else usage.saved / NANO,
    )


def budget_document(record: BudgetRecord) -> BudgetState:
    """Return a budget, as clients see it."""
    return BudgetState(
        name=record.name,
        per=cast("Period", record.per),
        scope=record.scope,
        usd=record.limit.usd / NANO if record.limit.usd else None,
        spent_usd=record.spent.usd / NANO,
        held_usd=record.held.usd / NANO,
        tokens=record.limit.tokens or None,
        spent_tokens=record.spent.tokens,
        held_tokens=record.held.tokens,
    )
