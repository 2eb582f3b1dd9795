"""Child workflows, as Temporal's.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.

A child that is to stop before it has begun is asked to when it has.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import Any, Final

from holdfast.history.events import (
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildScheduled,
    ChildStarted,
)
from holdfast.history.temporal.failures import write_failure
from holdfast.history.temporal.notes import RunNote, write_note
from holdfast.history.temporal.payloads import write_arguments, write_result
from holdfast.history.temporal.writing.sheet import (
    NAMESPACE,
    TASK_TIMEOUT,
    ChildWritten,
    Sheet,
    Writes,
    execution_id,
    inside,
)

CLOSING: Final = {"terminate": "TERMINATE", "cancel": "REQUEST_CANCEL", "abandon": "ABANDON"}
"""Temporal's word for what becomes of a child when its parent ends."""
_ENDS: Final = {"CANCELLED": "Canceled", "TERMINATED": "Terminated", "TIMED_OUT": "TimedOut"}
"""Temporal's word for each end that needs no failure; all else is one."""


def initiate(sheet: Sheet, event: ChildScheduled) -> None:
    """Write that the code starts a child."""
    text = inside(event.input)
    note = RunNote(digest=blake2b(text, digest_size=16).hexdigest())
    number = sheet.decide(
        "StartChildWorkflowExecutionInitiated",
        namespace=NAMESPACE,
        workflowId=event.run_id,
        workflowType={"name": event.workflow},
        taskQueue=sheet.queue(),
        input=write_arguments(text),
        workflowRunTimeout="0s",
        workflowTaskTimeout=TASK_TIMEOUT,
        parentClosePolicy=f"PARENT_CLOSE_POLICY_{CLOSING[event.parent_close]}",
        workflowIdReusePolicy="WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        memo={"fields": write_note(note)},
    )
    sheet.children[event.step] = ChildWritten(event.workflow, event.run_id, number)


def start(sheet: Sheet, event: ChildStarted) -> None:
    """Write that a child's run exists."""
    begin(sheet, event.step, event.time)


def begin(sheet: Sheet, step: str, time: float) -> None:
    """Write that a child's run exists, unless that is written."""
    child = sheet.children.get(step)
    if child is None or child.started:
        return
    child.started = sheet.add(
        "ChildWorkflowExecutionStarted", time, **_of(child), initiatedEventId=str(child.initiated)
    )
    if child.is_unwanted:
        sheet.first.append(partial(_stop, sheet, child))


def complete(sheet: Sheet, event: ChildCompleted) -> None:
    """Write a child's result."""
    _end(sheet, event.step, event.time, "Completed", result=write_result(inside(event.result)))


def fail(sheet: Sheet, event: ChildFailed) -> None:
    """Write how a child has ended without a result, or that it could not begin."""
    if event.status != "NOT_STARTED":
        kind = _ENDS.get(event.status, "Failed")
        more = {"failure": write_failure(event.failure)} if kind == "Failed" else {}
        _end(sheet, event.step, event.time, kind, **more)
        return
    child = sheet.children.pop(event.step)
    sheet.add(
        "StartChildWorkflowExecutionFailed",
        event.time,
        namespace=NAMESPACE,
        workflowId=child.run_id,
        workflowType={"name": child.workflow},
        cause="START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS",
        initiatedEventId=str(child.initiated),
    )


def request_cancel(sheet: Sheet, event: ChildCancelRequested) -> None:
    """Write that the code asks a child to stop."""
    child = sheet.children.get(event.step)
    if child is None:
        return
    if child.started:
        _stop(sheet, child)
    else:
        child.is_unwanted = True


def _stop(sheet: Sheet, child: ChildWritten) -> None:
    asked = sheet.decide(
        "RequestCancelExternalWorkflowExecutionInitiated",
        namespace=NAMESPACE,
        workflowExecution=_execution(child),
        childWorkflowOnly=True,
    )

    def arrive() -> None:
        sheet.add(
            "ExternalWorkflowExecutionCancelRequested",
            sheet.time,
            initiatedEventId=str(asked),
            namespace=NAMESPACE,
            workflowExecution=_execution(child),
        )

    sheet.later.append(arrive)


def _end(sheet: Sheet, step: str, time: float, kind: str, **more: Any) -> None:
    child = sheet.children.get(step)
    if child is None:
        return
    begin(sheet, step, time)
    del sheet.children[step]
    sheet.add(
        f"ChildWorkflowExecution{kind}",
        time,
        **_of(child),
        initiatedEventId=str(child.initiated),
        startedEventId=str(child.started),
        **more,
    )


def _of(child: ChildWritten) -> dict[str, Any]:
    return {
        "namespace": NAMESPACE,
        "workflowExecution": _execution(child),
        "workflowType": {"name": child.workflow},
    }


def _execution(child: ChildWritten) -> dict[str, str]:
    return {"workflowId": child.run_id, "runId": execution_id(child.run_id)}


INPUTS: Final[Writes] = {ChildStarted: start, ChildCompleted: complete, ChildFailed: fail}
DECISIONS: Final[Writes] = {ChildScheduled: initiate, ChildCancelRequested: request_cancel}
