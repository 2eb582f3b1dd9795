"""How runs end in Temporal's histories.

Owns: what is read from the last event.
Must not know: drains, other kinds of events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdfast.history.events import (
    AnyEvent,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_failure
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record


def completed(_: Course, record: Record) -> WorkflowCompleted:
    """Read a run's result."""
    return WorkflowCompleted(record.time, 0, 0, read_arguments(record.members.get("result"), record.where))


def failed(_: Course, record: Record) -> WorkflowFailed:
    """Read that a run has failed."""
    return WorkflowFailed(record.time, 0, 0, read_failure(record.members.inner("failure"), record.where))


def canceled(course: Course, record: Record) -> WorkflowCancelled:
    """Read that a run was cancelled."""
    return WorkflowCancelled(record.time, 0, 0, course.cancel_reason)


def continued(_: Course, record: Record) -> WorkflowContinued:
    """Read that a run goes on as a new execution."""
    return WorkflowContinued(record.time, 0, 0, read_arguments(record.members.get("input"), record.where))


def terminated(record: Record) -> WorkflowTerminated:
    """Read that a run was ended without its code being asked."""
    return WorkflowTerminated(record.time, record.members.text("reason"))


def timed_out(record: Record) -> WorkflowTimedOut:
    """Read that a run's time was up."""
    return WorkflowTimedOut(record.time, "its time was up")


DECISIONS: Final = {
    "WorkflowExecutionCompleted": completed,
    "WorkflowExecutionFailed": failed,
    "WorkflowExecutionCanceled": canceled,
    "WorkflowExecutionContinuedAsNew": continued,
}
UNASKED: Final[dict[str, Callable[[Record], AnyEvent]]] = {
    "WorkflowExecutionTerminated": terminated,
    "WorkflowExecutionTimedOut": timed_out,
}
"""Ends that no code decided."""
