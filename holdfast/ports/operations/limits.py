"""Limits: places for attempts that run at once, and rates at which they may start.

Owns: freezing a rate, setting a limit; how a limit is shown; how exact a rate is.
Must not know: what tasks do.
"""

from __future__ import annotations

from typing import Final

from holdfast.ports.operations.base import Value

SLACK_SHARE: Final = 0.1
"""A use of a rate counts longer than the window, by this share of it ..."""
SLACK_SECONDS_MAX: Final = 1.0
"""... and at most by this."""


def slack_seconds(per: float) -> float:
    """Return how much longer than its window of `per` seconds a use of a rate counts.

    Half of it is for the worker, which starts within that time after its claim or not at all; half of it is for what
    the attempt sends to arrive.
    """
    return min(SLACK_SECONDS_MAX, per * SLACK_SHARE)


class FreezeRate(Value, frozen=True):
    """Let no attempt start that takes of a rate, for so long at least. Result: until when, a time."""

    name: str
    seconds: float
    by: str = ""
    """Whose attempt was told to wait."""


class SetLimit(Value, frozen=True):
    """Let a limit have so many places, or a rate so many units in its window, whatever tasks say. Result: True.

    It holds at once, for what waits already; what is under way goes on, also where that is more.
    """

    kind: str
    """`concurrency` or `rate`."""
    name: str
    """Of a concurrency limit with keys: of one key, such as `fetch[acme]`, or `fetch` for each of them."""
    amount: float | None
    """None lifts it: what tasks say counts again."""
    by: str = ""


class LimitHolder(Value, frozen=True):
    """Who has a place at a limit."""

    holder: str
    """Execution and step."""
    member: str
    """Name of the member that runs it; empty while nobody has claimed it."""


class LimitRecord(Value, frozen=True):
    """A limit, a rate, or a host that is called, as it is now."""

    kind: str
    """`concurrency`, `rate` or `host`."""
    name: str
    limit: float
    """How many places there are, or how many units may be taken in one window; 0 for a host that has said nothing."""
    per_seconds: float = 0.0
    """Length of a rate's window, or of a host's."""
    used: float = 0.0
    """Units taken within the last window, or set apart for rows that are ready."""
    holders: tuple[LimitHolder, ...] = ()
    """Who has a place, in order of age."""
    waiting: int = 0
    """How many queued tasks stand in line."""
    frozen_until: float | None = None
    frozen_by: str = ""
    """Who was told to wait."""
    circuit: str = ""
    """Of a host: `closed`, `open` or `half-open`."""
    circuit_until: float | None = None
    """Until when it stays open."""
    reason: str = ""
    """How the last call failed that opened it."""
    set_by: str | None = None
    """Who set `limit`, whatever tasks say; None where it is what tasks say, '' where nobody said who."""
