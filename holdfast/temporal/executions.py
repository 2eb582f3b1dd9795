"""The executions of a namespace as Temporal has them: found, described, listed, and their histories.

Owns: the requests that read executions, and which errors of ours their refusals are.
Must not know: what is done to an execution, what callers make of it.

A run is a workflow id; its executions are chained, as each notes the one before it in its memo.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from holdfast.errors import RunNotFoundError
from holdfast.history import History
from holdfast.history.temporal import from_temporal
from holdfast.temporal.attributes import is_missing
from holdfast.temporal.encryption import codec_of, open_message, sealing_of, service_of
from holdfast.temporal.failures import unavailable
from holdfast.temporal.own import read_note

_UNKNOWN: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT})


class Executions:
    """Those of a namespace."""

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client = client
        self._service = service_of(client)

    async def described(self, run_id: str) -> DescribeWorkflowExecutionResponse:
        """Return a run's newest execution, or the one that is named `ord-1@2`. Raises RunNotFoundError, StoreError."""
        try:
            return await self.describe(WorkflowExecution(workflow_id=run_id))
        except RunNotFoundError:
            named = await self.find(run_id)
            if named is None:
                raise
            return await self.describe(named)

    async def describe(self, execution: WorkflowExecution) -> DescribeWorkflowExecutionResponse:
        """Return an execution. Raises RunNotFoundError, StoreError."""
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        try:
            return await self._service.describe_workflow_execution(request)
        except RPCError as error:
            raise _refused(execution, error) from error

    async def back_from(self, execution: WorkflowExecution) -> AsyncIterator[WorkflowExecutionInfo]:
        """Yield an execution, the one before it, and so on to the first. Raises RunNotFoundError, StoreError."""
        while True:
            info = (await self.describe(execution)).workflow_execution_info
            yield info
            before = read_note(info.memo.fields).before
            if not before:
                return
            execution = WorkflowExecution(workflow_id=execution.workflow_id, run_id=before)

    async def find(self, name: str) -> WorkflowExecution | None:
        """Return the execution that is called `ord-1@2` here; None where there is none. Raises StoreError."""
        run_id, _, number = name.rpartition("@")
        if not run_id or not number.isdecimal():
            return None
        try:
            async for info in self.back_from(WorkflowExecution(workflow_id=run_id)):
                if read_note(info.memo.fields).number == int(number):
                    return info.execution
        except RunNotFoundError:
            pass
        return None

    async def page(self, query: str, cursor: str | None, limit: int) -> tuple[list[WorkflowExecutionInfo], str | None]:
        """Return some of those that a search finds, newest first, and where to go on. Raises StoreError."""
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            query=query,
            page_size=limit,
            next_page_token=base64.urlsafe_b64decode(cursor) if cursor else b"",
        )
        try:
            page = await self._service.list_workflow_executions(request)
        except RPCError as error:
            if is_missing(error):  # so no run has any
                return [], None
            raise unavailable(error) from error
        following = base64.urlsafe_b64encode(page.next_page_token).decode() if page.next_page_token else None
        return list(page.executions), following

    async def count(self, query: str) -> int:
        """Return how many a search finds. Raises StoreError."""
        request = CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=query)
        try:
            return (await self._service.count_workflow_executions(request)).count
        except RPCError as error:
            if is_missing(error):
                return 0
            raise unavailable(error) from error

    async def events(self, execution: WorkflowExecution) -> AsyncIterator[HistoryEvent]:
        """Yield Temporal's events of an execution, as far as they can be decrypted. Raises RPCError."""
        handle = self._client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
        sealing = sealing_of(self._client)
        async for each in handle.fetch_history_events():
            yield open_message(each, sealing)

    async def history(self, execution: WorkflowExecution) -> History:
        """Return an execution's history as ours, with where its drains end.

        Raises:
            RunNotFoundError: there is none.
            HistoryError: Holdfast has no words for something in it.
            EncryptionError: it is encrypted with a key that is not known.
            StoreError: the cluster does not answer.
        """
        handle = self._client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
        try:
            written = (await handle.fetch_history()).to_json()
        except RPCError as error:
            raise _refused(execution, error) from error
        read = from_temporal(written.encode(), codec_of(self._client))
        assert read is not None, "what the SDK writes is read"
        return read


def _refused(execution: WorkflowExecution, error: RPCError) -> Exception:
    return RunNotFoundError(execution.workflow_id) if error.status in _UNKNOWN else unavailable(error)
