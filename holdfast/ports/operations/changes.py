"""How runs change, in the order in which it was committed.

Owns: what is told of a change, and where a reader of changes stands.
Must not know: who reads them.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class Position(Value, frozen=True, order=True):
    """How far somebody has read. Both numbers rise with every commit that holds such a change, and never go back."""

    page: int = 0
    """Among the pages of all histories: in them runs begin and end."""
    change: int = 0
    """Among the changes that no history tells: runs that were parked, paused or set going again."""


class Change(Value, frozen=True):
    """An execution that has another status since then."""

    position: Position
    """Where a reader stands who has read this."""
    run_id: str
    execution: str
    workflow: str
    status: str
    """RUNNING of one that began or goes on; PARKED, PAUSED, or how it ended."""
    at: float


class Changes(Value, frozen=True):
    """The next changes after a position."""

    changes: tuple[Change, ...]
    position: Position
    """Where a reader stands who has read all of these: perhaps further than the last of them."""
    more: bool
    """Whether there may be more already."""
