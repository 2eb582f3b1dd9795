"""Operating runs: cancel, terminate, pause, resume; one, or all that a filter means.

Owns: these verbs.
Must not know: HTTP, how an engine does them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from holdfast.client import meant
from holdfast.controller.actors import engine_of
from holdfast.controller.documents import Bulk, BulkAnswer, Refused, Run
from holdfast.controller.filters import MATCHED_MAX, read_filter
from holdfast.controller.messages import Messages
from holdfast.controller.once import operation_id as once_id
from holdfast.controller.runs import Runs
from holdfast.errors import InputError
from holdfast.ports.engine import BulkRequest, Engine
from holdfast.ports.operations import Deliver


class Operating:
    """Stops runs, and sets them going again."""

    def __init__(self, engine: Engine, runs: Runs, messages: Messages, draw_id: Callable[[], str]) -> None:
        """Operate through `engine`.

        Args:
            engine: pauses, resumes, and does things to many.
            runs: reads what became of a run.
            messages: delivers what ends a run.
            draw_id: names what was not named by whoever asks.
        """
        self._engine = engine
        self._runs = runs
        self._messages = messages
        self._draw_id = draw_id

    async def cancel(self, run_id: str, reason: str = "", operation_id: str | None = None, by: str = "") -> Run:
        """Ask a run to stop, durably. Raises RunNotFoundError, RunClosedError."""
        return await self._end("cancel", run_id, reason, operation_id, by)

    async def terminate(self, run_id: str, reason: str = "", operation_id: str | None = None, by: str = "") -> Run:
        """End a run without asking its code, durably. Raises RunNotFoundError, RunClosedError."""
        return await self._end("terminate", run_id, reason, operation_id, by)

    async def _end(self, verb: str, run_id: str, reason: str, operation_id: str | None, by: str) -> Run:
        drawn = once_id(by, operation_id or self._draw_id())
        await self._messages.deliver(Deliver(run_id, verb, "", reason.encode(), drawn), operation_id, by)
        return await self._runs.read(run_id)

    async def pause(self, run_id: str, by: str, reason: str = "", actor: str = "") -> Run:
        """Keep a run from moving. Raises RunNotFoundError, RunClosedError."""
        await engine_of(self._engine, actor).pause(run_id, by, reason)
        return await self._runs.read(run_id)

    async def resume(self, run_id: str, by: str = "") -> Run:
        """Let a parked or paused run go on. Raises RunNotFoundError, RunClosedError, RunStateError."""
        await engine_of(self._engine, by).resume(run_id)
        return await self._runs.read(run_id)

    async def bulk(
        self,
        wanted: Bulk,
        by: str,
        operation_id: str | None = None,
        only: Collection[str] = (),
        actor: str = "",
    ) -> BulkAnswer:
        """Do one thing to the next runs that a filter means, or say to how many it would be done.

        With `only`, those of these workflows are meant, and no others.

        Raises:
            InputError: a status or the cursor is none of ours.
        """
        where = meant(wanted.verb, read_filter(wanted.where, only))
        try:
            matched = await self._engine.count(where, MATCHED_MAX)
            if wanted.preview:
                return BulkAnswer(matched=matched, done=[], refused=[], next=wanted.cursor)
            named = once_id(actor, operation_id or self._draw_id())
            request = BulkRequest(wanted.verb, where, named, wanted.reason, by)
            page = await engine_of(self._engine, actor).bulk(request, wanted.cursor, wanted.limit)
        except (ValueError, OverflowError):
            raise InputError("the request", (("/cursor", "expected the `next` of a part"),)) from None
        return BulkAnswer(
            matched=matched,
            done=list(page.done),
            refused=[Refused(run_id=run_id, why=why) for run_id, why in page.refused],
            next=page.next,
        )
