"""Temporal's activities, as tasks.

Owns: what is read from the events of activities.
Must not know: drains, other kinds of events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.history.events import (
    Attempt,
    DecisionEvent,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
)
from holdfast.history.failures import Failure
from holdfast.history.temporal import own
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_failure, stopped_by, timeout_of
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.queues import pool_of
from holdfast.history.temporal.records import Record

ATTEMPTS_MAX: Final = 100
"""Of how many failed attempts at one task a history here keeps count."""
_BEGINS: Final = "ActivityTaskScheduled"


def started(course: Course, record: Record) -> None:
    """Keep what the start of an activity says of the attempts before."""
    number = course.begun(record, "scheduledEventId", _BEGINS)
    members = record.members
    worker = course.workers[number] = members.text("identity")
    failed = min(members.number("attempt") - 1, ATTEMPTS_MAX)
    if failed > 0:
        last = read_failure(members.inner("lastFailure"), record.where) if "lastFailure" in members else None
        time = record.time  # Temporal records neither when they began nor when they ended
        course.tries[number] = tuple(
            Attempt(each, time, time, worker, last if each == failed else None) for each in range(1, failed + 1)
        )


def completed(course: Course, record: Record) -> TaskCompleted | None:
    """Read a task's result."""
    number = course.begun(record, "scheduledEventId", _BEGINS)
    step = course.ended(record, "scheduledEventId", _BEGINS)
    result = read_arguments(record.members.get("result"), record.where)
    if step is None:
        return None
    return TaskCompleted(record.time, 0, step, result, course.tries.get(number, ()), course.workers.get(number, ""))


def failed(course: Course, record: Record) -> TaskFailed | TaskTimedOut | None:
    """Read that a task has failed; or that our worker has stopped it because its time was up."""
    number = course.begun(record, "scheduledEventId", _BEGINS)
    step = course.ended(record, "scheduledEventId", _BEGINS)
    members = record.members.inner("failure")
    failure = read_failure(members, record.where)
    if step is None:
        return None
    attempts = _attempts(course, number, failure, record)
    timeout = stopped_by(members)
    if timeout:
        return TaskTimedOut(record.time, 0, step, timeout, failure, attempts)
    return TaskFailed(record.time, 0, step, failure, attempts)


def timed_out(course: Course, record: Record) -> TaskTimedOut | None:
    """Read that a task has run out of time."""
    number = course.begun(record, "scheduledEventId", _BEGINS)
    step = course.ended(record, "scheduledEventId", _BEGINS)
    members = record.members.inner("failure")
    failure = read_failure(members, record.where)
    if step is None:
        return None
    attempts = _attempts(course, number, failure, record)
    return TaskTimedOut(record.time, 0, step, timeout_of(members), failure, attempts)


def canceled(course: Course, record: Record) -> TaskFailed | None:
    """Take the end of an activity that gave in; the code that asked for it does not wait for that."""
    step = course.ended(record, "scheduledEventId", _BEGINS)
    if step is None:
        return None
    return TaskFailed(record.time, 0, step, Failure("CancelledError", "the activity was cancelled"))


def scheduled(course: Course, record: Record) -> DecisionEvent | None:
    """Read a call of a task, or what else of ours is an activity."""
    members = record.members
    task = members.inner("activityType").needed_text("name")
    if course.is_ours and task.startswith(own.OWN):
        return own.scheduled(course, record, task)
    step = course.begin(task, members.text("activityId"), record)
    payload = read_arguments(members.get("input"), record.where)
    pool = pool_of(members.inner("taskQueue").text("name"))
    return TaskScheduled(record.time, 0, 0, step, task, payload, pool)


def cancel_requested(course: Course, record: Record) -> TaskCancelled | None:
    """Read that the code does without a task."""
    step = course.ended(record, "scheduledEventId", _BEGINS)
    return None if step is None else TaskCancelled(record.time, 0, 0, step)


def _attempts(course: Course, number: int, failure: Failure, record: Record) -> tuple[Attempt, ...]:
    """Return all tries at a task, the last one included: ours lists those that failed."""
    earlier = course.tries.get(number, ())
    worker = course.workers.get(number, "")
    return (*earlier, Attempt(len(earlier) + 1, record.time, record.time, worker, failure))


def _unless_own(read: Callable[[Course, Record], Any], read_own: own.Reads) -> Callable[[Course, Record], Any]:
    """Return what reads an event of an activity, be it a task or one of our own."""

    def either(course: Course, record: Record) -> Any:
        number = course.begun(record, "scheduledEventId", _BEGINS)
        kind = course.records[number - 1].members.inner("activityType").text("name")
        if course.is_ours and kind.startswith(own.OWN):
            return read_own(course, record, number)
        return read(course, record)

    return either


INPUTS: Final = {
    "ActivityTaskStarted": started,
    "ActivityTaskCompleted": _unless_own(completed, own.completed),
    "ActivityTaskFailed": _unless_own(failed, own.lost),
    "ActivityTaskTimedOut": _unless_own(timed_out, own.lost),
    "ActivityTaskCanceled": _unless_own(canceled, own.lost),
}
DECISIONS: Final = {
    "ActivityTaskScheduled": scheduled,
    "ActivityTaskCancelRequested": _unless_own(cancel_requested, own.cancel_requested),
}
