"""Timers of the executions in memory.

Owns: which timer is due next, and the one host timer that waits for it.
Must not know: what a timer's firing causes.

A timer never fires early: the host's timer only wakes this module up, and the
store's clock decides.

A timer that was cancelled, or whose execution left memory, stays in the heap until
its time or until half of the heap is like that. It holds a name then, not the
execution: a run that sleeps for a year must not keep its memory for a year.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

from holdfast.orchestrator.live import Live

SLEEP_SECONDS_MAX: Final = 3600.0
"""The host timer looks again at least this often: wall clocks are set, machines sleep."""
DEADLINE: Final = ""
"""The name of the timer that ends an execution whose time is up: no step is called that."""
STALE_KEPT_MAX: Final = 1_000
"""Timers nobody waits for any more that the heap may hold, whatever its size; above it they are at most half of it."""


class Timers:
    """Calls back for each timer that is due."""

    def __init__(self, now: Callable[[], float], fire: Callable[[Live, str, float], None]) -> None:
        """Call `fire(live, step, due)` once `now()` has reached a timer's due time."""
        self._now = now
        self._fire = fire
        self._lives: dict[int, Live] = {}
        """Executions in memory that have, or had, a timer."""
        self._heap: list[tuple[float, int, str]] = []
        self._stale = 0
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0.0

    @property
    def next_due(self) -> float | None:
        """When the next timer is due, or something that was one; None when there is nothing."""
        return self._heap[0][0] if self._heap else None

    def add(self, live: Live, step: str, due: float) -> None:
        """Wait for a recorded timer."""
        live.timers[step] = due
        self._lives[live.execution_id] = live
        heapq.heappush(self._heap, (due, live.execution_id, step))
        if self._handle is None or due < self._armed:
            self._arm()

    def drop(self, live: Live, step: str) -> None:
        """Do not wait for a timer any more, if it is waited for."""
        if live.timers.pop(step, None) is not None:
            self._count_stale(1)

    def forget(self, live: Live) -> None:
        """Do not wait for any timer of an execution that leaves memory."""
        if self._lives.get(live.execution_id) is live:
            del self._lives[live.execution_id]
            stale = len(live.timers)
            live.timers.clear()
            self._count_stale(stale)

    def stop(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._heap.clear()
        self._lives.clear()

    def _count_stale(self, count: int) -> None:
        self._stale += count
        if self._stale > STALE_KEPT_MAX and self._stale * 2 > len(self._heap):
            self._heap = [
                (due, live.execution_id, step) for live in self._lives.values() for step, due in live.timers.items()
            ]
            heapq.heapify(self._heap)
            self._stale = 0

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
            due, execution_id, step = heapq.heappop(heap)
            live = self._lives.get(execution_id)
            if live is not None and live.timers.get(step) == due:
                del live.timers[step]
                self._fire(live, step, due)
            elif self._stale:
                self._stale -= 1
        self._arm()
