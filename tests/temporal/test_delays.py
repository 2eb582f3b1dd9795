"""A delayed call on Temporal: its first attempt waits, and is none of those that it may have."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("temporalio", reason="To run this test: pip install 'holdfast[temporal]'")

from temporalio.testing import ActivityEnvironment

from holdfast.history import Limits, TaskOptions
from holdfast.ports.task import AttemptOutcome, TaskCall
from holdfast.temporal.activities import Activities
from holdfast.temporal.failures import CarriedError
from holdfast.temporal.interceptors import incoming_header
from holdfast.temporal.options import TIMER_SECONDS_MIN
from holdfast.temporal.own import Call, write_header
from holdfast.temporal.payloads import raw

CALLED = datetime(2026, 1, 1, tzinfo=UTC)


class Recorder:
    """A runner whose attempts succeed at once."""

    def __init__(self) -> None:
        """Have made none."""
        self.calls: list[TaskCall] = []

    def start(self, call: TaskCall, done: Callable[[TaskCall, AttemptOutcome], None]) -> None:
        """Make an attempt."""
        self.calls.append(call)
        done(call, AttemptOutcome(0.0, 0.0, result=b"1"))


def attempt(number: int, seconds: float, delay: float) -> tuple[list[int], float | None]:
    """Make an attempt so long after the call; return the attempts at the task, and how long is to be waited."""
    recorder, environment = Recorder(), ActivityEnvironment()
    at = CALLED + timedelta(seconds=seconds)
    environment.info = dataclasses.replace(
        environment.info, attempt=number, scheduled_time=CALLED, current_attempt_scheduled_time=at, started_time=at
    )
    call = Call("r@1", TaskOptions(limits=Limits(delay=delay)))

    async def perform() -> None:
        incoming_header.set(write_header(call))
        activities = Activities(recorder, lambda _: TaskOptions(), lambda: 0.5, {}, 60.0)
        await activities.named("task")(raw(b"[]"))

    try:
        asyncio.run(environment.run(perform))
        waits = None
    except CarriedError as error:
        waits = error.failure.application_failure_info.next_retry_delay.ToTimedelta().total_seconds()
    return [each.attempt for each in recorder.calls], waits


@pytest.mark.parametrize(("number", "seconds", "attempts", "waits"), [
    (1, 0.0, [], 60),
    (1, 20.0, [], 40),
    (1, 90.0, [], TIMER_SECONDS_MIN),  # nobody was there to take it when its time came
    (2, 60.0, [1], None),
    (2, 90.0, [1], None),
    (2, 50.0, [], 10),  # the first died before it said how long
    (3, 90.0, [2], None),
])  # fmt: skip
def test_the_first_attempt_is_not_counted(
    number: int, seconds: float, attempts: list[int], waits: float | None
) -> None:
    """Each of Temporal's after it is the task's of one less, whenever they come."""
    assert attempt(number, seconds, 60.0) == (attempts, waits)


def test_without_a_delay_all_are_counted() -> None:
    """The first is the first."""
    assert attempt(1, 0.0, 0.0) == ([1], None)
