"""Messages to other runs in Temporal's histories: signals and cancellations.

Owns: what is read from their events.
Must not know: drains, other kinds of events.
"""

from __future__ import annotations

from typing import Final

from holdfast.history.events import ChildCancelRequested, MessageDelivered, MessageSent
from holdfast.history.failures import Failure
from holdfast.history.temporal import children
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record

REASONLESS: Final = "Cancel requested by workflow"
"""How a reason begins that Temporal's SDK has made up, because nobody gave one."""
_SIGNALS: Final = "SignalExternalWorkflowExecutionInitiated"
_CANCELS: Final = "RequestCancelExternalWorkflowExecutionInitiated"


def signal_initiated(course: Course, record: Record) -> MessageSent:
    """Read that the code sends a signal."""
    members = record.members
    name = members.needed_text("signalName")
    step = course.begin(f"signal({name})", "", record)
    payload = read_arguments(members.get("input"), record.where)
    return MessageSent(record.time, 0, 0, step, _addressee(record), "signal", name, payload)


def cancel_initiated(course: Course, record: Record) -> MessageSent | ChildCancelRequested:
    """Read that the code asks another run to stop, or a child of its own."""
    run_id = _addressee(record)
    if record.members.get("childWorkflowOnly") and run_id in course.children:
        return children.cancel_requested(course, record, run_id)
    step = course.begin("cancel", "", record)
    reason = record.members.text("reason")
    given = b"" if reason.startswith(REASONLESS) else reason.encode()
    return MessageSent(record.time, 0, 0, step, run_id, "cancel", "", given)


def delivered(course: Course, record: Record) -> MessageDelivered | None:
    """Read that a message is there."""
    if not _is_message(course, record):
        return None
    step = course.ended(record, "initiatedEventId", _SIGNALS, _CANCELS)
    return None if step is None else MessageDelivered(record.time, 0, step)


def signal_failed(course: Course, record: Record) -> MessageDelivered | None:
    """Read that a signal cannot be delivered."""
    cause = record.members.word("cause", "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE")
    words = {"SignalCountLimitExceeded": "The per-workflow signal limit was exceeded"}
    return _refused(
        course, record, f"Unable to signal external workflow because {words.get(cause, 'it was not found')}"
    )


def cancel_failed(course: Course, record: Record) -> MessageDelivered | None:
    """Read that a cancellation cannot be delivered; that of a child came too late."""
    if not _is_message(course, record):
        return None
    return _refused(course, record, "Unable to cancel external workflow because not found")


def _refused(course: Course, record: Record, text: str) -> MessageDelivered | None:
    step = course.ended(record, "initiatedEventId", _SIGNALS, _CANCELS)
    return (
        None if step is None else MessageDelivered(record.time, 0, step, Failure("RunNotFoundError", text, "", False))
    )


def _is_message(course: Course, record: Record) -> bool:
    """Say whether what is delivered was one, and not a child's cancellation, which nobody waits for."""
    return course.is_step(course.begun(record, "initiatedEventId", _SIGNALS, _CANCELS))


def _addressee(record: Record) -> str:
    return record.members.inner("workflowExecution").needed_text("workflowId")


INPUTS: Final = {
    "ExternalWorkflowExecutionSignaled": delivered,
    "ExternalWorkflowExecutionCancelRequested": delivered,
    "SignalExternalWorkflowExecutionFailed": signal_failed,
    "RequestCancelExternalWorkflowExecutionFailed": cancel_failed,
}
DECISIONS: Final = {
    "SignalExternalWorkflowExecutionInitiated": signal_initiated,
    "RequestCancelExternalWorkflowExecutionInitiated": cancel_initiated,
}
