"""One at a time where a prefix is cold: the first computes it, and the others read what it left.

Owns: which prefixes are taken to be warm, and whose turn it is.
Must not know: models, what a prefix is, where the fleet keeps what it knows.

Prompts that arrive together at a cold cache are each computed whole, and each pays for writing to it. So the first one
goes alone. When it fails, the next one goes; when it is answered, all that wait go at once.

In an event loop a lock says whose turn it is. Tasks share a provider with those of other processes: who has the lock
asks the books of the fleet as well, and there, too, one is told to warm it while the others wait. A store that does not
answer keeps nobody from going; the prefix is written once more then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from holdfast.errors import HoldfastError
from holdfast.observe import logger
from holdfast.ports.operations import NotePrefix, WarmPrefix

if TYPE_CHECKING:
    from holdfast.ports.books import Books

WARMING_SECONDS: Final = 60.0
"""So long the fleet waits for whoever warms a prefix; then another one does. A long prefix is computed in less."""
ASK_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Waits between questions whether it is warm by now; the last one repeats."""

log = logger("holdfast.ai")


class Warmth:
    """What one event loop knows of prefixes."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Know nothing yet. `now` is a clock in seconds that never goes back."""
        self._now = now
        self._warm_until: dict[str, float] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, prefix: str, seconds: float, books: Books | None = None) -> AsyncIterator[None]:
        """Wait until a prefix is warm, or it is this one's turn to warm it.

        Args:
            prefix: its name, the same in the whole fleet.
            seconds: how long it stays warm after each use.
            books: what the fleet knows; None for this event loop alone.
        """
        if self._is_warm(prefix):
            yield
            self._warm(prefix, seconds)
            return
        async with AsyncExitStack() as alone:
            await alone.enter_async_context(self._turns.setdefault(prefix, asyncio.Lock()))
            asker = "" if self._is_warm(prefix) else await self._ask(prefix, books)
            if self._is_warm(prefix):
                await alone.aclose()
            try:
                yield
            except BaseException:
                await _note(books, asker, prefix, 0.0)
                raise
            self._warm(prefix, seconds)
            await _note(books, asker, prefix, seconds)

    async def _ask(self, prefix: str, books: Books | None) -> str:
        """Ask the fleet until a prefix is warm, or to be warmed here; return who asked it in that case."""
        if books is None:
            return ""
        asker, asked = uuid4().hex, 0
        try:
            while True:
                found = await books.warm(WarmPrefix(prefix, asker, WARMING_SECONDS))
                if found.mine:
                    return asker
                if found.warm_seconds > 0:
                    self._warm(prefix, found.warm_seconds)
                    return ""
                await asyncio.sleep(ASK_SECONDS[min(asked, len(ASK_SECONDS) - 1)])
                asked += 1
        except HoldfastError as error:
            log.warning("it is not known whether another process warms a prefix", error=str(error))
            return ""

    def _is_warm(self, prefix: str) -> bool:
        return self._warm_until.get(prefix, 0.0) > self._now()

    def _warm(self, prefix: str, seconds: float) -> None:
        self._warm_until[prefix] = self._now() + seconds


async def _note(books: Books | None, asker: str, prefix: str, seconds: float) -> None:
    """Tell the fleet what came of warming a prefix, where that was this one's to do."""
    if books is None or not asker:
        return
    try:
        await books.note(NotePrefix(prefix, asker, seconds))
    except HoldfastError as error:  # they wait until it is taken for failed
        log.warning("other processes could not be told what came of warming a prefix", error=str(error))
