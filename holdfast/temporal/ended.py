"""Executions of a namespace that have ended, one by one.

Owns: the port `holdfast.ports.captures.EndedRuns` over Temporal: how they are listed, and each is found again.
Must not know: what is made of them.

The run id alone names the newest execution of a run; here each is meant, so its place is Temporal's own id of it, and
the run's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from holdfast.errors import RunNotFoundError
from holdfast.history import History
from holdfast.history.temporal import from_temporal
from holdfast.ports.captures import EndedFilter, EndedRun
from holdfast.ports.operations import RunRecord
from holdfast.temporal.encryption import codec_of, service_of
from holdfast.temporal.failures import unavailable
from holdfast.temporal.records import ended_search, listed, record_of
from holdfast.temporal.waiting import Ends

_UNKNOWN: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT})


class TemporalEnded:
    """Those of a namespace. Implements `holdfast.ports.captures.EndedRuns`."""

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client = client
        self._service = service_of(client)
        self._ends = Ends(client)

    async def page(self, where: EndedFilter, cursor: str | None, limit: int) -> tuple[list[EndedRun], str | None]:
        """Return some of them. See `EndedRuns.page`; the list follows a little later."""
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            query=ended_search(where),
            page_size=limit,
            next_page_token=base64.urlsafe_b64decode(cursor) if cursor else b"",
        )
        try:
            page = await self._service.list_workflow_executions(request)
        except RPCError as error:
            raise unavailable(error) from error
        following = base64.urlsafe_b64encode(page.next_page_token).decode() if page.next_page_token else None
        found = [(each, listed(each)) for each in page.executions]
        wanted = [
            EndedRun(record, place_of(each.execution)) for each, record in found if record.status in where.statuses
        ]
        return wanted, following

    async def read(self, place: str, wait_seconds: float = 0.0) -> tuple[RunRecord, History]:
        """Return one of them. See `EndedRuns.read`."""
        run, _, run_id = place.partition("/")
        execution = WorkflowExecution(workflow_id=run_id, run_id=run)
        if wait_seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._ends.wait(execution)
        record = await self._described(execution)
        handle = self._client.get_workflow_handle(run_id, run_id=run)
        try:
            written = (await handle.fetch_history()).to_json()
        except RPCError as error:
            raise _refused(run_id, error) from error
        read = from_temporal(written.encode(), codec_of(self._client))
        assert read is not None, "what the SDK writes is read"
        return record, read

    async def _described(self, execution: WorkflowExecution) -> RunRecord:
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        try:
            info: WorkflowExecutionInfo = (
                await self._service.describe_workflow_execution(request)
            ).workflow_execution_info
            event = await self._ends.event(execution)
            return record_of(info, await self._ends.outcome(execution, event) if event is not None else None)
        except RPCError as error:
            raise _refused(execution.workflow_id, error) from error


def place_of(execution: WorkflowExecution) -> str:
    """Return what an execution is found by."""
    return f"{execution.run_id}/{execution.workflow_id}"


def _refused(run_id: str, error: RPCError) -> Exception:
    return RunNotFoundError(run_id) if error.status in _UNKNOWN else unavailable(error)
