"""How executions on Temporal end.

Owns: the words for a status, and the outcome that a closing event is.
Must not know: how the event was fetched.
"""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent

from holdfast.history import Failure
from holdfast.ports.engine import TIME_IS_UP, Outcome
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    PAUSED,
    RUNNING,
    TERMINATED,
    TIMED_OUT,
)
from holdfast.temporal.failures import read_failure
from holdfast.temporal.payloads import NULL, read_payload

STATUSES: Final[dict[int, str]] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: CANCELLED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: TERMINATED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: CONTINUED_AS_NEW,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: TIMED_OUT,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: PAUSED,
}
"""Our word for each of Temporal's statuses."""

SEARCHED: Final = {
    RUNNING: "Running",
    COMPLETED: "Completed",
    FAILED: "Failed",
    CANCELLED: "Canceled",
    TERMINATED: "Terminated",
    TIMED_OUT: "TimedOut",
    CONTINUED_AS_NEW: "ContinuedAsNew",
}
"""How each status is written in a search."""


def outcome_of(event: HistoryEvent) -> Outcome:
    """Return how an execution has ended whose last event is `event`.

    Raises:
        InputError: its result is no JSON.
    """
    match event.WhichOneof("attributes"):
        case "workflow_execution_completed_event_attributes":
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            return Outcome(COMPLETED, read_payload(payloads[0]) if payloads else NULL)
        case "workflow_execution_failed_event_attributes":
            return Outcome(FAILED, failure=read_failure(event.workflow_execution_failed_event_attributes.failure))
        case "workflow_execution_canceled_event_attributes":
            return Outcome(CANCELLED)
        case "workflow_execution_terminated_event_attributes":
            return Outcome(TERMINATED, reason=event.workflow_execution_terminated_event_attributes.reason)
        case "workflow_execution_timed_out_event_attributes":
            return Outcome(TIMED_OUT, reason=TIME_IS_UP)
        case kind:
            return Outcome(FAILED, failure=Failure("HistoryError", f"the execution ended with {kind}"))


def next_run_of(event: HistoryEvent) -> str:
    """Return Temporal's run id of the execution that has followed, empty for none."""
    return event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
