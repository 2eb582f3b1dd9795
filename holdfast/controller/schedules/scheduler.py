"""The loop that acts on schedules.

Owns: when to look, and what to do when a look goes wrong.
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
import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from holdfast.controller.schedules.acting import Actor
from holdfast.controller.schedules.decision import decide_step
from holdfast.controller.schedules.state import Schedule
from holdfast.errors import HoldfastError
from holdfast.observe import Meters, logger, warn_of
from holdfast.ports.bus import CLOSED, SCHEDULES, Bus
from holdfast.ports.operations import FOUND, REFUSED, STARTED, FireNote, Moved, ScheduleRecord
from holdfast.ports.store import Store

SCHEDULES_PER_LOOK: Final = 100
"""How many schedules are read at a time."""
REST_SECONDS: Final = 0.1
"""How long the bell is not listened to after a look: runs may end by the thousand."""
TROUBLE_SECONDS: Final = 5.0
"""How long to wait after something went wrong."""

log = logger("holdfast.controller")


class Scheduler:
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
        self._store = store
        self._bus = bus
        self._actor = actor
        self._poll_seconds = poll_seconds
        self._meters = meters if meters is not None else Meters()
        self._rung = asyncio.Event()
        self._is_watching = False
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None
        self.next_due: float | None = None
        """When it looks next, by the store's clock; None when only the bell can tell."""

    async def open(self) -> None:
        """Begin."""
        self._stop_listening = self._bus.listen(self._heard)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="holdfast scheduler")

    async def close(self) -> None:
        """Stop; a step that is being written is written or not, as a whole."""
        if self._stop_listening is not None:
            self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, topics: frozenset[str]) -> None:
        if SCHEDULES in topics or (self._is_watching and CLOSED in topics):
            self._rung.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                now = await self._look()
                looked_at = loop.time()
            except Exception as error:  # noqa: BLE001 - schedules are looked at as long as there is a controller
                warn_of(log, "the schedules could not be looked at", error)
                await asyncio.sleep(TROUBLE_SECONDS)
                continue
            seconds = self._poll_seconds if self.next_due is None else min(self.next_due - now, self._poll_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._rung.wait()
                # It rang, and others may ring soon after. Whoever moves the clock has to know that we look then.
                rested_at = now + (loop.time() - looked_at) + REST_SECONDS
                self.next_due = min(rested_at, math.inf if self.next_due is None else self.next_due)
                await asyncio.sleep(REST_SECONDS)

    async def _look(self) -> float:
        """Take steps until nothing is due; return the time by which that was so."""
        self._rung.clear()
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
        return now

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
