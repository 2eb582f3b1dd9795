"""Locks and semaphores in the histories of our own runs on Temporal.

Owns: what is read from the events of activities that ask for a place in a line, and give it back.
Must not know: drains, activities that are tasks. Their form is that of `holdfast.temporal.locks`.

A place is given back by an activity of its own, unless the code has stopped waiting for it: then by the cancellation of
the activity that asked, and the other one follows when nobody waits for it any more.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import LockGranted, LockReleased, LockRequested
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record

LOCK: Final = "holdfast:lock"
"""The activity that asks for a place."""
UNLOCK: Final = "holdfast:unlock"
"""The activity that gives it back."""


class _Asking(msgspec.Struct):
    name: str
    slots: int


class _Leaving(msgspec.Struct):
    name: str
    step: str


_Said = TypeVar("_Said", _Asking, _Leaving)


def scheduled(course: Course, record: Record) -> LockRequested | None:
    """Read that the code wants a place; one that it was forked with was asked for in its past."""
    asking = _read(record, _Asking)
    step = record.members.needed_text("activityId")
    if course.past is not None and not course.past.is_over and course.past.holds(step):
        course.goes_on(step, record)
        course.places[step] = asking.name
        return None
    course.claim(step, record)
    course.places[step] = asking.name
    return LockRequested(record.time, 0, 0, step, asking.name, asking.slots)


def completed(course: Course, record: Record, number: int) -> LockGranted | None:
    """Read that the place is the run's, with its token."""
    step = course.step(number)
    try:
        token = msgspec.json.decode(read_arguments(record.members.get("result"), record.where), type=int)
    except msgspec.MsgspecError:
        raise HistoryError("the token of a lock is no whole number", record.where) from None
    if course.past is not None and not course.past.is_over and course.past.holds(step):
        course.past.hold(step, token)
        return None
    return LockGranted(record.time, 0, step, token) if step in course.places else None


def cancel_requested(course: Course, record: Record, number: int) -> LockReleased | None:
    """Read that the code stops waiting for a place."""
    return _released(course, record, course.step(number))


def left(course: Course, record: Record) -> LockReleased | None:
    """Read that a place is given back; one that the code has stopped waiting for was, for the code, before."""
    return _released(course, record, _read(record, _Leaving).step)


def _released(course: Course, record: Record, step: str) -> LockReleased | None:
    name = course.places.pop(step, None)
    return None if name is None else LockReleased(record.time, 0, 0, step, name)


def _read(record: Record, kind: type[_Said]) -> _Said:
    try:
        return msgspec.json.decode(read_arguments(record.members.get("input"), record.where), type=kind)
    except msgspec.MsgspecError as error:
        raise HistoryError(f"a place in the line of a lock: {error}", record.where) from None
