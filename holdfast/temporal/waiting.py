"""Waiting for the end of an execution on Temporal.

Owns: which event ended it, the execution as which its run went on, and the reason of a cancellation.
Must not know: what an outcome is to whoever waits, how runs are called.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from holdfast.errors import RunNotFoundError
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import CANCELLED
from holdfast.temporal.encryption import service_of
from holdfast.temporal.ends import next_run_of, outcome_of
from holdfast.temporal.failures import unavailable

AGAIN_SECONDS: Final = 0.25
"""How long to wait before a cluster is asked again that did not answer."""
LONG_POLL: Final = timedelta(seconds=30)
"""How long the server may let us wait for a run's end before we ask again."""
_AWAY: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.UNAVAILABLE})
_UNKNOWN: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT})


class Ends:
    """The ends of a namespace's executions."""

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client = client
        self._service = service_of(client)

    async def wait(self, execution: WorkflowExecution) -> Outcome:
        """Wait until an execution has ended, or the last of those as which it has gone on.

        One that is named by its workflow id alone is the newest when the question arrives: the answer says where to
        go on, so that a wait takes one request and keeps to the execution that it has begun with.

        Raises:
            RunNotFoundError: there is no such execution.
            StoreError: the cluster refuses.
        """
        place = b""
        while True:
            try:
                event, place = await self._ask(execution, wait=True, place=place)
            except RPCError as error:
                if error.status not in _AWAY:
                    raise _refused(execution, error) from error
                await asyncio.sleep(AGAIN_SECONDS)
                if not execution.run_id and not place:
                    execution = await self._newest(execution)
                continue
            if event is None:
                continue
            following = next_run_of(event)
            if not following:
                return await self.outcome(execution, event)
            execution, place = WorkflowExecution(workflow_id=execution.workflow_id, run_id=following), b""

    async def event(self, execution: WorkflowExecution) -> HistoryEvent | None:
        """Return the event that ended an execution; None while there is none. Raises RunNotFoundError, StoreError."""
        try:
            return (await self._ask(execution))[0]
        except RPCError as error:
            raise _refused(execution, error) from error

    async def outcome(self, execution: WorkflowExecution, event: HistoryEvent) -> Outcome:
        """Return how an execution has ended whose last event is `event`.

        Raises:
            RunNotFoundError: there is no such execution.
            InputError: its result is nothing that Holdfast writes.
            StoreError: the cluster refuses.
        """
        outcome = outcome_of(event)
        if outcome.status != CANCELLED:
            return outcome
        request = GetWorkflowExecutionHistoryReverseRequest(namespace=self._client.namespace, execution=execution)
        try:
            page = await self._service.get_workflow_execution_history_reverse(request)
        except RPCError as error:
            raise _refused(execution, error) from error
        for each in page.history.events:
            if each.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                reason = each.workflow_execution_cancel_requested_event_attributes.cause
                return Outcome(CANCELLED, reason=reason)
        return outcome

    async def _ask(
        self, execution: WorkflowExecution, *, wait: bool = False, place: bytes = b""
    ) -> tuple[HistoryEvent | None, bytes]:
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=execution,
            wait_new_event=wait,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
            next_page_token=place,
        )
        page = await self._service.get_workflow_execution_history(request, timeout=LONG_POLL, retry=True)
        return (page.history.events[0] if page.history.events else None), page.next_page_token

    async def _newest(self, execution: WorkflowExecution) -> WorkflowExecution:
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        try:
            described = await self._service.describe_workflow_execution(request)
        except RPCError as error:
            if error.status in _AWAY:
                return execution
            raise _refused(execution, error) from error
        return described.workflow_execution_info.execution


def _refused(execution: WorkflowExecution, error: RPCError) -> Exception:
    return RunNotFoundError(execution.workflow_id) if error.status in _UNKNOWN else unavailable(error)
