"""Rings arrive: here at once, elsewhere soon, and with nobody whose they are not.

Owns: what holds for every bus.
Must not know: how rings travel.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.ports.bus import CLOSED, REQUESTS, RUNS, TASKS
from holdfast.testing.conformance.bus.harness import Ear
from holdfast.testing.conformance.store import expect

if TYPE_CHECKING:
    from holdfast.testing.conformance.bus.harness import BusHarness, Check

PASSES: Final = 3
"""Passes of the loop within which a process hears itself: far less than any way out and back."""


async def listeners_here_are_called_at_once(harness: BusHarness) -> None:
    """Who listens in the same process is called within a few passes of the loop."""
    bus = await harness.open()
    ear = Ear(bus, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    ear.forget()
    bus.ring([RUNS])
    for _ in range(PASSES):
        await asyncio.sleep(0)
    expect(RUNS in ear.heard, f"a listener of the same process is called within {PASSES} passes of the loop")


async def what_is_rung_together_is_one_call(harness: BusHarness) -> None:
    """Everything rung in one pass of the loop is one call of each listener."""
    bus = await harness.open()
    first, second = Ear(bus, harness.patience_seconds), Ear(bus, harness.patience_seconds)
    await first.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    for ear in (first, second):
        ear.forget()
    bus.ring([RUNS])
    bus.ring([TASKS, RUNS])
    for ear in (first, second):
        await ear.wait([RUNS, TASKS], "every listener hears everything")
        expect(ear.calls == [{RUNS, TASKS}], f"what was rung together is one call, not {ear.calls}")


async def other_ends_are_rung(harness: BusHarness) -> None:
    """Who listens at another end of the same store hears exactly what was rung."""
    here, there = await harness.open(), await harness.open()
    ear = Ear(there, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: here.ring([CLOSED]))
    ear.forget()
    here.ring([RUNS, TASKS])
    await ear.wait([RUNS, TASKS], "another end hears what is rung")
    expect(ear.heard == {RUNS, TASKS}, f"it hears nothing else, and not {sorted(ear.heard)}")


async def other_processes_are_rung(harness: BusHarness) -> None:
    """A ring in another process is heard, although that process ends at once."""
    bus = await harness.open()
    ear = Ear(bus, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    ear.forget()
    await harness.ring_elsewhere([REQUESTS])
    await ear.wait([REQUESTS], "a ring in another process is heard")


async def stores_do_not_hear_each_other(harness: BusHarness) -> None:
    """A ring for one store is not heard by those who listen to another."""
    here, there, other = await harness.open("a"), await harness.open("b"), await harness.open("b")
    ear = Ear(there, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: other.ring([CLOSED]))
    ear.forget()
    here.ring([RUNS])
    own = await harness.open("a")
    witness = Ear(own, harness.patience_seconds)
    here.ring([RUNS])
    await witness.wait([RUNS], "the ring went out")
    await ear.wait_quiet(TASKS, lambda: other.ring([TASKS]))
    expect(RUNS not in ear.heard, "the ring of another store is not heard")


async def who_stopped_listening_is_left_alone(harness: BusHarness) -> None:
    """A listener that was stopped is not called any more, and the others are."""
    bus = await harness.open()
    stopped, ear = Ear(bus, harness.patience_seconds), Ear(bus, harness.patience_seconds)
    await stopped.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    stopped.stop()
    stopped.stop()  # twice does no harm
    stopped.forget()
    await ear.wait_quiet(RUNS, lambda: bus.ring([RUNS]))
    expect(not stopped.calls, "a listener that was stopped is not called")


async def a_listener_that_fails_is_on_its_own(harness: BusHarness) -> None:
    """An error in one listener is reported to the loop, and the next one is called."""
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))
    bus = await harness.open()

    def fail(_: frozenset[str]) -> None:
        raise ValueError("on purpose")

    bus.listen(fail)
    ear = Ear(bus, harness.patience_seconds)
    await ear.wait_quiet(RUNS, lambda: bus.ring([RUNS]))
    loop.set_exception_handler(None)
    expect([str(each) for each in reported if each is not None], "an error of a listener is reported")


async def threads_may_ring(harness: BusHarness) -> None:
    """A ring from another thread reaches the listeners here and elsewhere."""
    here, there = await harness.open(), await harness.open()
    ears = [Ear(each, harness.patience_seconds) for each in (here, there)]
    for ear in ears:
        await ear.wait_quiet(CLOSED, lambda: here.ring([CLOSED]))
        ear.forget()
    await asyncio.to_thread(here.ring, [TASKS])
    for ear in ears:
        await ear.wait([TASKS], "a ring from a thread is heard")


async def the_last_ring_goes_out(harness: BusHarness) -> None:
    """What was rung just before a bus was closed is heard at the other ends."""
    here, there = await harness.open(), await harness.open()
    ear = Ear(there, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: here.ring([CLOSED]))
    ear.forget()
    here.ring([RUNS])
    await here.close()
    await ear.wait([RUNS], "what was rung before the end is heard")


async def a_closed_bus_is_silent(harness: BusHarness) -> None:
    """A bus that was closed neither rings nor keeps anything running; opened again, it rings."""
    before = asyncio.all_tasks()
    bus = await harness.open()
    ear = Ear(bus, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    await bus.close()
    await bus.close()  # twice does no harm
    ear.forget()
    bus.ring([RUNS])
    for _ in range(PASSES):
        await asyncio.sleep(0)
    expect(not ear.calls, "a closed bus does not ring")
    left = asyncio.all_tasks() - before
    expect(not left, f"nothing is left behind, but {left}")
    await bus.open()
    await ear.wait_quiet(TASKS, lambda: bus.ring([TASKS]))


CHECKS: Final[tuple[Check, ...]] = (
    listeners_here_are_called_at_once,
    what_is_rung_together_is_one_call,
    other_ends_are_rung,
    other_processes_are_rung,
    stores_do_not_hear_each_other,
    who_stopped_listening_is_left_alone,
    a_listener_that_fails_is_on_its_own,
    threads_may_ring,
    the_last_ring_goes_out,
    a_closed_bus_is_silent,
)
