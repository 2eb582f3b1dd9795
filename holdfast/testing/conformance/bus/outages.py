"""A server that is away costs time and nothing else.

Owns: what holds besides for a bus that goes by way of a server.
Must not know: which server it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.ports.bus import CLOSED, REQUESTS, RUNS, TASKS, TOPICS
from holdfast.testing.conformance.bus.harness import Ear, Words
from holdfast.testing.conformance.store import expect

if TYPE_CHECKING:
    from holdfast.testing.conformance.bus.harness import OutageCheck, ServerHarness

FLAPS: Final = 3


async def nobody_waits_for_the_server(harness: ServerHarness) -> None:
    """A bus opens without its server and rings in its process; once the server comes, everybody is looked after."""
    await harness.kill()
    here = await harness.open()
    there = await harness.open()
    ears = [Ear(each, harness.patience_seconds) for each in (here, there)]
    here.ring([RUNS])
    await ears[0].wait([RUNS], "a process hears itself without a server")
    for ear in ears:
        ear.forget()
    await harness.start()
    for ear in ears:
        await ear.wait(TOPICS, "everything is rung once the server is there")
        ear.forget()
    await ears[1].wait_quiet(TASKS, lambda: here.ring([TASKS]))


async def what_was_missed_is_looked_for(harness: ServerHarness) -> None:
    """After a server was killed and started, all topics are rung, and rings go through again."""
    here, there = await harness.open(), await harness.open()
    ear = Ear(there, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: here.ring([CLOSED]))
    await harness.kill()
    ear.forget()
    await harness.start()
    await ear.wait(TOPICS, "all topics are rung after an outage")
    ear.forget()
    await ear.wait_quiet(TASKS, lambda: here.ring([TASKS]))


async def what_was_rung_while_cut_off_arrives(harness: ServerHarness) -> None:
    """What was rung at an end that was cut off is heard elsewhere once it is back; others heard nothing amiss."""
    apart, there = await harness.open_apart(), await harness.open()
    ear, own = Ear(there, harness.patience_seconds), Ear(apart, harness.patience_seconds)
    # The same topic: whoever is cut off before it was told that its bell arrived rings it again.
    await ear.wait_quiet(REQUESTS, lambda: apart.ring([REQUESTS]))
    await harness.cut_apart()
    own.forget()
    ear.forget()
    apart.ring([REQUESTS])
    await own.wait([REQUESTS], "an end that is cut off hears itself")
    await harness.mend_apart()
    await ear.wait([REQUESTS], "what was rung while cut off is heard later")
    expect(ear.heard == {REQUESTS}, f"who was not cut off hears nothing else, and not {sorted(ear.heard)}")
    await own.wait(TOPICS, "who was cut off looks for everything")


async def a_frozen_server_is_noticed(harness: ServerHarness) -> None:
    """A server that does not answer any more is given up without being closed, and found again once it answers."""
    here, there = await harness.open(), await harness.open()
    ears = [Ear(each, harness.patience_seconds) for each in (here, there)]
    await ears[1].wait_quiet(CLOSED, lambda: here.ring([CLOSED]))
    with Words(harness.patience_seconds) as words:
        await harness.freeze()
        for ear in ears:
            ear.forget()
        here.ring([RUNS])
        await ears[0].wait([RUNS], "a process hears itself while the server is frozen")
        await words.wait_warnings(len(ears), "every end notices that the server is frozen")
        for ear in ears:
            ear.forget()
        await harness.thaw()
        for ear in ears:
            await ear.wait(TOPICS, "all topics are rung after the server was frozen")
    await ears[1].wait_quiet(TASKS, lambda: here.ring([TASKS]))


async def an_outage_is_told_once(harness: ServerHarness) -> None:
    """A server that comes and goes is one outage, of which the log says that it began, and that it is over."""
    bus = await harness.open()
    ear = Ear(bus, harness.patience_seconds)
    await ear.wait_quiet(CLOSED, lambda: bus.ring([CLOSED]))
    with Words(harness.patience_seconds) as words:
        for _ in range(FLAPS):
            await harness.kill()
            ear.forget()
            await harness.start()
            await ear.wait(TOPICS, "all topics are rung after each part of an outage")
        await words.wait_others(1, "the end of an outage is told")
    expect(len(words.warnings) == 1, f"the beginning of an outage is told once, not {words.warnings}")
    expect(len(words.others) == 1, f"the end of an outage is told once, not {words.others}")


async def a_bus_closes_without_its_server(harness: ServerHarness) -> None:
    """A bus whose server is frozen or gone is closed all the same, and leaves nothing behind."""
    before = asyncio.all_tasks()
    frozen, cut = await harness.open(), await harness.open()
    await harness.freeze()
    frozen.ring([RUNS])
    async with asyncio.timeout(harness.patience_seconds):
        await frozen.close()
    await harness.thaw()
    await harness.kill()
    cut.ring([RUNS])
    async with asyncio.timeout(harness.patience_seconds):
        await cut.close()
    left = asyncio.all_tasks() - before
    expect(not left, f"nothing is left behind, but {left}")
    await harness.start()


OUTAGES: Final[tuple[OutageCheck, ...]] = (
    nobody_waits_for_the_server,
    what_was_missed_is_looked_for,
    what_was_rung_while_cut_off_arrives,
    a_frozen_server_is_noticed,
    an_outage_is_told_once,
    a_bus_closes_without_its_server,
)
