"""Queued tasks are claimed within the slots, run, and handed in - whatever happens in between."""

from __future__ import annotations

import asyncio
import time

import msgspec

from holdfast.history import RetryPolicy, TaskCompleted, TaskFailed, TaskTimedOut
from holdfast.ports.operations import Beat, ClaimTasks, FinishTask, Reap
from holdfast.ports.task import current_task
from tests.unit.worker.rig import on_loop, pause, wait_until
from tests.unit.worker.yard import NOBODY_LEAVES, yard_at

pytestmark = NOBODY_LEAVES


async def double(number):
    """Do not wait."""
    return 2 * number


def sync_double(number):
    """Run in a thread."""
    return 2 * number


async def look():
    """Return what the code may know."""
    info = current_task.get().info
    return [info.idempotency_key, info.attempt, info.last_progress, info.fencing_token]


async def always_fail():
    """Raise."""
    raise ValueError("no")


@on_loop
async def test_queued_tasks_are_run_and_their(tmp_path):
    """Queued tasks are run and their results handed in."""
    async with yard_at(tmp_path) as yard, yard.worker(double, sync_double, look):
        steps = [await yard.queue(fn, number) for number in range(20) for fn in (double, sync_double)]
        outcomes = [await yard.outcome(step) for step in steps]
        assert [outcome.result for outcome in outcomes] == [b"%d" % (2 * n) for n in range(20) for _ in range(2)]
        assert all(type(outcome) is TaskCompleted and outcome.worker == "worker-1" for outcome in outcomes)
        assert all(outcome.issued == -1 and outcome.attempts == () for outcome in outcomes)
        key, attempt, progress, token = msgspec.json.decode((await yard.outcome(await yard.queue(look))).result)
        assert (key, attempt, progress) == ("r/look#41", 1, None)
        assert token > 0
        assert await yard.rows() == {}


@on_loop
async def test_work_that_was_there_before_the(tmp_path):
    """Work that was there before the worker is found."""
    async with yard_at(tmp_path) as yard:
        step = await yard.queue(double, 1)
        async with yard.worker(double):
            assert (await yard.outcome(step)).result == b"2"


@on_loop
async def test_a_long_queue_is_worked_off_without_a_ring(tmp_path):
    """A claim that was answered in full is followed by another."""
    async with yard_at(tmp_path) as yard:
        steps = [await yard.queue(double, number) for number in range(20)]
        fan_out = await yard.fan_out(double, range(20), chunk_items=1)
        yard.bus.deaf = True
        async with yard.worker(double, slots=2, poll_seconds=60):
            for step in steps:
                await yard.outcome(step)
            await yard.summary(fan_out)


@on_loop
async def test_lost_rings_cost_time_only(tmp_path):
    """Lost rings cost time only."""
    async with yard_at(tmp_path) as yard, yard.worker(double, poll_seconds=0.1):
        yard.bus.deaf = True
        assert (await yard.outcome(await yard.queue(double, 1))).result == b"2"


@on_loop
async def test_a_failed_attempt_is_made_again(tmp_path):
    """A failed attempt is made again and its failures are told."""
    seen = []

    async def third_time_lucky():
        info = current_task.get().info
        seen.append((info.attempt, info.last_progress))
        current_task.get().heartbeat({"try": info.attempt})
        await asyncio.sleep(0)
        if info.attempt < 3:
            raise ValueError(str(info.attempt))
        return "lucky"

    async with yard_at(tmp_path) as yard, yard.worker(third_time_lucky, poll_seconds=30):
        outcome = await yard.outcome(await yard.queue(third_time_lucky))
        assert outcome.result == b'"lucky"'
        assert [(each.number, each.failure.message, each.worker) for each in outcome.attempts] == [
            (1, "1", "worker-1"),
            (2, "2", "worker-1"),
        ]
        assert seen == [(1, None), (2, {"try": 1}), (3, {"try": 2})], "progress outlives an attempt"


@on_loop
async def test_a_task_that_fails_for_good(tmp_path):
    """A task that fails for good says how each attempt failed."""
    async with yard_at(tmp_path) as yard, yard.worker(always_fail):
        outcome = await yard.outcome(await yard.queue(always_fail))
        assert type(outcome) is TaskFailed
        assert (outcome.failure.type, outcome.failure.message) == ("ValueError", "no")
        assert [each.number for each in outcome.attempts] == [1, 2, 3]
        never_again = RetryPolicy(attempts=9, non_retryable=("ValueError",))
        outcome = await yard.outcome(await yard.queue(always_fail, retry=never_again))
        assert len(outcome.attempts) == 1


