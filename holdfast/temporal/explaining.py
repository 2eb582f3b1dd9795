"""Why a run on Temporal does not move, as far as Temporal says.

Owns: what each thing that is under way is called.
Must not know: how a run is described.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from holdfast.history.temporal import PINNED
from holdfast.ports.engine import Cause, Explanation
from holdfast.ports.operations import TERMINAL, RunRecord
from holdfast.temporal.locks import LOCK, UNLOCK
from holdfast.temporal.mapping import PREFIX


def explain_run(record: RunRecord, described: DescribeWorkflowExecutionResponse) -> Explanation:
    """Return what there is to say about a run that Temporal describes."""
    return Explanation(record.run_id, record.execution, record.status, tuple(_causes(described, record)))


def _causes(described: DescribeWorkflowExecutionResponse, record: RunRecord) -> Iterator[Cause]:
    if record.status in TERMINAL:
        yield Cause("ended", f"it has ended: {record.status}")
    if record.parked:
        yield Cause("parked", f"parked: {record.parked}")
    yield from map(_under_way, described.pending_activities)
    for child in described.pending_children:
        yield Cause("child", f"child {child.workflow_id} is under way", run=child.workflow_id)
    queue = described.workflow_execution_info.task_queue
    task = described.pending_workflow_task if described.HasField("pending_workflow_task") else None
    if queue.startswith(PINNED) and task is not None and not task.HasField("started_time"):
        workflow, _, version = queue.removeprefix(PINNED).rpartition("@")
        text = f"it is pinned to version {version!r} of {workflow}, and no process with it has taken what came"
        remedy = f"start an orchestrator with the code of version {version!r}"
        yield Cause("no-code", text, remedy=remedy)
    if task is not None and task.attempt > 1:
        text = f"its code fails, attempt {task.attempt}: see the worker's log"
        yield Cause("no-code", text)


def _under_way(activity: PendingActivityInfo) -> Cause:
    step, kind = activity.activity_id, activity.activity_type.name
    since = activity.scheduled_time.ToDatetime(UTC).timestamp()
    if kind == LOCK:
        return Cause("lock", f"it waits in the line of {step}", step, since, remedy="holdfast locks list")
    if kind == UNLOCK:
        return Cause("lock", f"it gives {step.rpartition('/')[0]} back", step, since)
    if kind.startswith(PREFIX):
        step, _, chunk = step.rpartition("/")
        return Cause("fan-out", f"chunk {chunk} of {step} is under way{_failure(activity)}", step, since)
    text = f"task {step} is under way, attempt {activity.attempt} of {activity.maximum_attempts}{_failure(activity)}"
    return Cause("running" if activity.attempt < 2 else "retry", text, step, since)


def _failure(activity: PendingActivityInfo) -> str:
    return f"; the one before: {activity.last_failure.message}" if activity.HasField("last_failure") else ""
