"""Messages to other runs, as Temporal's signals and cancellations.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from typing import Final

from holdfast.history.events import MessageDelivered, MessageSent
from holdfast.history.temporal.payloads import write_arguments
from holdfast.history.temporal.writing.sheet import NAMESPACE, Sheet, Writes, inside

_SIGNAL: Final = "signal"
_NOT_FOUND: Final = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"


def send(sheet: Sheet, event: MessageSent) -> None:
    """Write that the code sends a message."""
    to = {"namespace": NAMESPACE, "workflowExecution": {"workflowId": event.run_id}}
    if event.kind == _SIGNAL:
        number = sheet.decide(
            "SignalExternalWorkflowExecutionInitiated",
            **to,
            signalName=event.name,
            input=write_arguments(inside(event.input)),
        )
    else:
        reason = inside(event.input).decode()
        number = sheet.decide("RequestCancelExternalWorkflowExecutionInitiated", **to, reason=reason)
    sheet.sent[event.step] = event.kind, number, event.run_id


def deliver(sheet: Sheet, event: MessageDelivered) -> None:
    """Write that a message is there, or cannot be delivered."""
    arrive(sheet, event.step, event.time, is_refused=event.failure is not None)


def arrive(sheet: Sheet, step: str, time: float, *, is_refused: bool = False) -> None:
    """Write what became of a message, unless that is written."""
    kind, number, run_id = sheet.sent.pop(step, ("", 0, ""))
    if not number:
        return
    said = {
        "initiatedEventId": str(number),
        "namespace": NAMESPACE,
        "workflowExecution": {"workflowId": run_id},
    }
    if kind == _SIGNAL and is_refused:
        cause = f"SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_{_NOT_FOUND}"
        sheet.add("SignalExternalWorkflowExecutionFailed", time, **said, cause=cause)
    elif kind == _SIGNAL:
        sheet.add("ExternalWorkflowExecutionSignaled", time, **said)
    elif is_refused:
        cause = f"CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_{_NOT_FOUND}"
        sheet.add("RequestCancelExternalWorkflowExecutionFailed", time, **said, cause=cause)
    else:
        sheet.add("ExternalWorkflowExecutionCancelRequested", time, **said)


INPUTS: Final[Writes] = {MessageDelivered: deliver}
DECISIONS: Final[Writes] = {MessageSent: send}
