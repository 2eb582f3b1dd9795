"""Pools as people operate them: paused, resumed, limited.

Owns: these decisions, and how they are shown.
Must not know: what waits in a pool.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class PausePool(Value, frozen=True):
    """Let nothing of a pool be claimed until `ResumePool`; what is claimed goes on to its end. Result: True.

    One that was paused before stays so, for the new reason.
    """

    pool: str
    by: str = ""
    reason: str = ""


class ResumePool(Value, frozen=True):
    """Let a pool be claimed from again. Result: whether it was paused."""

    pool: str
    by: str = ""


class LimitPool(Value, frozen=True):
    """Let so many tasks of a pool be claimed at once, in the whole fleet. Result: True.

    What is claimed already goes on, also where that is more. Of a chunk of a fan-out that is claimed from then on, one
    item runs at a time, and it counts as one.
    """

    pool: str
    slots: int | None
    """None lifts the limit."""
    by: str = ""


class PoolRule(Value, frozen=True):
    """What people decided about a pool."""

    pool: str
    paused: bool
    slots: int | None
    """How many of its tasks may be claimed at once; None for as many as workers take."""
    by: str = ""
    """Who decided last."""
    reason: str = ""
