"""Items of fan-outs are run side by side, recorded as they end, and never twice without need."""

from __future__ import annotations

import asyncio

import msgspec

from holdfast.errors import RateLimited
from holdfast.history import RetryPolicy
from holdfast.ports.operations import Beat, Reap
from holdfast.ports.task import current_task
from tests.unit.worker.rig import on_loop, pause, wait_until
from tests.unit.worker.yard import NOBODY_LEAVES, yard_at

pytestmark = NOBODY_LEAVES


async def double(number):
    """Do not wait."""
    return 2 * number


async def slow_double(number):
    """Wait a turn."""
    await asyncio.sleep(0)
    return 2 * number


def sync_double(number):
    """Run in a thread."""
    return 2 * number


@on_loop
async def test_every_item_has_its_outcome_in(tmp_path):
    """Every item has its outcome in its place."""
    async with yard_at(tmp_path) as yard, yard.worker(double, slow_double, sync_double) as worker:
        for fn in (double, slow_double, sync_double):
            step = await yard.fan_out(fn, range(1000), chunk_items=100)
            summary = await yard.summary(step)
            assert (summary.count, summary.failed) == (1000, 0)
            assert await yard.outcomes(step) == [2 * number for number in range(1000)]
        await wait_until(lambda: worker.pool.in_flight == 0)


@on_loop
async def test_each_item_has_a_key_of(tmp_path):
    """Each item has a key of its own."""

    async def look(_number):
        info = current_task.get().info
        return [info.idempotency_key, info.step, info.attempt, info.fencing_token > 0]

    async with yard_at(tmp_path) as yard, yard.worker(look):
        step = await yard.fan_out(look, range(3), chunk_items=2)
        await yard.summary(step)
        assert await yard.outcomes(step) == [[f"r/map#1[{n}]", f"map#1[{n}]", 1, True] for n in range(3)]


@on_loop
async def test_items_take_no_more_slots_than(tmp_path):
    """Items take no more slots than there are."""
    running = 0
    peak = 0

    async def count(_number):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await pause()
        running -= 1

    async with yard_at(tmp_path) as yard, yard.worker(count, slots=5):
        await yard.summary(await yard.fan_out(count, range(100), chunk_items=10))
        assert peak == 5


@on_loop
async def test_failed_items_are_tried_again_and(tmp_path):
    """Failed items are tried again and the rest is not."""
    tries = {}

    async def fail_twice(number):
        tries[number] = tries.get(number, 0) + 1
        await asyncio.sleep(0)
        if number % 10 == 3 and current_task.get().info.attempt < 3:
            raise ValueError(str(number))
        return number

    async with yard_at(tmp_path) as yard, yard.worker(fail_twice):
        step = await yard.fan_out(fail_twice, range(40), chunk_items=8)
        assert (await yard.summary(step)).failed == 0
        assert await yard.outcomes(step) == list(range(40))
        assert tries == {number: 3 if number % 10 == 3 else 1 for number in range(40)}


@on_loop
async def test_an_item_that_is_told_to_come_again_later_does_not_use_up_an_attempt(tmp_path):
    """As a task of its own would not."""
    tries = {}

    async def turned_away(number):
        tries[number] = tries.get(number, 0) + 1
        await asyncio.sleep(0)
        if number == 3 and tries[number] <= 5:
            raise RateLimited(0.001)
        return current_task.get().info.attempt

    async with yard_at(tmp_path) as yard, yard.worker(turned_away):
        step = await yard.fan_out(turned_away, range(8), chunk_items=4, retry=RetryPolicy(attempts=2))
        await yard.summary(step)
        assert await yard.outcomes(step) == [1] * 8
        assert tries[3] == 6


@on_loop
async def test_an_item_that_fails_for_good(tmp_path):
    """An item that fails for good is a failure among results."""

    async def fail_some(number):
        if number == 2:
            raise ValueError("two")
        if number == 3:
            raise TypeError("three")
        return number

    async with yard_at(tmp_path) as yard, yard.worker(fail_some):
        step = await yard.fan_out(fail_some, range(5), failures_max=-1)
        summary = await yard.summary(step)
        assert (summary.failed, summary.first_failed_index) == (2, 2)
        assert await yard.outcomes(step) == [0, 1, "ValueError", "TypeError", 4]


@on_loop
async def test_an_item_that_takes_too_long(tmp_path):
    """An item that takes too long times out alone."""

    async def hang_some(number):
        if number == 1:
            await asyncio.Event().wait()
        return number

    async with yard_at(tmp_path) as yard, yard.worker(hang_some):
        once = RetryPolicy(attempts=1)
        step = await yard.fan_out(hang_some, range(3), failures_max=-1, timeout=0.05, retry=once)
        await yard.summary(step)
        assert await yard.outcomes(step) == [0, "TimeoutError", 2]


