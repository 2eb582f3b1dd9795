"""Timers of the executions in memory: when they fire, and what they hold."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, cast

from holdfast.engine.execution import Execution
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.timers import STALE_KEPT_MAX, Timers


class Host:
    """A clock that stands still until it is set, and what fired by it."""

    def __init__(self) -> None:
        self.time = 100.0
        self.fired: list[tuple[str, str, float]] = []
        self.timers = Timers(lambda: self.time, self._fire)

    def _fire(self, live: Live, step: str, due: float) -> None:
        self.fired.append((live.name, step, due))

    async def go_on(self, time: float) -> None:
        """Set the clock, and let the host's timer look."""
        self.time = time
        self.timers._arm()
        # The look is due at once: the event loop runs it before a callback that is due later.
        looked = asyncio.Event()
        asyncio.get_running_loop().call_later(0.001, looked.set)
        await looked.wait()


def live(number: int) -> Live:
    """Return an execution, as far as timers look at it."""
    return Live(number, f"r-{number}", f"r-{number}", "nap", cast("Execution", None))


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on an event loop of its own."""

    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


@on_loop
async def test_what_is_due_fires_once_in_order_and_nothing_early() -> None:
    """Timers fire by the clock, whatever the order in which they were made."""
    host, first, second = Host(), live(1), live(2)
    host.timers.add(second, "sleep#1", 103.0)
    host.timers.add(first, "sleep#1", 102.0)
    host.timers.add(first, "sleep#2", 104.0)

    await host.go_on(101.9)
    assert host.fired == []
    await host.go_on(103.0)
    await host.go_on(103.5)

    assert host.fired == [("r-1", "sleep#1", 102.0), ("r-2", "sleep#1", 103.0)]
    assert first.timers == {"sleep#2": 104.0}
    host.timers.stop()


@on_loop
async def test_what_is_not_waited_for_any_more_does_not_fire() -> None:
    """A timer that was dropped stays silent, and so do all of an execution that left memory."""
    host, first, second = Host(), live(1), live(2)
    for each in (first, second):
        host.timers.add(each, "sleep#1", 102.0)
        host.timers.add(each, "sleep#2", 103.0)

    host.timers.drop(first, "sleep#1")
    host.timers.forget(second)
    await host.go_on(110.0)

    assert host.fired == [("r-1", "sleep#2", 103.0)]
    host.timers.stop()


@on_loop
async def test_an_execution_that_came_back_fires_once() -> None:
    """An execution that left memory and was loaded again has its timers once, though the heap knows them twice."""
    host, before, after = Host(), live(1), live(1)
    host.timers.add(before, "sleep#1", 102.0)
    host.timers.forget(before)
    host.timers.add(after, "sleep#1", 102.0)

    await host.go_on(102.0)

    assert host.fired == [("r-1", "sleep#1", 102.0)]
    host.timers.stop()


@on_loop
async def test_an_execution_that_left_memory_is_not_held() -> None:
    """A run that sleeps for a year does not keep its memory for a year."""
    host, sleeper = Host(), live(1)
    before = sys.getrefcount(sleeper)
    host.timers.add(sleeper, "sleep#1", 1e9)

    host.timers.forget(sleeper)

    assert sys.getrefcount(sleeper) == before
    host.timers.stop()


@on_loop
async def test_timers_that_are_dropped_again_and_again_do_not_pile_up() -> None:
    """However many time-outs of three days never came to be, only so many are remembered."""
    host, busy, sleeper = Host(), live(1), live(2)
    host.timers.add(sleeper, "sleep#1", 1e9)

    for number in range(5 * STALE_KEPT_MAX):
        host.timers.add(busy, f"sleep#{number}", 1e9)
        host.timers.drop(busy, f"sleep#{number}")

    assert len(host.timers._heap) <= STALE_KEPT_MAX + 2
    await host.go_on(1e9)
    assert host.fired == [("r-2", "sleep#1", 1e9)]
    host.timers.stop()
