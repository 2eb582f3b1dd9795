"""Markers in Temporal's histories: patches, and local activities, which are side effects here.

Owns: what is read from a marker.
Must not know: where drains begin and end, other kinds of events.

A local activity runs within a workflow task, so Temporal records nothing but its outcome: when the code asked for it is
not known, nor how many others came before. What came of it reached the code in an *activation* of its own, counted
within its workflow task, or in the first one together with all else that had come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import PatchMarked, SideEffectCancelled, SideEffectRecorded
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_outcome_failure
from holdfast.history.temporal.members import Members
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record

MARKER: Final = "MarkerRecorded"
PATCH_MARKER: Final = "core_patch"
PATCH_DETAILS: Final = "patch-data"
LOCAL_MARKER: Final = "core_local_activity"
LOCAL_DETAILS: Final = "data"
LOCAL_RESULT: Final = "result"
NAME: Final = "side_effect"


@dataclass(frozen=True, slots=True)
class LocalOutcome:
    """What came of a local activity."""

    step: str
    event: SideEffectRecorded | SideEffectCancelled
    activation: int | None
    """In which activation of its workflow task the code was told, from 0; None where the SDK did not note it."""
    time: float
    """What time it was then for the code, in seconds since the epoch; 0.0 where that is not noted."""


def is_local(record: Record) -> bool:
    """Say whether an event is the marker of a local activity."""
    return record.kind == MARKER and record.members.text("markerName") == LOCAL_MARKER


def local_outcome(course: Course, record: Record) -> LocalOutcome | None:
    """Read what came of a local activity; None where it is to be tried again."""
    members, where = record.members, record.where
    details = members.inner("details")
    data = _details(details.get(LOCAL_DETAILS), LOCAL_DETAILS, where)
    if data.get("backoff") is not None:
        return None
    step = data.text("activityId")
    if course.past is not None and step in course.past.requested:
        course.goes_on(step, record)
    else:
        step = course.begin(NAME, step, record)
    activation = data.number("activationIndex") if "activationIndex" in data else None
    time = data.moment("completeTime") if "completeTime" in data else 0.0
    event: SideEffectRecorded | SideEffectCancelled
    if "failure" in members:
        failure = read_outcome_failure(members.inner("failure"), where)
        if failure.type == "CancelledError":
            event = SideEffectCancelled(record.time, 0, 0, step)
        else:
            event = SideEffectRecorded(record.time, 0, step, None, failure)
    else:
        event = SideEffectRecorded(record.time, 0, step, read_arguments(details.get(LOCAL_RESULT), where))
    return LocalOutcome(step, event, activation, time)


def patch(_: Course, record: Record) -> PatchMarked:
    """Read the mark of a patch."""
    members = record.members
    name = members.text("markerName")
    if name != PATCH_MARKER:
        raise HistoryError(f"Holdfast has no words for a marker {name[:60]!r}", record.where)
    read = _details(members.inner("details").get(PATCH_DETAILS), PATCH_DETAILS, record.where)
    return PatchMarked(record.time, 0, 0, read.needed_text("id"), bool(read.get("deprecated")))


def _details(value: Any, what: str, where: str) -> Members:
    return Members(msgspec.json.decode(read_arguments(value, where)), what, where)


DECISIONS: Final = {MARKER: patch}
