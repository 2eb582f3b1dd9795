"""Tasks, as Temporal's activities.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdfast.history.events import (
    Attempt,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
)
from holdfast.history.temporal.failures import write_failure, write_timeout
from holdfast.history.temporal.payloads import write_arguments, write_result
from holdfast.history.temporal.writing.sheet import IDENTITY, Sheet, Writes, inside


def schedule(sheet: Sheet, event: TaskScheduled) -> None:
    """Write that the code calls a task."""
    sheet.open[event.step] = sheet.decide(
        "ActivityTaskScheduled",
        activityId=sheet.activity_id(event.step, event.task),
        activityType={"name": event.task},
        taskQueue=sheet.queue(event.pool),
        input=write_arguments(inside(event.input)),
        scheduleToCloseTimeout="0s",
        scheduleToStartTimeout="0s",
        startToCloseTimeout="600s",
        heartbeatTimeout="0s",
    )


def cancel(sheet: Sheet, event: TaskCancelled) -> None:
    """Write that the code does without a task."""
    scheduled = sheet.open.pop(event.step, 0)
    if scheduled:
        sheet.decide("ActivityTaskCancelRequested", scheduledEventId=str(scheduled))


def complete(sheet: Sheet, event: TaskCompleted) -> None:
    """Write a result."""
    scheduled = sheet.open.pop(event.step, 0)
    if not scheduled:
        return  # the code had taken it back
    started = _begin_attempt(sheet, scheduled, event.attempts, event.time, event.worker)
    sheet.add(
        "ActivityTaskCompleted",
        event.time,
        result=write_result(inside(event.result)),
        scheduledEventId=str(scheduled),
        startedEventId=str(started),
        identity=event.worker or IDENTITY,
    )


def fail(sheet: Sheet, event: TaskFailed) -> None:
    """Write that a task has failed for good."""
    scheduled = sheet.open.pop(event.step, 0)
    if not scheduled:
        return
    started = _begin_attempt(sheet, scheduled, event.attempts[:-1], event.time, event.worker)
    retryable = event.failure.retryable
    sheet.add(
        "ActivityTaskFailed",
        event.time,
        failure=write_failure(event.failure),
        scheduledEventId=str(scheduled),
        startedEventId=str(started),
        identity=event.worker or IDENTITY,
        retryState=f"RETRY_STATE_{'MAXIMUM_ATTEMPTS_REACHED' if retryable else 'NON_RETRYABLE_FAILURE'}",
    )


def time_out(sheet: Sheet, event: TaskTimedOut) -> None:
    """Write that a task has run out of time for good."""
    scheduled = sheet.open.pop(event.step, 0)
    if not scheduled:
        return
    started = 0  # nobody began what ran out of time in the queue
    if event.timeout != "queue":
        started = _begin_attempt(sheet, scheduled, event.attempts[:-1], event.time, event.worker)
    sheet.add(
        "ActivityTaskTimedOut",
        event.time,
        failure=write_timeout(event.timeout, event.failure),
        scheduledEventId=str(scheduled),
        startedEventId=str(started),
        retryState="RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED",
    )


def _begin_attempt(sheet: Sheet, scheduled: int, attempts: Sequence[Attempt], time: float, worker: str) -> int:
    """Write that an activity was begun; Temporal tells only of the last attempt."""
    last = next((each.failure for each in reversed(attempts) if each.failure is not None), None)
    more = {"lastFailure": write_failure(last)} if last is not None else {}
    return sheet.add(
        "ActivityTaskStarted",
        time,
        scheduledEventId=str(scheduled),
        identity=worker or IDENTITY,
        attempt=len(attempts) + 1,
        **more,
    )


INPUTS: Final[Writes] = {TaskCompleted: complete, TaskFailed: fail, TaskTimedOut: time_out}
DECISIONS: Final[Writes] = {TaskScheduled: schedule, TaskCancelled: cancel}
