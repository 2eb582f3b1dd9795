"""One at a time where a prefix is cold: the first computes it, and the others read what it left.

Owns: which prefixes are taken to be warm, and whose turn it is.
Must not know: models, what a prefix is.

Prompts that arrive together at a cold cache are each computed whole, and each pays for writing to it. So the first one
goes alone. When it fails, the next one goes; when it is answered, all that wait go at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Warmth:
    """What one event loop knows of prefixes."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Know nothing yet. `now` is a clock in seconds that never goes back."""
        self._now = now
        self._warm_until: dict[str, float] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, prefix: str, seconds: float) -> AsyncIterator[None]:
        """Wait until `prefix` is warm, or it is this one's turn to warm it; it stays warm `seconds` after each use."""
        if self._is_warm(prefix):
            yield
            self._warm(prefix, seconds)
            return
        turn = self._turns.setdefault(prefix, asyncio.Lock())
        await turn.acquire()
        alone = not self._is_warm(prefix)
        if not alone:
            turn.release()
        try:
            yield
            self._warm(prefix, seconds)
        finally:
            if alone:
                turn.release()

    def _is_warm(self, prefix: str) -> bool:
        return self._warm_until.get(prefix, 0.0) > self._now()

    def _warm(self, prefix: str, seconds: float) -> None:
        self._warm_until[prefix] = self._now() + seconds
