"""The machine's clock.

Owns: reading the wall clock, in a way that does not go back while the process lives.
Must not know: who asks.
"""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time that never goes back within this process. Implements `holdfast.ports.clock.Clock`.

    It may follow another clock, that of a database for example: then it shows the time there.
    """

    __slots__ = ("_ahead_seconds", "_last")

    def __init__(self) -> None:
        """Begin with the present."""
        self._last = 0.0
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        now = time.time() + self._ahead_seconds
        if now < self._last:
            return self._last
        self._last = now
        return now

    def follow(self, ahead_seconds: float) -> None:
        """Show from now on the time of a clock that is so many seconds ahead of the machine's."""
        self._ahead_seconds = ahead_seconds

    def begin_anew(self) -> None:
        """Forget what was shown so far: nobody has acted on it."""
        self._last = 0.0
