"""Attempts on the loop and in threads: every way to end, each told once."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec
import pytest

from holdfast.errors import LeaseLost, UnknownNameError
from holdfast.ports.task import current_task
from holdfast.worker import LocalRunner
from holdfast.worker import attempt as attempts
from tests.unit.worker.rig import Functions, Started, WallClock, call, on_loop, pause, wait_until


@asynccontextmanager
async def running(*functions, **changes):
    """Give a runner of `functions`, and close it."""
    runner = LocalRunner(Functions(*functions), WallClock(), **changes)
    try:
        yield runner
    finally:
        await runner.close()
        assert runner.statistics().running == 0


async def double(number):
    """Do not wait."""
    return 2 * number


async def slow_double(number):
    """Wait a little."""
    await pause()
    return 2 * number


def sync_double(number):
    """Block, if not for long."""
    return 2 * number


async def fail(text):
    """Raise."""
    raise ValueError(text)


def sync_fail(text):
    """Raise in a thread."""
    raise ValueError(text)


async def forever():
    """Wait for what never comes."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("fn", [double, slow_double, sync_double])
@on_loop
async def test_an_attempt_has_its_result(fn):
    """An attempt has its result."""
    async with running(fn) as runner:
        outcome = await Started(runner, call(fn, 21)).outcome()
        assert (outcome.result, outcome.failure, outcome.timeout, outcome.cancelled) == (b"42", None, "", False)
        assert outcome.started <= outcome.ended


@on_loop
async def test_an_attempt_that_does_not_wait():
    """An attempt that does not wait is over when start returns."""
    async with running(double) as runner:
        started = Started(runner, call(double, 1))
        assert started.attempt is None
        assert [outcome.result for outcome in started.outcomes] == [b"2"]


@pytest.mark.parametrize("fn", [fail, sync_fail])
@on_loop
async def test_a_failure_shows_the_users_lines(fn):
    """A failure shows the users lines first."""
    async with running(fn) as runner:
        failure = (await Started(runner, call(fn, "no")).outcome()).failure
        assert (failure.type, failure.message, failure.retryable) == ("ValueError", "no", True)
        assert failure.traceback.splitlines()[0].endswith(f"in {fn.__name__}")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
@pytest.mark.parametrize("isolation", ["async", "thread"])
@on_loop
async def test_raising_what_ends_programs_is_a(error, isolation):
    """Raising what ends programs is a failure."""

    def leave():
        raise error

    async def leave_later():
        await asyncio.sleep(0)
        raise error

    async with running(leave, leave_later) as runner:
        failure = (await Started(runner, call(leave, isolation=isolation)).outcome()).failure
        assert failure.type == error.__name__
        if isolation == "async":
            failure = (await Started(runner, call(leave_later)).outcome()).failure
            assert failure.type in {error.__name__, "RuntimeError"}  # a coroutine may not raise StopIteration


@on_loop
async def test_an_exception_whose_text_cannot_be():
    """An exception whose text cannot be had is a failure."""

    class BrokenError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    async def break_down():
        raise BrokenError

    async with running(break_down) as runner:
        failure = (await Started(runner, call(break_down)).outcome()).failure
        assert failure.type == "BrokenError"


@pytest.mark.parametrize("isolation", ["async", "thread"])
@on_loop
async def test_a_result_that_is_not_json(isolation):
    """A result that is not json is a failure that no retry mends."""

    def unfit():
        return object()

    async with running(unfit) as runner:
        failure = (await Started(runner, call(unfit, isolation=isolation)).outcome()).failure
        assert not failure.retryable


@pytest.mark.parametrize("fn", [double, sync_double])
@on_loop
async def test_an_input_that_does_not_fit(fn):
    """An input that does not fit is a failure that no retry mends."""
    async with running(fn) as runner:
        wrong = msgspec.structs.replace(call(fn), input=b"{")
        failure = (await Started(runner, wrong).outcome()).failure
        assert not failure.retryable


@on_loop
async def test_an_unknown_task_is_refused_before():
    """An unknown task is refused before anything starts."""
    async with running(double) as runner:
        assert runner.knows("double")
        assert not runner.knows("triple")
        with pytest.raises(UnknownNameError):
            runner.start(call(slow_double, 1), lambda *_: None)


@on_loop
async def test_an_isolation_that_does_not_exist():
    """An isolation that does not exist is a failure."""
    async with running(double) as runner:
        failure = (await Started(runner, call(double, 1, isolation="moon")).outcome()).failure
        assert "moon" in failure.message
        assert not failure.retryable


# Time-outs -----------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_coroutine_that_takes_too_long():
    """A coroutine that takes too long times out and cleans up."""
    notes = []

    async def tidy():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            notes.append("cleaned up")

    async with running(tidy) as runner:
        outcome = await Started(runner, call(tidy, timeout=0.02)).outcome()
        assert outcome.timeout == "attempt"
        assert outcome.failure.retryable
        assert "in tidy" in outcome.failure.traceback, "it says where the code was"
        assert notes == ["cleaned up"]


