"""Runs, to be looked at.

Owns: reading one, many, what happened in one, and what happens.
Must not know: HTTP, how runs are started or operated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any, Final

from holdfast.controller.documents import Explained, HistoryPage, Run, RunPage, Where, cause_document, run_document
from holdfast.controller.events import event_document, pruned_document
from holdfast.controller.filters import check_statuses, read_filter
from holdfast.controller.live import LiveChanges, Wanted, read_position, written
from holdfast.errors import InputError, NotOnEngineError, PrunedError
from holdfast.ports.engine import Engine
from holdfast.ports.names import numbered
from holdfast.ports.operations import TERMINAL, Position, RunRecord

EVENTS_MAX: Final = 1_000
"""How many events one page of a history holds at most."""
RUNS_MAX: Final = 500
"""How many runs one page of a list holds at most."""

NEWEST_RUNS: Final = 50
"""How many of the newest runs tell that something has changed, where nothing else does."""


class Runs:
    """The runs of a system, as documents."""

    def __init__(self, engine: Engine) -> None:
        """Read through `engine`."""
        self._engine = engine

    async def workflow_of(self, run_id: str) -> str:
        """Return which workflow a run is of. Raises RunNotFoundError."""
        return (await self._engine.describe(run_id)).workflow

    async def read(self, run_id: str, *, payloads: bool = True) -> Run:
        """Return a run, with its result or error when it has ended. Raises RunNotFoundError."""
        return run_document(await self._engine.describe(run_id), payloads=payloads)

    async def ended(self, run_id: str, seconds: float) -> Run:
        """Wait until a run has ended, but not longer than `seconds`; return it as it is then.

        Raises:
            RunNotFoundError: there is none.
        """
        if seconds > 0:
            await self._engine.outcome(run_id, seconds)
        return await self.read(run_id)

    async def page(
        self,
        wanted: Where,
        *,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
        only: Collection[str] = (),
    ) -> RunPage:
        """Return the runs that are wanted, newest first; with `only`, those of these workflows.

        Raises:
            InputError: the status or the cursor is none of ours.
        """
        where = read_filter(wanted, only)
        try:
            records, following = await self._engine.runs(where=where, cursor=cursor, limit=min(limit, RUNS_MAX))
        except (ValueError, OverflowError):
            raise InputError("the filter", (("/cursor", "expected the `next` of a page"),)) from None
        return RunPage(runs=[run_document(each, payloads=payloads) for each in records], next=following)

    async def history(
        self, run_id: str, *, after: int = 0, limit: int = EVENTS_MAX, payloads: bool = False
    ) -> HistoryPage:
        """Return the events of a run after event id `after`. Raises RunNotFoundError."""
        record = await self._engine.describe(run_id)
        recorded = await self._engine.history(numbered(record.run_id, record.execution), after)
        page = recorded[: min(limit, EVENTS_MAX)]
        return HistoryPage(
            run_id=record.run_id,
            execution=record.execution,
            events=[event_document(each, payloads=payloads) for each in page],
            next=page[-1].id if len(page) < len(recorded) else None,
        )

    async def watch(
        self, run_id: str, *, after: int = 0, payloads: bool = False
    ) -> AsyncIterator[dict[str, Any]] | None:
        """Return the events of a run after event id `after` as they are recorded, until it has ended.

        None says that it has ended and there is none left to come. Of a run whose events were pruned there is one that
        says so. Raises RunNotFoundError.
        """
        record = await self._engine.describe(run_id)
        if record.status in TERMINAL and after >= record.last_event:
            return None
        return self._watch(record, after, payloads)

    async def _watch(self, record: RunRecord, after: int, payloads: bool) -> AsyncIterator[dict[str, Any]]:  # noqa: FBT001
        try:
            async for each in self._engine.watch(numbered(record.run_id, record.execution), after):
                yield event_document(each, payloads=payloads)
        except PrunedError as error:
            # The last event there was: a reader who comes back after it is told that nothing is left to come.
            yield pruned_document(record, error.message())

    async def changes(
        self,
        after: str | None,
        *,
        workflow: str | None = None,
        statuses: Collection[str] = (),
        only: Collection[str] = (),
    ) -> LiveChanges:
        """Return how runs change after a position, as it happens; None is from now on.

        With `only`, runs of these workflows. Raises InputError: a status or the position is none of ours.
        """
        check_statuses(statuses)
        newest = await self._engine.newest_change()
        position = newest if after is None else read_position(after)
        # Further than everything: the store was put back to an earlier state, and nothing is known of what was lost.
        begin = Position(min(position.page, newest.page), min(position.change, newest.change))
        return LiveChanges(self._engine, Wanted(workflow, statuses, only), begin)

    async def newest(self) -> str:
        """Return a word that is another one as soon as any run began, ended, was parked or set going again.

        Where there is no feed of changes it is as soon as the newest runs look another way.
        """
        try:
            return written(await self._engine.newest_change())
        except NotOnEngineError:
            records, _ = await self._engine.runs(limit=NEWEST_RUNS)
            return " ".join(f"{each.execution_id}:{each.status}" for each in records)

    async def explain(self, run_id: str) -> Explained:
        """Return why a run does not move. Raises RunNotFoundError."""
        found = await self._engine.explain(run_id)
        return Explained(
            run_id=found.run_id,
            execution=found.execution,
            status=found.status,
            causes=[cause_document(each) for each in found.causes],
        )
