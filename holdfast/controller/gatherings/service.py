"""Events from outside, and the gatherings that they wait in.

Owns: validating an event, these lists, and letting a run begin before its time.
Must not know: HTTP, who begins runs.
"""

from __future__ import annotations

from holdfast.authoring import Gathering, Registry
from holdfast.controller.actors import engine_of, store_of
from holdfast.controller.backlog import Backlog
from holdfast.controller.gatherings.documents import (
    GatheredEvent,
    GatheringDocument,
    GatheringPage,
    gathered_document,
    gathering_document,
)
from holdfast.controller.inputs import canonical_event
from holdfast.controller.once import operation_id
from holdfast.errors import InputError, UnknownNameError
from holdfast.ports.engine import Engine
from holdfast.ports.operations import Gather, HurryGathering
from holdfast.ports.store import Store


class GatheringService:
    """Takes events, and shows where they wait."""

    def __init__(self, engine: Engine, registry: Registry, store: Store, backlog: Backlog) -> None:
        """Gather through `engine`; events are held against the types of `registry`, and lists read from `store`."""
        self._engine = engine
        self._registry = registry
        self._store = store
        self._backlog = backlog

    async def add(
        self, workflow: str, text: bytes, gathering: Gathering, group: str, *, key: str | None = None, by: str = ""
    ) -> GatheredEvent:
        """Add an event to those that wait; once this returns it cannot be lost.

        Args:
            workflow: registered name of what is to run.
            text: the event as JSON; empty stands for null.
            gathering: how events gather.
            group: events of one group become one run.
            key: names this event of theirs: sent again, it is not added again.
            by: who does it, for the audit log; empty leaves it out.

        Raises:
            UnknownNameError: there is no such workflow.
            InputError: the event does not fit it.
            BacklogFullError: too many runs wait for an orchestrator.
        """
        definition = self._registry.workflow(workflow)
        event = canonical_event(definition, text, gathering)
        await self._backlog.check()
        named = "" if key is None else operation_id(by, key)
        added = Gather(workflow, group, event, gathering.within_seconds, gathering.quiet_seconds, gathering.size, named)
        return gathered_document(await engine_of(self._engine, by).gather(added))

    async def page(self, cursor: str | None = None, limit: int = 50) -> GatheringPage:
        """Return gatherings, newest first. Raises InputError: the cursor is none."""
        try:
            records, following = await self._store.gatherings(cursor, limit)
        except ValueError:
            raise InputError("the cursor", (("", f"{cursor!r} is not one of ours"),)) from None
        return GatheringPage([gathering_document(each) for each in records], following)

    async def read(self, gathering_id: int) -> GatheringDocument:
        """Return one gathering. Raises UnknownNameError."""
        record = await self._store.gathering(gathering_id)
        if record is None:
            raise UnknownNameError("gathering", str(gathering_id), ())
        return gathering_document(record)

    async def hurry(self, gathering_id: int, by: str = "") -> GatheringDocument:
        """Let the run of a gathering begin now, also one that was refused. Raises UnknownNameError."""
        await store_of(self._store, by).write([HurryGathering(gathering_id)])
        return await self.read(gathering_id)