@on_loop
async def test_a_result_that_comes_while_time():
    """A result that comes while time runs out is kept."""

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done after all"

    async with running(stubborn) as runner:
        outcome = await Started(runner, call(stubborn, timeout=0.02)).outcome()
        assert (outcome.result, outcome.timeout) == (b'"done after all"', "")


@on_loop
async def test_a_coroutine_that_does_not_stop(monkeypatch):
    """A coroutine that does not stop is given up and counted."""
    monkeypatch.setattr(attempts, "STOP_GRACE_SECONDS", 0.02)
    release = asyncio.Event()

    async def refuse():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        raise RuntimeError("too late to matter")

    async with running(refuse) as runner:
        started = Started(runner, call(refuse, timeout=0.02))
        assert (await started.outcome()).timeout == "attempt"
        assert runner.statistics().abandoned_tasks == 1
        release.set()
        await wait_until(lambda: runner.statistics().abandoned_tasks == 0)
        assert len(started.outcomes) == 1


@on_loop
async def test_a_hung_thread_is_abandoned_and():
    """A hung thread is abandoned and counted and its place used again."""
    release = threading.Event()

    def hang():
        release.wait()

    async with running(hang, sync_double, threads_max=1) as runner:
        started = Started(runner, call(hang, timeout=0.05))
        next_one = Started(runner, call(sync_double, 4))
        outcome = await started.outcome()
        assert outcome.timeout == "attempt"
        assert "in hang" in outcome.failure.traceback
        assert (await next_one.outcome()).result == b"8"
        assert runner.statistics().abandoned_threads == 1
        release.set()
        await wait_until(lambda: runner.statistics().abandoned_threads == 0)
        assert len(started.outcomes) == 1, "the late result is dropped"
        assert (await Started(runner, call(sync_double, 5)).outcome()).result == b"10"


@pytest.mark.parametrize("isolation", ["async", "thread"])
@on_loop
async def test_silence_is_a_heartbeat_time_out(isolation):
    """Silence is a heartbeat time out and beats prevent it."""
    stop = threading.Event()

    async def silent():
        current_task.get().heartbeat()
        await asyncio.Event().wait()

    def silent_thread():
        current_task.get().heartbeat()
        stop.wait()

    async def lively():
        for done in range(60):
            current_task.get().heartbeat({"done": done})
            await pause()
        return "alive"

    def lively_thread():
        for done in range(60):
            current_task.get().heartbeat({"done": done})
            stop.wait(0.01)
        return "alive"

    quiet, loud = (silent, lively) if isolation == "async" else (silent_thread, lively_thread)
    async with running(quiet, loud) as runner:
        dead = Started(runner, call(quiet, heartbeat_timeout=0.3, timeout=None))
        alive = Started(runner, call(loud, heartbeat_timeout=0.3, timeout=None))
        outcome = await dead.outcome()
        assert outcome.timeout == "heartbeat"
        assert outcome.failure.retryable
        assert (await alive.outcome()).result == b'"alive"'
        assert alive.attempt.progress == b'{"done":59}'
        stop.set()
        await wait_until(lambda: runner.statistics().abandoned_threads == 0)


@on_loop
async def test_a_call_that_waited_too_long():
    """A call that waited too long never starts."""
    async with running(double) as runner:
        late = call(double, 1, queue_timeout=1.0, queued_at=time.time() - 2)
        outcome = await Started(runner, late).outcome()
        assert outcome.timeout == "queue"
        assert not outcome.failure.retryable
        again = call(double, 1, queue_timeout=1.0, queued_at=time.time() - 2, attempt=2)
        assert (await Started(runner, again).outcome()).result == b"2", "only the first attempt has to start in time"


@on_loop
async def test_all_attempts_together_have_a_limit():
    """All attempts together have a limit that ends this one."""
    async with running(forever, double) as runner:
        running_out = call(forever, total_timeout=1.0, queued_at=time.time() - 0.98, attempt=3)
        outcome = await Started(runner, running_out).outcome()
        assert outcome.timeout == "total"
        assert not outcome.failure.retryable
        over = call(double, 1, total_timeout=1.0, queued_at=time.time() - 2, attempt=3)
        assert (await Started(runner, over).outcome()).timeout == "total"


# What code may know --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", ["async", "thread"])
@on_loop
async def test_task_code_knows_its_attempt(isolation):
    """Task code knows its attempt."""
    seen = []

    def look():
        seen.append(current_task.get().info)

    async with running(look) as runner:
        before = datetime.now(UTC)
        task_call = call(look, isolation=isolation, attempt=3, token=7, progress=b'{"page":4}', timeout=60)
        await Started(runner, task_call).outcome()
        (info,) = seen
        assert (info.attempt, info.fencing_token, info.last_progress) == (3, 7, {"page": 4})
        assert (info.run_id, info.execution, info.task, info.step) == ("r-1", "r-1", "look", "look#1")
        assert info.idempotency_key == "r-1/look#1"
        assert 59 < (info.deadline - before).total_seconds() < 62
        assert current_task.get(None) is None, "nobody else sees it"


