"""The machine's clock.

Owns: reading the wall clock, in a way that does not go back while the process lives.
Must not know: who asks.
"""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time that never goes back within this process. Implements `holdfast.ports.clock.Clock`."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        """Begin with the present."""
        self._last = 0.0

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        now = time.time()
        if now < self._last:
            return self._last
        self._last = now
        return now
