"""Whether a run's code fits its history, as far as Temporal says.

Owns: how a run is found that its code does not fit, and what is said of it.
Must not know: how it is described, workers.

Temporal tries the code of such a run again until it fits, later and later. That is all that is meant by parked here: it
does not move, nothing of it is lost, and it goes on by itself.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from holdfast.errors import DivergenceError
from holdfast.ports.operations import PARKED, RUNNING, RunRecord
from holdfast.temporal.encryption import service_of
from holdfast.temporal.failures import unavailable

LOOKED_AT: Final = 50
"""How many of a run's last events are looked at: messages may have come since its code was tried first."""
REASON_CHARS_MAX: Final = 500


async def with_fit(client: Client, record: RunRecord, described: DescribeWorkflowExecutionResponse) -> RunRecord:
    """Return a run as parked where its code does not fit its history, as it is otherwise. Raises StoreError."""
    failing = described.HasField("pending_workflow_task") and described.pending_workflow_task.attempt > 1
    if record.status != RUNNING or not failing:
        return record
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=described.workflow_execution_info.execution,
        maximum_page_size=LOOKED_AT,
    )
    try:
        events = (await service_of(client).get_workflow_execution_history_reverse(request)).history.events
    except RPCError as error:
        raise unavailable(error) from error
    for each in events:
        if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            break
        if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = each.workflow_task_failed_event_attributes
            kind = failed.failure.application_failure_info.type  # ours is about the past of a fork
            if (
                failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
                or kind == DivergenceError.__name__
            ):
                return replace(record, status=PARKED, parked=f"DIVERGED {failed.failure.message[:REASON_CHARS_MAX]}")
            break
    return record