@on_loop
async def test_time_outs_are_told_apart(tmp_path):
    """Time outs are told apart."""

    async def hang():
        await asyncio.Event().wait()

    once = RetryPolicy(attempts=1)
    async with yard_at(tmp_path) as yard, yard.worker(hang):
        attempt = await yard.queue(hang, timeout=0.05, retry=once)
        heartbeat = await yard.queue(hang, heartbeat_timeout=0.05, retry=once)
        total = await yard.queue(hang, total_timeout=0.05)
        for step, kind in ((attempt, "attempt"), (heartbeat, "heartbeat"), (total, "total")):
            outcome = await yard.outcome(step)
            assert (type(outcome), outcome.timeout, outcome.failure.type) == (TaskTimedOut, kind, "TimeoutError")


@on_loop
async def test_a_call_that_waited_too_long(tmp_path):
    """A call that waited too long in the queue times out."""
    async with yard_at(tmp_path) as yard:
        step = await yard.queue(double, 1, queue_timeout=0.001)
        await wait_until(lambda: yard.clock.now() > queued + 0.001) if (queued := yard.clock.now()) else None
        async with yard.worker(double):
            outcome = await yard.outcome(step)
            assert (type(outcome), outcome.timeout) == (TaskTimedOut, "queue")


@on_loop
async def test_a_retry_that_would_come_after(tmp_path):
    """A retry that would come after the total time out is not made."""
    patient = RetryPolicy(attempts=9, initial=1000, maximum=1000)
    async with yard_at(tmp_path) as yard, yard.worker(always_fail):
        outcome = await yard.outcome(await yard.queue(always_fail, retry=patient, total_timeout=5))
        assert type(outcome) is TaskFailed
        assert len(outcome.attempts) == 1


@on_loop
async def test_no_more_run_at_once_than(tmp_path):
    """No more run at once than there are slots."""
    gate = asyncio.Event()
    running = []

    async def hold(number):
        running.append(number)
        await gate.wait()

    async with yard_at(tmp_path) as yard, yard.worker(hold, pools={"default": 2, "other": 1}):
        steps = [await yard.queue(hold, number) for number in range(6)]
        steps += [await yard.queue(hold, 10 + number, pool="other") for number in range(3)]
        await wait_until(lambda: len(running) >= 3)
        rows = await yard.rows()
        assert sorted(running) == [0, 1, 10]
        assert sum(bool(row.owner) for row in rows.values()) == 3, "the rest is left for others"
        gate.set()
        for step in steps:
            await yard.outcome(step)


@on_loop
async def test_higher_priority_goes_first(tmp_path):
    """Higher priority goes first."""
    order = []

    async def note(number):
        order.append(number)
        await asyncio.sleep(0)

    async with yard_at(tmp_path) as yard:
        steps = [await yard.queue(note, number, priority=number % 3) for number in range(9)]
        async with yard.worker(note, slots=1):
            for step in steps:
                await yard.outcome(step)
        assert order == [2, 5, 8, 1, 4, 7, 0, 3, 6]


@on_loop
async def test_progress_is_written_down_while_the(tmp_path):
    """Progress is written down while the task runs."""
    gate = asyncio.Event()

    async def work():
        current_task.get().heartbeat({"page": 7})
        await gate.wait()

    async with yard_at(tmp_path) as yard, yard.worker(work):
        step = await yard.queue(work)
        async with asyncio.timeout(10):
            while (await yard.rows())[step].progress != b'{"page":7}':
                await pause()
        gate.set()
        await yard.outcome(step)