@on_loop
async def test_a_fan_out_that_is_no(tmp_path):
    """A fan out that is no longer wanted stops."""
    begun = 0

    async def hang(_number):
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()

    async with yard_at(tmp_path) as yard, yard.worker(hang, double, slots=4) as worker:
        step = await yard.fan_out(hang, range(20))
        await wait_until(lambda: begun == 4)
        await yard.append(unqueue=(step,))
        await wait_until(lambda: worker.pool.in_flight == 0)
        assert begun == 4
        await yard.summary(await yard.fan_out(double, range(4)))


@on_loop
async def test_outcomes_are_recorded_while_other_items(tmp_path):
    """Outcomes are recorded while other items still run."""
    gate = asyncio.Event()

    async def wait_some(number):
        if number % 2:
            await gate.wait()
        return number

    async with yard_at(tmp_path) as yard, yard.worker(wait_some, slots=8):
        await yard.fan_out(wait_some, range(8))
        async with asyncio.timeout(10):
            while (await yard.store.fan_outs(yard.execution_id))[0].done != 4:
                await pause()
        gate.set()


@on_loop
async def test_closing_gives_back_what_was_not(tmp_path):
    """Closing gives back what was not started and hands in what ended."""
    gate = asyncio.Event()
    begun = []

    async def hold(number):
        begun.append(number)
        await gate.wait()
        return number

    async with yard_at(tmp_path) as yard:
        async with yard.worker(hold, slots=2) as worker:
            step = await yard.fan_out(hold, range(6))
            await wait_until(lambda: len(begun) == 2)
            closing = asyncio.ensure_future(worker.pool.close(30))
            await asyncio.sleep(0)
            gate.set()
            await closing
        assert begun == [0, 1]
        assert (await yard.store.fan_outs(yard.execution_id))[0].done == 2
        async with yard.worker(hold):
            await yard.summary(step)
        assert begun == [0, 1, 2, 3, 4, 5], "nothing was repeated"


@on_loop
async def test_what_does_not_end_in_time(tmp_path):
    """What does not end in time is given back."""
    gate = asyncio.Event()

    async def hold(number):
        await gate.wait()
        return number

    async with yard_at(tmp_path) as yard:
        async with yard.worker(hold, slots=2) as worker:
            step = await yard.fan_out(hold, range(4))
            await wait_until(lambda: worker.pool.in_flight)
        gate.set()
        async with yard.worker(hold):
            assert (await yard.summary(step)).failed == 0


@on_loop
async def test_a_zombies_items_are_done_by(tmp_path):
    """A zombies items are done by another."""
    gate = asyncio.Event()
    fenced = []

    async def hold(number):
        await gate.wait()
        return number

    async with yard_at(tmp_path) as yard, yard.worker(hold, fenced=lambda: fenced.append(1)) as worker:
        step = await yard.fan_out(hold, range(4))
        await wait_until(lambda: worker.pool.in_flight)
        await yard.store.write([Beat(worker.membership, -1.0), Reap(10)])
        await wait_until(lambda: fenced)
        async with yard.worker(hold):
            gate.set()
            assert (await yard.summary(step)).failed == 0


@on_loop
async def test_tasks_in_the_queue_are_not(tmp_path):
    """Tasks in the queue are not starved by a long fan out."""
    done = []

    async def item(number):
        await asyncio.sleep(0)
        done.append(number)

    async with yard_at(tmp_path) as yard, yard.worker(item, double, slots=1):
        step = await yard.fan_out(item, range(2000), chunk_items=2000)
        await wait_until(lambda: len(done) > 10)
        await yard.outcome(await yard.queue(double, 1))
        assert len(done) < 2000
        await yard.summary(step)


@on_loop
async def test_options_of_another_version_fail_the(tmp_path):
    """Options of another version fail the items and not the worker."""
    from holdfast.ports.operations import QueueFanOut

    async with yard_at(tmp_path) as yard, yard.worker(double):
        strange = msgspec.msgpack.encode({"timeout": "soon"})
        await yard.append(fan_outs=(QueueFanOut("map#9", "double", "default", 0, strange, -1, (b"1", b"2"), 2),))
        assert (await yard.summary("map#9")).failed == 2
        assert await yard.outcomes("map#9") == ["ValidationError", "ValidationError"]


@on_loop
async def test_large_results_are_recorded_in_pieces(tmp_path):
    """Large results are recorded in pieces."""

    async def large(number):
        return "x" * 600_000 + str(number)

    async with yard_at(tmp_path) as yard, yard.worker(large):
        step = await yard.fan_out(large, range(20))
        await yard.summary(step)
        assert [value[-1] for value in await yard.outcomes(step)] == [str(n)[-1] for n in range(20)]
