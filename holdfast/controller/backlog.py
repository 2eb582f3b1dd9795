"""How many runs wait for somebody to take them, and when that is too many.

Owns: the limit, and how old what is known of the backlog may be.
Must not know: what waits.

A run that has begun somewhere sleeps, waits and works for as long as it likes and counts for nothing here. What counts
is what is ready and nobody has: it grows while orchestrators are fewer than the work, or none, and taking more of it
would only let everybody wait longer.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import BacklogFullError
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store

BACKLOG_MAX: Final = 100_000
"""How many runs may wait, where nobody says otherwise."""
LOOK_SECONDS: Final = 1.0
"""How old the count may be."""


class Backlog:
    """The runs of a store that wait to be claimed."""

    def __init__(self, store: Store, clock: Clock, limit: int) -> None:
        """Refuse more than `limit` of them."""
        self._store = store
        self._clock = clock
        self._limit = limit
        self._waiting = 0
        self._counted_at: float | None = None

    async def check(self) -> None:
        """Find that there is room for another one. Raises BacklogFullError."""
        now = self._clock.now()
        if self._counted_at is None or not 0 <= now - self._counted_at < LOOK_SECONDS:
            self._waiting = await self._store.waiting(self._limit)
            self._counted_at = now
        if self._waiting >= self._limit:
            raise BacklogFullError(self._limit)
