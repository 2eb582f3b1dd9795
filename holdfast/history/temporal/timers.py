"""Temporal's timers.

Owns: what is read from their events.
Must not know: drains, other kinds of events.
"""

from __future__ import annotations

from typing import Final

from holdfast.history.events import TimerCancelled, TimerFired, TimerStarted
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.records import Record

_BEGINS: Final = "TimerStarted"


def fired(course: Course, record: Record) -> TimerFired | None:
    """Read that a timer's time has come."""
    step = course.ended(record, "startedEventId", _BEGINS)
    return None if step is None else TimerFired(record.time, 0, step)


def started(course: Course, record: Record) -> TimerStarted | None:
    """Read that the code waits for a time; when that comes, the drain says."""
    members = record.members
    if course.past is not None and course.past.timers:
        step = course.past.timers.popleft()
        if course.goes_on(step, record):
            return None
    else:
        step = course.begin("sleep", members.text("timerId"), record)
    return TimerStarted(record.time, 0, 0, step, members.seconds("startToFireTimeout"), 0.0)


def canceled(course: Course, record: Record) -> TimerCancelled | None:
    """Read that the code does not wait for a timer any more."""
    step = course.ended(record, "startedEventId", _BEGINS)
    return None if step is None else TimerCancelled(record.time, 0, 0, step)


INPUTS: Final = {"TimerFired": fired}
DECISIONS: Final = {"TimerStarted": started, "TimerCanceled": canceled}
