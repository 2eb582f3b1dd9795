"""How a run begins and ends, and what reaches it from outside.

Owns: what is written of that.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import (
    CancelRequested,
    RunParked,
    RunResumed,
    SignalReceived,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
    WorkflowStarted,
)
from holdfast.history.temporal.failures import write_failure
from holdfast.history.temporal.notes import RESUME, RunNote, execution_name, write_note
from holdfast.history.temporal.payloads import write_arguments, write_payload, write_result
from holdfast.history.temporal.search import write_attributes
from holdfast.history.temporal.writing.sheet import (
    IDENTITY,
    NAMESPACE,
    TASK_TIMEOUT,
    Sheet,
    Writes,
    execution_id,
    inside,
    seconds,
)


def start(sheet: Sheet, event: WorkflowStarted) -> None:
    """Write how the run begins."""
    run = execution_id(event.execution)
    more: dict[str, Any] = {}
    if sheet.for_sdk:
        if event.attributes:
            more["searchAttributes"] = write_attributes(event.attributes)
    else:
        more = _start_of_ours(sheet, event)
    sheet.add(
        "WorkflowExecutionStarted",
        event.time,
        workflowType={"name": event.workflow},
        taskQueue=sheet.queue(),
        input=write_arguments(inside(event.input)),
        workflowTaskTimeout=TASK_TIMEOUT,
        originalExecutionRunId=run,
        identity=IDENTITY,
        attempt=1,
        workflowId=event.run_id,
        **{
            "workflowExecutionTimeout": "0s",
            "workflowRunTimeout": "0s",
            "firstExecutionRunId": run,
            **more,
        },
    )


def _start_of_ours(sheet: Sheet, event: WorkflowStarted) -> dict[str, Any]:
    number = number_of(event)
    sheet.note = RunNote(
        number=number,
        digest=blake2b(inside(event.input), digest_size=16).hexdigest(),
        code_version=event.code_version,
        seed=event.seed,
        attributes=dict(event.attributes),
        callbacks=sheet.urls,
    )
    more: dict[str, Any] = {
        "memo": {"fields": {**_texts(event), **write_note(sheet.note)}},
        "firstExecutionRunId": execution_id(event.run_id),
        "workflowExecutionTimeout": seconds(max(0.0, event.deadline - event.time) if event.deadline else 0.0),
        "workflowRunTimeout": seconds(event.execution_timeout),
    }
    if event.parent:
        more["parentWorkflowNamespace"] = NAMESPACE
        more["parentWorkflowExecution"] = {"workflowId": event.parent, "runId": execution_id(event.parent)}
    if event.continued:
        more["continuedExecutionRunId"] = execution_id(event.continued)
        more["initiator"] = "CONTINUE_AS_NEW_INITIATOR_WORKFLOW"
    return more


def _texts(event: WorkflowStarted) -> dict[str, Any]:
    return {name: write_payload(msgspec.json.encode(text)) for name, text in event.memo.items()}


def number_of(event: WorkflowStarted) -> int:
    """Return which execution of its run one is, from 1."""
    number = event.execution.removeprefix(f"{event.run_id}@")
    return int(number) if number != event.execution and number.isdigit() else 1


def signal(sheet: Sheet, event: SignalReceived) -> None:
    """Write a signal."""
    sheet.add(
        "WorkflowExecutionSignaled",
        event.time,
        signalName=event.name,
        input=write_arguments(inside(event.input)),
        identity=event.sender,
    )


def cancel(sheet: Sheet, event: CancelRequested) -> None:
    """Write that somebody asks the run to stop."""
    sheet.add("WorkflowExecutionCancelRequested", event.time, cause=event.reason, identity=IDENTITY)


def complete(sheet: Sheet, event: WorkflowCompleted) -> None:
    """Write the run's result."""
    sheet.decide("WorkflowExecutionCompleted", result=write_result(inside(event.result)))


def fail(sheet: Sheet, event: WorkflowFailed) -> None:
    """Write that the run has failed."""
    sheet.decide(
        "WorkflowExecutionFailed",
        failure=write_failure(event.failure),
        retryState="RETRY_STATE_RETRY_POLICY_NOT_SET",
    )


def be_cancelled(sheet: Sheet, _: WorkflowCancelled) -> None:
    """Write that the run was cancelled."""
    sheet.decide("WorkflowExecutionCanceled")


def go_on(sheet: Sheet, event: WorkflowContinued) -> None:
    """Write that the run goes on as a new execution."""
    begun = sheet.begun
    text = inside(event.input)
    number = number_of(begun) + 1
    note = msgspec.structs.replace(sheet.note, number=number, seed=0)
    sheet.decide(
        "WorkflowExecutionContinuedAsNew",
        newExecutionRunId=execution_id(execution_name(begun.run_id, number)),
        workflowType={"name": begun.workflow},
        taskQueue=sheet.queue(),
        input=write_arguments(text),
        workflowRunTimeout="0s",
        workflowTaskTimeout=TASK_TIMEOUT,
        memo={"fields": {**_texts(begun), **write_note(note)}},
    )


def park(sheet: Sheet, event: RunParked) -> None:
    """Write that the code cannot go on until somebody has looked."""
    sheet.parked.append(event.step)
    _say(sheet, event.reason or "its code wants somebody to look")


def resume(sheet: Sheet, event: RunResumed) -> None:
    """Write that somebody lets the run go on; Temporal is told so once for all that has parked it."""
    if event.step not in sheet.parked:
        return
    if len(sheet.parked) > 1:
        raise HistoryError("a run that has parked itself twice at a time cannot be written for Temporal")
    sheet.parked.clear()
    sheet.add("WorkflowExecutionSignaled", event.time, signalName=RESUME, input={}, identity=IDENTITY)
    sheet.first.append(partial(_say, sheet, ""))


def _say(sheet: Sheet, parked: str) -> None:
    sheet.note = msgspec.structs.replace(sheet.note, parked=parked)
    sheet.decide("WorkflowPropertiesModified", upsertedMemo={"fields": write_note(sheet.note)})


INPUTS: Final[Writes] = {WorkflowStarted: start, SignalReceived: signal, CancelRequested: cancel, RunResumed: resume}
DECISIONS: Final[Writes] = {
    WorkflowCompleted: complete,
    WorkflowFailed: fail,
    WorkflowCancelled: be_cancelled,
    WorkflowContinued: go_on,
    RunParked: park,
}
OURS_ONLY: Final = (RunParked, RunResumed, WorkflowContinued)
"""What code that is written with Temporal's SDK has other words for."""
