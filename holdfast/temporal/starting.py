"""Starts: what a run begins with on Temporal, and what a taken id means.

Owns: the request, and the decision what a policy makes of a run that exists.
Must not know: how requests travel.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from temporalio.api.common.v1 import Header, Memo, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.service import RPCError

from holdfast.errors import NotOnEngineError, RunConflictError
from holdfast.history.temporal import QUEUE, Past, pinned_queue_of
from holdfast.ports.engine import StartRequest
from holdfast.ports.operations import (
    ALLOW_DUPLICATE,
    ALLOW_DUPLICATE_FAILED_ONLY,
    COMPLETED,
    SAME_INPUT,
    TERMINAL,
    TERMINATE_EXISTING,
    USE_EXISTING,
    IdPolicy,
    RunRecord,
    StartSignal,
)
from holdfast.temporal.attributes import write_attributes
from holdfast.temporal.own import Note, digest_of, write_memo, write_past, write_told
from holdfast.temporal.payloads import write_payloads
from holdfast.temporal.runtime import ENGINE


@dataclass(frozen=True, slots=True)
class Existing:
    """A run that has the id."""

    record: RunRecord
    note: Note
    run: str
    """Temporal's run id."""


@dataclass(frozen=True, slots=True)
class Begin:
    """An execution is to be started, under Temporal's policies."""

    number: int
    reuse: WorkflowIdReusePolicy.ValueType
    conflict: WorkflowIdConflictPolicy.ValueType
    before: str = ""
    """Temporal's run id of the execution before."""


FIRST: Final = Begin(
    1,
    WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
    WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
)
"""There is no run with this id."""


def decide_start(request: StartRequest, policy: IdPolicy, existing: Existing) -> Begin | RunRecord:
    """Return how to begin although there is a run with this id, or that run when it is the one that is meant.

    Raises:
        RunConflictError: the policy refuses the run that has this id.
    """
    record, note = existing.record, existing.note
    if policy.only and record.workflow not in policy.only:
        raise RunConflictError(request.run_id, "workflow")
    chosen = policy.reuse if record.status in TERMINAL else policy.conflict
    following = note.number + 1
    match chosen:
        case each if each == SAME_INPUT or (each == ALLOW_DUPLICATE_FAILED_ONLY and record.status == COMPLETED):
            if record.workflow != request.workflow:
                raise RunConflictError(request.run_id, "workflow")
            if note.digest != digest_of(request.input):
                raise RunConflictError(request.run_id, "input")
            return record
        case each if each == USE_EXISTING:
            return record
        case each if each == TERMINATE_EXISTING:
            return Begin(
                following,
                WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
                WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
                existing.run,
            )
        case each if each in {ALLOW_DUPLICATE, ALLOW_DUPLICATE_FAILED_ONLY}:
            return Begin(
                following,
                WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
                WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
                existing.run,
            )
        case _:
            raise RunConflictError(request.run_id, record.status)


def write_start(
    request: StartRequest, begin: Begin, namespace: str, identity: str, past: Past | None = None
) -> StartWorkflowExecutionRequest:
    """Return the request for an execution, which may begin with a past.

    Raises:
        NotOnEngineError: it begins with something that Temporal does not have.
    """
    if request.notify:
        raise NotOnEngineError("notice of a run's end (notify)", ENGINE)
    written = StartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=request.run_id,
        workflow_type=WorkflowType(name=request.workflow),
        task_queue=TaskQueue(name=pinned_queue_of(request.workflow, request.pin) if request.pin else QUEUE),
        input=write_payloads(request.input),
        identity=identity,
        request_id=uuid4().hex,
        workflow_id_reuse_policy=begin.reuse,
        workflow_id_conflict_policy=begin.conflict,
        memo=Memo(
            fields=write_memo(
                request.memo,
                Note(
                    begin.number,
                    digest_of(request.input),
                    request.code_version,
                    begin.before,
                    attributes=request.attributes,
                    forked_from=past.started.forked_from if past is not None else "",
                ),
            )
        ),
    )
    if past is not None:
        written.header.CopyFrom(Header(fields=write_past(past)))
    if request.attributes:
        written.search_attributes.CopyFrom(write_attributes(request.attributes))
    if request.timeout:
        written.workflow_execution_timeout.FromTimedelta(timedelta(seconds=request.timeout))
    if request.execution_timeout:
        written.workflow_run_timeout.FromTimedelta(timedelta(seconds=request.execution_timeout))
    delay = max(request.delay, request.start_at - time.time() if request.start_at else 0.0)
    if delay > 0:
        written.workflow_start_delay.FromTimedelta(timedelta(seconds=delay))
    return written


def with_signal(start: StartWorkflowExecutionRequest, signal: StartSignal) -> SignalWithStartWorkflowExecutionRequest:
    """Return the request for an execution that is signalled at once, or for a signal to the one that is open."""
    written = SignalWithStartWorkflowExecutionRequest(
        namespace=start.namespace,
        workflow_id=start.workflow_id,
        workflow_type=start.workflow_type,
        task_queue=start.task_queue,
        input=start.input,
        identity=start.identity,
        request_id=signal.operation_id,
        workflow_id_reuse_policy=start.workflow_id_reuse_policy,
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        memo=start.memo,
        signal_name=signal.name,
        signal_input=write_payloads(signal.body),
        header=Header(fields=write_told(signal.operation_id)),
    )
    for name in ("search_attributes", "workflow_execution_timeout", "workflow_run_timeout", "workflow_start_delay"):
        if start.HasField(name):
            getattr(written, name).CopyFrom(getattr(start, name))
    return written


def request_behind(error: RPCError) -> str:
    """Return the id of the request that started the run which is in the way of another start; empty if it is not said.

    Whoever sends a start again, because its answer was lost, finds its own.
    """
    failure = WorkflowExecutionAlreadyStartedFailure()
    found = error.grpc_status.details[0].Unpack(failure) if error.grpc_status.details else False
    return failure.start_request_id if found else ""
