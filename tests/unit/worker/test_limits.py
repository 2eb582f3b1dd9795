"""Attempts that take of a rate start in time or not at all, and pass on what a receiver says."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from holdfast.errors import RateLimited
from holdfast.history import Failure, Limits, RateUse, TaskCompleted, TaskFailed
from holdfast.ports.task import current_task
from holdfast.worker import LocalRunner
from holdfast.worker.meanings import UNREADABLE_SECONDS, meaning_of
from tests.unit.worker.rig import Definitions, Started, WallClock, call_defined, on_loop
from tests.unit.worker.yard import NOBODY_LEAVES, yard_at

pytestmark = NOBODY_LEAVES

RATED = Limits(rates=(RateUse("api", 100.0, 1.0),))


async def told(path: str) -> int:
    """Be told to wait at the first call; return the number of the attempt."""
    return told_in_a_thread(path)


def told_in_a_thread(path: str) -> int:
    """Be told to wait at the first call; return the number of the attempt."""
    with open(path, "a+b") as file:  # noqa: PTH123 - appends and tells what there was
        if file.tell() == 0:
            file.write(b"told")
            raise RateLimited("50ms")
    return current_task.get().info.attempt


async def always_told():
    """Be told to wait every time."""
    raise RateLimited("1h", "else")


async def note(path: str) -> None:
    """Leave a trace."""
    with open(path, "ab") as file:  # noqa: ASYNC230, PTH123 - one byte
        file.write(b"x")


@pytest.mark.parametrize("isolation", ["async", "thread", "process"])
@on_loop
async def test_a_receiver_that_says_no_costs_no_attempt(tmp_path, isolation):
    """The task is tried again when it was told to, as the same attempt; its rate is frozen until then."""
    fn = told if isolation == "async" else told_in_a_thread
    async with yard_at(tmp_path) as yard, yard.worker(fn):
        step = await yard.queue(fn, str(tmp_path / "told"), isolation=isolation, limits=RATED)
        outcome = await yard.outcome(step)
        assert isinstance(outcome, TaskCompleted)
        assert (outcome.result, outcome.attempts) == (b"1", ())
        (rate,) = await yard.store.limits()
        assert (rate.kind, rate.name, rate.limit) == ("rate", "api", 100.0)


@on_loop
async def test_who_is_told_to_wait_for_too_long_fails(tmp_path):
    """Its total time-out does not last that long: the failure is in the history as any other."""
    async with yard_at(tmp_path) as yard, yard.worker(always_told):
        outcome = await yard.outcome(await yard.queue(always_told, total_timeout=600.0))
        assert isinstance(outcome, TaskFailed)
        assert (type(outcome.failure), outcome.failure.type) == (Failure, "RateLimited")
        assert len(outcome.attempts) == 1
        assert await yard.store.limits() == []


@on_loop
async def test_an_attempt_that_comes_too_late_does_not_start(tmp_path):
    """Its time to start is over: it ends as cancelled, and its code is not run."""
    runner = LocalRunner(Definitions(note), WallClock())
    now = asyncio.get_running_loop().time()
    path = tmp_path / "trace"
    late = Started(runner, call_defined(note, str(path), limits=RATED, start_by=now - 0.001))
    assert (await late.outcome()).cancelled
    assert not path.exists()
    in_time = Started(runner, call_defined(note, str(path), limits=RATED, start_by=now + 100.0))
    assert (await in_time.outcome()).result == b"null"
    assert path.read_bytes() == b"x"
    await runner.close()


def test_receivers_say_in_many_ways_how_long_to_wait():
    """Seconds, a duration, or the date of an HTTP header; nonsense is half a minute."""

    def seconds(said):
        error = RateLimited(said)
        return meaning_of(error, Failure("RateLimited", "")).seconds

    assert [seconds(each) for each in ("120", 2.5, "1m", timedelta(seconds=3), 0)] == [120.0, 2.5, 60.0, 3.0, 0.0]
    assert [seconds(each) for each in ("soon", -1, None)] == [UNREADABLE_SECONDS] * 3
    assert seconds("1" * 20) == 86_400.0
    ahead = format_datetime(datetime.fromtimestamp(time.time() + 60, UTC), usegmt=True)
    assert 58.0 < seconds(ahead) <= 60.0
    assert seconds("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0


def test_what_the_error_says_is_for_people():
    """What is frozen, and for how long."""
    assert str(RateLimited("5s", "api")).endswith("rate 'api' waits for 5s")
    assert "the task's rates wait for 30s" in str(RateLimited())
    assert msgspec.structs.asdict(meaning_of(RateLimited(1), Failure("E", "m")).as_failure(final=True))["type"] == "E"
