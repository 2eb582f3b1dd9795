"""Where the time comes from.

Owns: the shape of a clock.
Must not know: whether the clock is the machine's or a test's.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock time."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
