"""Temporal's child workflows.

Owns: what is read from their events, and how each of their ends is told.
Must not know: drains, other kinds of events.

What a child's end says is what Temporal's SDK makes of it where the parent runs: that is nowhere in its history.
"""

from __future__ import annotations

from typing import Final

from holdfast.history.events import (
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildScheduled,
    ChildStarted,
)
from holdfast.history.failures import Failure
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_failure
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record

CLOSING: Final = {"Terminate": "terminate", "RequestCancel": "cancel", "Abandon": "abandon", "": "terminate"}
"""Our word for what becomes of a child when its parent ends."""
_BEGINS: Final = "StartChildWorkflowExecutionInitiated"


def initiated(course: Course, record: Record) -> ChildScheduled:
    """Read that the code starts a child."""
    members = record.members
    workflow = members.inner("workflowType").needed_text("name")
    run_id = members.needed_text("workflowId")
    prefix = f"{course.execution}:"
    step = course.begin(workflow, run_id.removeprefix(prefix) if run_id.startswith(prefix) else "", record)
    course.children[run_id] = step
    closing = members.word("parentClosePolicy", "PARENT_CLOSE_POLICY")
    payload = read_arguments(members.get("input"), record.where)
    return ChildScheduled(record.time, 0, 0, step, workflow, run_id, payload, CLOSING.get(closing, "terminate"))


def cancel_requested(course: Course, record: Record, run_id: str) -> ChildCancelRequested:
    """Read that the code asks one of its own children to stop."""
    return ChildCancelRequested(record.time, 0, 0, course.children[run_id], record.members.text("reason"))


def not_started(course: Course, record: Record) -> ChildFailed | None:
    """Read that a child could not begin."""
    step = course.ended(record, "initiatedEventId", _BEGINS)
    if step is None:
        return None
    failure = Failure("RunConflictError", f"run {record.members.text('workflowId')!r} exists already", retryable=False)
    return ChildFailed(record.time, 0, step, "NOT_STARTED", failure)


def started(course: Course, record: Record) -> ChildStarted:
    """Read that a child's run exists."""
    number = course.begun(record, "initiatedEventId", _BEGINS)
    run_id = record.members.inner("workflowExecution").text("workflowId")
    return ChildStarted(record.time, 0, course.step(number), run_id)


def completed(course: Course, record: Record) -> ChildCompleted | None:
    """Read a child's result."""
    step = course.ended(record, "initiatedEventId", _BEGINS)
    result = read_arguments(record.members.get("result"), record.where)
    return None if step is None else ChildCompleted(record.time, 0, step, result)


def failed(course: Course, record: Record) -> ChildFailed | None:
    """Read that a child has failed."""
    failure = read_failure(record.members.inner("failure"), record.where)
    return _ended(course, record, "FAILED", failure)


def canceled(course: Course, record: Record) -> ChildFailed | None:
    """Read that a child was cancelled."""
    return _ended(course, record, "CANCELLED", Failure("CancelledError", ""))


def terminated(course: Course, record: Record) -> ChildFailed | None:
    """Read that a child was ended without its code being asked."""
    return _ended(course, record, "TERMINATED", Failure("TerminatedError", "Terminated"))


def timed_out(course: Course, record: Record) -> ChildFailed | None:
    """Read that a child's time was up."""
    return _ended(course, record, "TIMED_OUT", Failure("TimeoutError", "Timed out"))


def _ended(course: Course, record: Record, status: str, failure: Failure) -> ChildFailed | None:
    step = course.ended(record, "initiatedEventId", _BEGINS)
    return None if step is None else ChildFailed(record.time, 0, step, status, failure)


INPUTS: Final = {
    "StartChildWorkflowExecutionFailed": not_started,
    "ChildWorkflowExecutionStarted": started,
    "ChildWorkflowExecutionCompleted": completed,
    "ChildWorkflowExecutionFailed": failed,
    "ChildWorkflowExecutionCanceled": canceled,
    "ChildWorkflowExecutionTerminated": terminated,
    "ChildWorkflowExecutionTimedOut": timed_out,
}
DECISIONS: Final = {"StartChildWorkflowExecutionInitiated": initiated}