@on_loop
async def test_a_heartbeat_after_the_end_says():
    """A heartbeat after the end says that the lease is lost."""
    contexts = []

    async def keep():
        contexts.append(current_task.get())

    async with running(keep) as runner:
        await Started(runner, call(keep)).outcome()
        with pytest.raises(LeaseLost):
            contexts[0].heartbeat()


@on_loop
async def test_progress_that_is_not_json_is():
    """Progress that is not json is refused where it is given."""

    async def wrong():
        current_task.get().heartbeat(object())

    async with running(wrong) as runner:
        assert (await Started(runner, call(wrong)).outcome()).failure.type == "EncodeError"


# Cancelling, limits, the end -----------------------------------------------------------------------------------------


@on_loop
async def test_cancelling_ends_a_coroutine_and_a():
    """Cancelling ends a coroutine and a thread as cancelled."""
    release = threading.Event()

    def hang():
        release.wait()

    async with running(forever, hang) as runner:
        for fn in (forever, hang):
            started = Started(runner, call(fn))
            started.attempt.cancel()
            outcome = await started.outcome()
            assert (outcome.cancelled, outcome.timeout, outcome.failure) == (True, "", None)
        release.set()
        await wait_until(lambda: runner.statistics().abandoned_threads == 0)


@on_loop
async def test_a_thread_learns_that_it_is():
    """A thread learns that it is not wanted by its next heartbeat."""
    ended = threading.Event()

    def work():
        try:
            while True:
                current_task.get().heartbeat()
        except LeaseLost:
            ended.set()

    async with running(work) as runner:
        started = Started(runner, call(work))
        started.attempt.cancel()
        await wait_until(ended.is_set)
        await wait_until(lambda: runner.statistics().abandoned_threads == 0)


@on_loop
async def test_no_more_run_at_once_than():
    """No more run at once than there are places."""
    gate = asyncio.Event()
    peak = 0
    now = 0

    async def count(number):
        nonlocal peak, now
        now += 1
        peak = max(peak, now)
        await gate.wait()
        now -= 1
        return number

    async with running(count, tasks_max=3) as runner:
        started = [Started(runner, call(count, number)) for number in range(10)]
        assert runner.statistics().running == 3
        assert runner.statistics().waiting == 7
        started[9].attempt.cancel()
        assert (await started[9].outcome()).cancelled, "who waits can be cancelled"
        gate.set()
        results = [(await each.outcome()).result for each in started[:9]]
        assert results == [b"%d" % number for number in range(9)]
        assert peak == 3


@on_loop
async def test_many_that_wait_and_then_end():
    """Many that wait and then end at once need no deep stack."""
    gate = asyncio.Event()

    async def hold():
        await gate.wait()

    async with running(hold, double, tasks_max=1) as runner:
        first = Started(runner, call(hold))
        rest = [Started(runner, call(double, number)) for number in range(5000)]
        assert not any(each.outcomes for each in rest)
        gate.set()
        await first.outcome()
        assert all([(await each.outcome()).result for each in rest])


@on_loop
async def test_waiting_for_a_place_counts_against():
    """Waiting for a place counts against the queue time out."""
    async with running(forever, double, tasks_max=1) as runner:
        Started(runner, call(forever))
        waiting = Started(runner, call(double, 1, queue_timeout=0.05, queued_at=time.time()))
        assert (await waiting.outcome()).timeout == "queue"


@on_loop
async def test_draining_waits_for_what_runs_and():
    """Draining waits for what runs and says when it did not end."""
    gate = asyncio.Event()

    async def hold():
        await gate.wait()

    async with running(hold) as runner:
        assert await runner.drain(0)
        started = Started(runner, call(hold))
        assert not await runner.drain(0.01)
        gate.set()
        assert await runner.drain(10)
        assert (await started.outcome()).result == b"null"


@on_loop
async def test_closing_cancels_what_runs():
    """Closing cancels what runs."""
    runner = LocalRunner(Functions(forever), WallClock())
    started = Started(runner, call(forever))
    await runner.close()
    assert started.outcomes[0].cancelled


@pytest.mark.parametrize("isolation", ["async", "thread"])
@on_loop
async def test_the_first_abandoned_attempt_is_told_once(monkeypatch, isolation):
    """A process that holds something nobody can stop says so, once."""
    monkeypatch.setattr(attempts, "STOP_GRACE_SECONDS", 0.01)
    release = threading.Event()
    told = []

    async def refuse():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await pause()

    def hang():
        release.wait()

    fn = refuse if isolation == "async" else hang
    async with running(fn, worn=lambda: told.append(True)) as runner:
        for _ in range(2):
            assert (await Started(runner, call(fn, timeout=0.01)).outcome()).timeout == "attempt"
        assert told == [True]
        release.set()
        await wait_until(lambda: runner.statistics().abandoned_threads + runner.statistics().abandoned_tasks == 0)
