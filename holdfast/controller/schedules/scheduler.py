"""The loop that acts on schedules.

Owns: which schedules are due, and taking their steps.
Must not know: the rules of schedules; other processes.

Theory of operation
===================

Any number of schedulers may run on one store. Each sleeps until the next time at which some schedule has to be looked
at, or until the bell says that a schedule was changed, or - while runs of schedules are open - that some run has ended.
Then it takes steps until nothing is due. Two that wake at once decide the same, and the commit of only one is made.

Nothing happens before its time: a timer only wakes the loop up, and the store's clock decides.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final

import msgspec

from holdfast.controller.lookout import TROUBLE_SECONDS, Lookout
from holdfast.controller.schedules.acting import Actor
from holdfast.controller.schedules.decision import decide_step
from holdfast.controller.schedules.state import Schedule
from holdfast.errors import HoldfastError
from holdfast.observe import Meters, logger
from holdfast.ports.bus import CLOSED, SCHEDULES, Bus
from holdfast.ports.operations import FOUND, REFUSED, STARTED, FireNote, Moved, ScheduleRecord
from holdfast.ports.store import Store

SCHEDULES_PER_LOOK: Final = 100
"""How many schedules are read at a time."""
REST_SECONDS: Final = 0.1
"""How long the bell is not listened to after a look: runs may end by the thousand."""

log = logger("holdfast.controller")


class Scheduler(Lookout):
    """Takes the steps of all schedules of a store, each at its time."""

    def __init__(self, store: Store, bus: Bus, actor: Actor, poll_seconds: float, meters: Meters | None = None) -> None:
        """Act on the schedules of `store`.

        Args:
            store: where schedules are.
            bus: wakes the loop when a schedule was changed, or a run has ended.
            actor: carries steps out.
            poll_seconds: how often to look although nothing rang.
            meters: counts what was due.
        """
        super().__init__(bus, poll_seconds, name="scheduler", what="schedules")
        self._store = store
        self._actor = actor
        self._meters = meters if meters is not None else Meters()
        self._is_watching = False
        self._looked = (0.0, 0.0)
        """When it looked last: by the store's clock, and by the loop's."""

    def _concerns(self, topics: frozenset[str]) -> bool:
        return SCHEDULES in topics or (self._is_watching and CLOSED in topics)

    async def _rest(self) -> None:
        # It rang, and others may ring soon after. Whoever moves the clock has to know that we look then.
        now, looked_at = self._looked
        rested_at = now + (asyncio.get_running_loop().time() - looked_at) + REST_SECONDS
        self.next_due = min(rested_at, math.inf if self.next_due is None else self.next_due)
        await asyncio.sleep(REST_SECONDS)

    async def _look(self) -> float:
        """Take steps until nothing is due; return for how long that is so, in seconds."""
        troubled: set[str] = set()
        while True:
            now = await self._store.now()
            due = await self._store.due_schedules(now, SCHEDULES_PER_LOOK + len(troubled))
            waiting = [each for each in due if each.name not in troubled]
            if not waiting:
                break
            # Side by side: their commits are grouped.
            went = await asyncio.gather(*(self._step(each, now) for each in waiting))
            troubled.update(record.name for record, well in zip(waiting, went, strict=True) if not well)
        self.next_due, self._is_watching = await self._store.next_schedule()
        if troubled:
            self.next_due = now + TROUBLE_SECONDS
        self._looked = (now, asyncio.get_running_loop().time())
        return self._poll_seconds if self.next_due is None else min(self.next_due - now, self._poll_seconds)

    async def _step(self, record: ScheduleRecord, now: float) -> bool:
        """Take one step of a schedule; return whether it can be looked at again at once."""
        try:
            schedule = Schedule.read(record)
            step = decide_step(schedule, now)
            if not step.changes(schedule):
                return await self._is_overtaken(record)
            moved = await self._actor.take(schedule, step)
        except (HoldfastError, msgspec.MsgspecError, ValueError, KeyError) as error:
            log.warning("a schedule cannot go on", schedule=record.name, error=str(error))
            return False
        if moved.moved:
            self._count(schedule, step.fires, moved, now)
        if moved.refused:
            log.warning("a schedule could not do what was due", schedule=record.name, error=moved.refused)
        return True

    def _count(self, schedule: Schedule, fires: Sequence[FireNote], moved: Moved, now: float) -> None:
        for each in fires:
            outcome = each.outcome
            if outcome == STARTED and not moved.created:
                outcome = REFUSED if moved.refused else FOUND
            self._meters.fired(schedule.name, outcome, each.count)
            if outcome == STARTED and each.kind == "due":
                self._meters.started_late(schedule.name, now - schedule.times.fires_at(each.due))

    async def _is_overtaken(self, record: ScheduleRecord) -> bool:
        """Say whether somebody took the step that was due while the schedule was being read."""
        newest = await self._store.schedule(record.name)
        if newest is not None and newest.revision == record.revision:
            log.error("a schedule is due, and there is nothing to do about it", schedule=record.name)
            return False
        return True
