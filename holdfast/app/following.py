"""A process's clock, kept in step with that of the store.

Owns: how far apart they are, found out again and again.
Must not know: who looks at the clock.

Due times are judged by the store's clock. A process that looked at its own, on a machine whose clock is wrong, would
fire timers early or late by as much. So it shows the store's time, as well as one question can tell it: the answer
came from somewhere between the question and now.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from holdfast.errors import StoreError
from holdfast.observe import logger

if TYPE_CHECKING:
    from holdfast.ports.store import Store
    from holdfast.stores import SystemClock

QUESTIONS: Final = 3
"""Asked in a row; the one answered fastest counts."""
FOLLOW_SECONDS: Final = 60.0
"""How often it is asked again."""
APART_SECONDS_MAX: Final = 2.0
"""Clocks that are further apart are worth a word: people compare logs."""

log = logger("holdfast.app")


class Following:
    """Keeps one clock in step with a store's."""

    def __init__(self, clock: SystemClock, store: Store) -> None:
        """Have `clock` show the time of `store`."""
        self._clock = clock
        self._store = store
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Show the store's time from now on. Raises StoreError."""
        ahead = await self._measure()
        if abs(ahead) > APART_SECONDS_MAX:
            log.warning("this machine's clock is not the store's, which counts", seconds=round(-ahead, 3))
        self._clock.follow(ahead)
        self._clock.begin_anew()
        self._task = asyncio.create_task(self._keep_on(), name="holdfast clock")

    async def close(self) -> None:
        """Follow no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                self._clock.follow(await self._measure())
            except StoreError:
                continue  # it is as good as it was a minute ago

    async def _measure(self) -> float:
        """Return by how many seconds the store's clock is ahead of the machine's."""
        best = ahead = float("inf")
        for _ in range(QUESTIONS):
            started = time.monotonic()
            there = await self._store.now()
            here, took = time.time(), time.monotonic() - started
            if took < best:
                best, ahead = took, there - (here - took / 2)
        return ahead
