"""Runs of the embedded engine that arrive on a cluster, and go on there as themselves.

Owns: what such a run begins with, how it is known again, and that it begins once.
Must not know: how a run leaves where it was.
"""

from __future__ import annotations

import time
from dataclasses import replace

from holdfast.engine import ForkPlan
from holdfast.errors import RunConflictError, RunNotFoundError
from holdfast.history import History
from holdfast.history.temporal import Past
from holdfast.ports.operations import IdPolicy, RunRecord
from holdfast.temporal.engine import TemporalEngine
from holdfast.temporal.forking import past_of, plan_move, start_of
from holdfast.temporal.own import read_note
from holdfast.temporal.starting import FIRST


class Arrivals:
    """Those on one cluster."""

    def __init__(self, engine: TemporalEngine) -> None:
        """Start them through `engine`."""
        self._engine = engine

    def past_of(self, source: History, record: RunRecord) -> Past:
        """Return what a run would begin with. Raises ForkError: it cannot."""
        return past_of(plan_move(source, record), source.outcomes)

    async def has_another(self, record: RunRecord) -> bool:
        """Say whether there is a run with a run's id that has not come from it."""
        executions = self._engine.executions
        try:
            newest = (await executions.described(record.run_id)).workflow_execution_info.execution
        except RunNotFoundError:
            return False
        async for info in executions.back_from(newest):
            if read_note(info.memo.fields).forked_from == record.execution:
                return False
        return True

    async def take_over(self, source: History, record: RunRecord) -> ForkPlan:
        """Let a run go on here that has ended on the embedded engine; again, it does so once.

        Raises:
            ForkError: it cannot.
            RunConflictError: there is another run with its id.
        """
        plan = plan_move(source, record)
        past = past_of(plan, source.outcomes)
        number = record.execution.removeprefix(f"{record.run_id}@")
        first = replace(FIRST, number=int(number) if number != record.execution else 1)
        timeout = max(past.started.deadline - time.time(), 1.0) if past.started.deadline else 0.0
        request = start_of(past, record.pin, timeout=timeout, starts_at=record.starts_at)
        named = f"move {record.execution}"
        started = await self._engine.start_next(request, IdPolicy(), named=named, past=past, first=first)
        if not started.created and await self.has_another(record):
            raise RunConflictError(record.run_id, "run on the cluster")
        return plan
