"""Timers of the executions in memory.

Owns: which timer is due next, and the one host timer that waits for it.
Must not know: what a timer's firing causes.

A timer never fires early: the host's timer only wakes this module up, and the
store's clock decides.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

from holdfast.orchestrator.live import Live

SLEEP_SECONDS_MAX: Final = 3600.0
"""The host timer looks again at least this often: wall clocks are set, machines sleep."""


class Timers:
    """Calls back for each timer that is due."""

    def __init__(self, now: Callable[[], float], fire: Callable[[Live, str, float], None]) -> None:
        """Call `fire(live, step, due)` once `now()` has reached a timer's due time."""
        self._now = now
        self._fire = fire
        self._heap: list[tuple[float, int, Live, str]] = []
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0.0

    def add(self, live: Live, step: str, due: float) -> None:
        """Wait for a recorded timer."""
        live.timers[step] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, live, step))
        if self._handle is None or due < self._armed:
            self._arm()

    def stop(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._heap.clear()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            self._armed = self._heap[0][0]
            wait = min(max(self._armed - self._now(), 0.0), SLEEP_SECONDS_MAX)
            self._handle = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        self._handle = None
        heap, now = self._heap, self._now()
        while heap and heap[0][0] <= now:
            due, _, live, step = heapq.heappop(heap)
            # Cancelled and evicted timers stay in the heap until their time: they are told by their absence here.
            if live.timers.get(step) == due:
                del live.timers[step]
                self._fire(live, step, due)
        self._arm()
