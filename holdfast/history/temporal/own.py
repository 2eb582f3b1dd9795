"""Activities of our own runs on Temporal that are no tasks: chunks of `map_tasks`, and places in lines.

Owns: which of them is which.
Must not know: what is read from each, drains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from holdfast.errors import HistoryError
from holdfast.history.events import DecisionEvent, InputEvent
from holdfast.history.temporal import fan_outs, locks
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.records import Record

OWN: Final = "holdfast:"
"""What the type of an activity of ours begins with that is no task."""

Reads: TypeAlias = Callable[[Course, Record, int], Any]
"""Reads an event of an activity that began with the event of this number."""


def scheduled(course: Course, record: Record, kind: str) -> DecisionEvent | None:
    """Read that an activity of this type is asked for."""
    match kind:
        case locks.LOCK:
            return locks.scheduled(course, record)
        case locks.UNLOCK:
            return locks.left(course, record)
        case _ if kind.startswith(fan_outs.PREFIX):
            return fan_outs.scheduled(course, record)
        case _:
            raise HistoryError(f"this version of Holdfast has no words for its activity {kind[:60]!r}", record.where)


def completed(course: Course, record: Record, number: int) -> InputEvent | None:
    """Read a result."""
    if number in course.chunks:
        return fan_outs.completed(course, record, number)
    return locks.completed(course, record, number) if course.is_step(number) else None


def lost(course: Course, record: Record, number: int) -> InputEvent | None:
    """Read that there will be no result; places are asked for until they are given, or not wanted any more."""
    return fan_outs.lost(course, record, number) if number in course.chunks else None


def cancel_requested(course: Course, record: Record, number: int) -> DecisionEvent | None:
    """Read that an activity is not wanted any more."""
    if number in course.chunks:
        return fan_outs.cancel_requested(course, record, number)
    return locks.cancel_requested(course, record, number) if course.is_step(number) else None
