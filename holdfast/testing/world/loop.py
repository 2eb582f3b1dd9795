"""An event loop on virtual time: when everything waits, the clock moves instead of the world.

Owns: the clock, what counts as waiting, and which of the loop's timers move the clock.
Must not know: stacks, stores, workflows.

Theory of operation
===================

asyncio asks its selector to wait until something is ready or the next timer is due. Ours does not wait. When nothing
is ready it asks `idle`, which either moves the clock, after which timers are due, or stops the loop.

What happens outside - in threads, in child processes, on sockets - takes real time. While `outside()` says that there
is such work, the selector waits for it in real time, and gives up after PATIENCE_SECONDS without a sign of life: what
hangs must not keep virtual time from reaching its time-out.

Not every timer moves the clock. A stack looks at its store now and then although nothing rang; if that moved the clock,
a month would be a million looks. So only what task code waits for, and the time-outs of attempts, are *waits*. The
other timers run late, once, when the clock has moved for a better reason.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from holdfast.ports.task import current_task

PATIENCE_SECONDS: Final = 1.0
"""How long real work may show no sign of life before virtual time goes on without it."""
LOOK_SECONDS: Final = 0.05
"""How long one look at real work takes, at most."""
RESOLUTION_SECONDS: Final = 1e-6
"""Timers this close to the clock are due: seconds since the epoch have no finer digits."""


class VirtualClock:
    """Time that moves when it is told to. Implements `holdfast.ports.clock.Clock`."""

    __slots__ = ("_now",)

    def __init__(self, start: float) -> None:
        """Begin at `start`, in seconds since the epoch."""
        self._now = start

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        return self._now

    def move_to(self, time: float) -> None:
        """Move to `time`; never back."""
        self._now = max(self._now, time)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a clock's. It runs only inside `turn`."""

    def __init__(self, clock: VirtualClock, idle: Callable[[], None], outside: Callable[[], bool]) -> None:
        """Run on `clock`.

        Args:
            clock: the time.
            idle: called when everything waits: moves the clock, or stops the loop.
            outside: says whether anything is under way that takes real time.
        """
        self._clock = clock
        self._outside = outside
        self._in_threads = 0
        self._own_sockets = 0
        self._sockets = _Selector(selectors.DefaultSelector(), idle, self._is_outside)
        super().__init__(self._sockets)
        self._clock_resolution = RESOLUTION_SECONDS

    def time(self) -> float:
        """Return the clock's time."""
        return self._clock.now()

    def turn(self) -> None:
        """Run until `idle` stops the loop. Works where another loop is running: that one stands still meanwhile."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            self.run_forever()
        finally:
            asyncio._set_running_loop(outer)

    def run_in_executor(  # type: ignore[override]  # what passes through is nobody's business here
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in a thread, and know about it."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._left_thread)
        return future

    def _left_thread(self, _: object) -> None:
        self._in_threads -= 1

    def note_own_sockets(self) -> None:
        """Take the sockets that are open now for those that nobody waits for."""
        self._own_sockets = len(self._sockets.get_map())

    def _is_outside(self) -> bool:
        return self._in_threads > 0 or len(self._sockets.get_map()) > self._own_sockets > 0 or self._outside()

    def next_timer(self) -> float | None:
        """Return when the next timer of any kind is due."""
        return min((each.when() for each in self._handles() if not each.cancelled()), default=None)

    def waits(self) -> Iterator[float]:
        """Yield the times of all timers that move the clock."""
        for handle in self._handles():
            if not handle.cancelled() and _is_wait(handle):
                yield handle.when()

    def _handles(self) -> list[Any]:
        handles: list[Any] = self._scheduled  # type: ignore[attr-defined]  # asyncio's own heap
        return handles


class _Selector(selectors.BaseSelector):
    """Passes everything on to a real selector, but does not wait."""

    def __init__(self, selector: selectors.BaseSelector, idle: Callable[[], None], outside: Callable[[], bool]) -> None:
        self._selector = selector
        self._idle = idle
        self._outside = outside

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._selector.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        until = time.monotonic() + PATIENCE_SECONDS
        while self._outside() and time.monotonic() < until:
            events = self._selector.select(LOOK_SECONDS)
            if events:
                return events
        self._idle()
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def close(self) -> None:
        self._selector.close()

    def get_map(self) -> Any:
        return self._selector.get_map()


def _is_wait(handle: Any) -> bool:
    """Say whether a timer belongs to an attempt, or to the code of a task."""
    owner = getattr(handle._callback, "__self__", None)
    if type(owner).__module__.startswith("holdfast."):
        return type(owner).__module__ == "holdfast.worker.attempt"
    return handle._context.get(current_task) is not None
