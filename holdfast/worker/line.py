"""Attempts that wait for their turn.

Owns: how many attempts of one kind run at once, and the order of those that wait.
Must not know: what runs them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from holdfast.worker.attempt import Attempt


class Line:
    """First come, first served, at most `places` at a time."""

    def __init__(self, places: int) -> None:
        """Serve `places` attempts at once (at least 1)."""
        self.places = places
        self.running = 0
        self._waiting: deque[tuple[Attempt, Callable[[Attempt], None]]] = deque()
        self._serving = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, attempt: Attempt, begin: Callable[[Attempt], None]) -> None:
        """Call `begin(attempt)` when there is a place, unless the attempt is over by then."""
        self._waiting.append((attempt, begin))

    def enter(self) -> None:
        """Take a place."""
        self.running += 1

    def leave(self) -> None:
        """Give back a place, and serve those who wait."""
        self.running -= 1
        if self._serving:  # called by an attempt that began and ended below; the loop there goes on
            return
        self._serving = True
        try:
            while self._waiting and self.running < self.places:
                attempt, begin = self._waiting.popleft()
                if attempt.begin():
                    begin(attempt)
        finally:
            self._serving = False
