"""Requests to language models: what each used and cost, and the budgets it is paid from.

Owns: reserving and settling a request; granting more; how usage and budgets are shown.
Must not know: models, prices, prompts.

Amounts are whole nano-dollars, so that sums are exact. What a provider did not say is None, and is not nothing.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from holdfast.ports.operations.base import Value

NANO: Final = 1_000_000_000
"""So many nano-dollars are a dollar."""
Period: TypeAlias = Literal["run", "workflow", "day"]
"""What has a budget of its own: each run, each workflow, each day."""
_DAY_SECONDS: Final = 86_400.0


def first_time(now: float, days: int) -> float:
    """Return a time of the first of so many days, of which today is the last."""
    return now - (days - 1) * _DAY_SECONDS


class BudgetLimit(Value, frozen=True):
    """A budget that a request is paid from."""

    name: str
    per: str
    """`run`, `workflow` or `day`."""
    usd: int = 0
    """Nano-dollars; 0 for no limit."""
    tokens: int = 0
    """0 for no limit."""


class Amount(Value, frozen=True):
    """What counts against budgets."""

    usd: int = 0
    """Nano-dollars."""
    tokens: int = 0


class ModelCall(Value, frozen=True):
    """One request of a task to a model, before it is made."""

    call: str
    """Names it among all requests."""
    run_id: str
    step: str
    attempt: int
    model: str
    """`provider:model`."""
    prefix: str = ""
    """Digest of what it begins with, where that is to be kept; empty for nothing."""
    prefix_name: str = ""
    limits: tuple[BudgetLimit, ...] = ()


class ModelUsage(Value, frozen=True):
    """What a request used and cost, as far as it is known: None is not known."""

    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    paid: int | None = None
    """Nano-dollars."""
    uncached: int | None = None
    """What it would have cost without any cache."""

    @property
    def saved(self) -> int | None:
        """What caches saved, premiums for writing to them taken off; below 0 where they cost more than they saved."""
        return None if self.paid is None or self.uncached is None else self.uncached - self.paid


class ReserveModelCall(Value, frozen=True):
    """Set aside what a request may cost at most, before it is made. Result: Reservation."""

    call: ModelCall
    most: Amount
    seconds: float
    """After so long it is lost, and counts for what was set aside: whoever asked has died, and may have been served."""


class Reservation(Value, frozen=True):
    """Whether a request may be made."""

    granted: bool
    name: str = ""
    """The budget that does not allow it, ..."""
    per: str = ""
    scope: str = ""
    """... which of it: a run, a workflow, or a day such as `2026-11-30`."""
    waits: bool = False
    """Whether something may be left once requests that are under way have ended."""


class SettleModelCall(Value, frozen=True):
    """Note what a request used, and let go of what was set aside. Result: None. Settled twice, it counts once."""

    call: ModelCall
    usage: ModelUsage | None
    """None for one that was refused: nothing is noted of it."""
    counts: Amount
    """What counts against its budgets."""


class ParkForBudget(Value, frozen=True):
    """Park a run because a budget is used up. Result: whether it is: it may have been given more meanwhile."""

    execution_id: int
    name: str
    per: str
    scope: str


class GrantBudget(Value, frozen=True):
    """Let a budget have more, and runs go on that are parked because it was used up.

    Result: how many go on; None where there is no such budget. Called again with nothing more until the result is 0, it
    lets all of them go on at a bounded rate.
    """

    name: str
    per: str
    scope: str
    more: Amount
    runs: int = 100
    """How many runs go on, at most."""


class BudgetRecord(Value, frozen=True):
    """A budget from which something was paid or set aside. Amounts of money are nano-dollars."""

    name: str
    per: str
    scope: str
    limit: Amount
    """As the newest request said, what was granted included; 0 for no limit."""
    spent: Amount
    held: Amount
    """Set aside for requests that are under way."""
    granted: Amount
    """Beyond what the code says."""


class ModelUsageRecord(Value, frozen=True):
    """What requests used and cost together. None: nobody said."""

    key: str
    """What they have in common: a day, a workflow, a model, a prefix's digest, or a step of a run."""
    name: str
    """What people call it, where that is something else."""
    requests: int
    """How many ended."""
    lost: int
    """Of how many nobody knows the end."""
    unpriced: int
    """How many of those that ended have no known price."""
    usage: ModelUsage
