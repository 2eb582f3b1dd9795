"""The loop that begins the runs of gatherings.

Owns: what is due, and the input of such a run.
Must not know: how events come in; other processes.

Theory of operation
===================

Any number of these may run on one store. Each sleeps until the next gathering is due, or until the bell says that one
was opened or is full. Two that wake at once read the same events, and the commit of only one begins the run: it is
conditional on the gathering's number of events, so nobody begins a run without an event that came meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from holdfast.authoring import join_events
from holdfast.controller.lookout import TROUBLE_SECONDS, Lookout
from holdfast.errors import HoldfastError, UnknownNameError
from holdfast.history import encode_attributes
from holdfast.observe import logger
from holdfast.ports.bus import GATHERINGS, Bus
from holdfast.ports.engine import Begin, Engine, StartRequest
from holdfast.ports.operations import BeginGathered, Begun, Carrying, GatheringRecord, Operation
from holdfast.ports.program import Versioned
from holdfast.ports.store import Store

GATHERINGS_PER_LOOK: Final = 100
"""How many gatherings are read at a time."""

log = logger("holdfast.controller")


class Gatherer(Lookout):
    """Begins the run of each gathering of a store, at its time."""

    def __init__(
        self, store: Store, bus: Bus, engine: Engine, find: Callable[[str], Versioned], poll_seconds: float
    ) -> None:
        """See to the gatherings of `store`.

        Args:
            store: where events are.
            bus: wakes the loop when a gathering was opened, or is full.
            engine: begins runs.
            find: returns a workflow that is known here; raises UnknownNameError for others, which are begun all the
                same: whoever knows them claims them.
            poll_seconds: how often to look although nothing rang.
        """
        super().__init__(bus, poll_seconds, name="gatherer", what="gatherings")
        self._store = store
        self._engine = engine
        self._find = find

    def _concerns(self, topics: frozenset[str]) -> bool:
        return GATHERINGS in topics

    async def _look(self) -> float:
        """Begin what is due; return how long there is nothing to do, in seconds."""
        troubled: set[int] = set()
        while True:
            self.next_due = await self._store.next_gathering()
            if self.next_due is None:
                return self._poll_seconds
            now = await self._store.now()
            if self.next_due > now:
                return min(self.next_due - now, self._poll_seconds)
            due = await self._store.due_gatherings(now, GATHERINGS_PER_LOOK + len(troubled))
            waiting = [each for each in due if each.gathering_id not in troubled]
            if not waiting:
                self.next_due = now + TROUBLE_SECONDS
                return TROUBLE_SECONDS
            # Side by side: their commits are grouped.
            went = await asyncio.gather(*(self._begin(each) for each in waiting))
            troubled.update(each.gathering_id for each, well in zip(waiting, went, strict=True) if not well)

    async def _begin(self, record: GatheringRecord) -> bool:
        """Begin the run of a gathering; return whether it can be looked at again at once."""

        def note(act: Operation) -> Carrying:
            return BeginGathered(act=act, gathering_id=record.gathering_id, events=record.events)

        try:
            events = await self._store.gathered(record)
            if not events:
                return True  # somebody else was faster
            request = self._request(record, join_events(record.size, events))
            begun: Begun = await self._engine.carry_out(Begin(request), note)
        except HoldfastError as error:
            log.warning("a gathering cannot become a run", workflow=record.workflow, error=str(error))
            return False
        if begun.refused:
            log.warning("a gathering's run was refused", workflow=record.workflow, error=begun.refused)
        return True

    def _request(self, record: GatheringRecord, payload: bytes) -> StartRequest:
        version, pin = "", ""
        try:
            program = self._find(record.workflow)
        except UnknownNameError:
            pass
        else:
            version = program.code_version
            pin = version if program.pinned else ""
        attributes = encode_attributes({"gathered": record.key}) if record.key else {}
        return StartRequest(record.workflow, record.run_id, payload, version, pin=pin, attributes=attributes)