@on_loop
async def test_a_task_that_is_no_longer(tmp_path):
    """A task that is no longer wanted is stopped."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def hang():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with yard_at(tmp_path) as yard, yard.worker(hang, double, slots=1) as worker:
        step = await yard.queue(hang)
        await begun.wait()
        await yard.append(unqueue=(step,))
        async with asyncio.timeout(10):
            await ended.wait()
        assert (await yard.outcome(await yard.queue(double, 1))).result == b"2", "its slot is free again"
        assert worker.pool.in_flight == 0


@on_loop
async def test_a_task_whose_code_is_elsewhere(tmp_path):
    """A task whose code is elsewhere is left for others."""
    async with yard_at(tmp_path) as yard, yard.worker(double):
        other = await yard.queue(sync_double, 1)
        assert (await yard.outcome(await yard.queue(double, 1))).result == b"2"
        assert (await yard.rows())[other].owner == ""


@on_loop
async def test_options_of_another_version_fail_the(tmp_path):
    """Options of another version fail the task and not the worker."""
    async with yard_at(tmp_path) as yard, yard.worker(double):
        from holdfast.ports.operations import QueueTask

        strange = QueueTask("odd", "double", b"1", "default", 0, msgspec.msgpack.encode({"timeout": "soon"}))
        await yard.append(queue=(strange,))
        assert (await yard.outcome("odd")).failure.type == "ValidationError"
        assert (await yard.outcome(await yard.queue(double, 1))).result == b"2"


# The end -------------------------------------------------------------------------------------------------------------


@on_loop
async def test_closing_waits_for_what_runs_and(tmp_path):
    """Closing waits for what runs and claims no more."""
    gate = asyncio.Event()
    begun = asyncio.Event()

    async def hold():
        begun.set()
        await gate.wait()
        return "held"

    async with yard_at(tmp_path) as yard:
        async with yard.worker(hold, double, drain_seconds=30) as worker:
            step = await yard.queue(hold)
            await begun.wait()
            closing = asyncio.ensure_future(worker.pool.close(30))
            await asyncio.sleep(0)
            late = await yard.queue(double, 1)
            gate.set()
            await closing
        assert (await yard.outcome(step)).result == b'"held"'
        assert list(await yard.rows()) == [late]
        assert (await yard.rows())[late].owner == ""


@on_loop
async def test_what_does_not_end_in_time(tmp_path):
    """What does not end in time is given back untried."""
    begun = asyncio.Event()

    async def hang():
        begun.set()
        await asyncio.Event().wait()

    async with yard_at(tmp_path) as yard:
        async with yard.worker(hang, drain_seconds=0.01):
            step = await yard.queue(hang)
            await begun.wait()
        row = (await yard.rows())[step]
        assert (row.owner, row.attempt) == ("", 1)


@on_loop
async def test_an_idle_worker_closes_at_once(tmp_path):
    """An idle worker closes at once."""
    async with yard_at(tmp_path) as yard:
        started = time.monotonic()
        async with yard.worker(double, drain_seconds=60):
            pass
        assert time.monotonic() - started < 5


@on_loop
async def test_a_zombie_stops_everything_and_hands(tmp_path):
    """A zombie stops everything and hands in nothing."""
    begun = asyncio.Event()
    ended = asyncio.Event()
    fenced = []

    async def hang():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with yard_at(tmp_path) as yard, yard.worker(hang, fenced=lambda: fenced.append(True)) as worker:
        step = await yard.queue(hang)
        await begun.wait()
        await yard.store.write([Beat(worker.membership, -1.0), Reap(10)])
        async with asyncio.timeout(10):
            await ended.wait()
        assert fenced == [True]
        row = (await yard.rows())[step]
        assert (row.owner, row.attempt) == ("", 1)
        async with yard.worker(hang):
            ended.clear()


@on_loop
async def test_an_outcome_that_comes_too_late(tmp_path):
    """An outcome that comes too late is refused and the worker goes on."""
    gate = asyncio.Event()
    begun = asyncio.Event()

    async def hold():
        begun.set()
        await gate.wait()

    async with yard_at(tmp_path) as yard, yard.worker(hold, double):
        step = await yard.queue(hold)
        await begun.wait()
        await yard.append(unqueue=(step,))
        gate.set()
        assert (await yard.outcome(await yard.queue(double, 1))).result == b"2"
        assert await yard.rows() == {}


@on_loop
async def test_a_store_that_fails_for_a(tmp_path):
    """A store that fails for a while loses nothing."""
    from holdfast.errors import StoreError

    async with yard_at(tmp_path) as yard:
        write = yard.store.write
        failures = []

        async def sometimes(operations, membership=None):
            kinds = {type(operation) for operation in operations} & {ClaimTasks, FinishTask}
            for kind in kinds:
                if failures.count(kind) < 2:
                    failures.append(kind)
                    raise StoreError("the disk is elsewhere")
            return await write(operations, membership)

        yard.store.write = sometimes
        steps = [await yard.queue(double, number) for number in range(5)]
        async with yard.worker(double, poll_seconds=60):
            for number, step in enumerate(steps):
                assert (await yard.outcome(step)).result == b"%d" % (2 * number)
        assert sorted(failures, key=str) == [ClaimTasks] * 2 + [FinishTask] * 2
