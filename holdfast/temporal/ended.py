"""Executions of a namespace that have ended, one by one.

Owns: the port `holdfast.ports.captures.EndedRuns` over Temporal: how they are listed, and each is found again.
Must not know: what is made of them.

The run id alone names the newest execution of a run; here each is meant, so its place is Temporal's own id of it, and
the run's.
"""

from __future__ import annotations

import asyncio
import contextlib

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.client import Client

from holdfast.history import History
from holdfast.ports.captures import EndedFilter, EndedRun
from holdfast.ports.operations import RunRecord
from holdfast.temporal.executions import Executions
from holdfast.temporal.records import ended_search, listed, record_of
from holdfast.temporal.waiting import Ends


class TemporalEnded:
    """Those of a namespace. Implements `holdfast.ports.captures.EndedRuns`."""

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._executions = Executions(client)
        self._ends = Ends(client)

    async def page(self, where: EndedFilter, cursor: str | None, limit: int) -> tuple[list[EndedRun], str | None]:
        """Return some of them. See `EndedRuns.page`; the list follows a little later."""
        page, following = await self._executions.page(ended_search(where), cursor, limit)
        found = [(each, listed(each)) for each in page]
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
        return record, await self._executions.history(execution)

    async def _described(self, execution: WorkflowExecution) -> RunRecord:
        info = (await self._executions.describe(execution)).workflow_execution_info
        event = await self._ends.event(execution)
        return record_of(info, await self._ends.outcome(execution, event) if event is not None else None)


def place_of(execution: WorkflowExecution) -> str:
    """Return what an execution is found by."""
    return f"{execution.run_id}/{execution.workflow_id}"
