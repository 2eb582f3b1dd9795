"""What can be done with schedules from outside, without HTTP.

Owns: one function for each verb.
Must not know: requests, responses, routes, who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast
from zoneinfo import ZoneInfo

import msgspec

from holdfast.authoring import Registry
from holdfast.authoring.schedules import SpecProblems, read_spec
from holdfast.client import audited
from holdfast.controller.inputs import check_run_id
from holdfast.controller.schedules.acting import Actor
from holdfast.controller.schedules.decision import (
    Step,
    decide_backfill,
    decide_pause,
    decide_resume,
    decide_run_now,
)
from holdfast.controller.schedules.defining import TRIES_MAX, Wanted, overtaken, put_schedule
from holdfast.controller.schedules.documents import (
    Backfilling,
    BackfillRequest,
    RunWanted,
    ScheduleDocument,
    ScheduleList,
    ScheduleRequest,
    fired_document,
    schedule_document,
)
from holdfast.controller.schedules.inputs import count_times, encode_input, read_range
from holdfast.controller.schedules.kept import KeptSchedules
from holdfast.controller.schedules.state import Backfill, Schedule
from holdfast.errors import HoldfastError, InputError, ScheduleError, UnknownNameError
from holdfast.ports.engine import Engine
from holdfast.ports.operations import DropSchedule, Moved
from holdfast.ports.program import Versioned
from holdfast.ports.store import Store

FIRES_SHOWN: Final = 20
"""How many of its last times a schedule is shown with."""


class ScheduleService:
    """Every verb of the API that is about schedules."""

    def __init__(self, store: Store, engine: Engine, registry: Registry, draw_id: Callable[[], str]) -> None:
        """Serve the schedules of `store`.

        Args:
            store: where they are.
            engine: starts their runs.
            registry: the workflows whose inputs are validated here.
            draw_id: makes an id for a run that came without one.
        """
        self._store = store
        self._engine = engine
        self._registry = registry
        self._draw_id = draw_id
        self._actor = Actor(store, engine, lambda name: cast("Versioned", registry.workflow(name)))

    def acting_as(self, by: str) -> ScheduleService:
        """Return the service as somebody uses it: what they do is noted in the audit log."""
        return ScheduleService(audited(self._store, by), self._engine.acting_as(by), self._registry, self._draw_id)

    async def all(self, *, payloads: bool = False) -> ScheduleList:
        """Return all schedules, by name, each with its next times."""
        now = await self._store.now()
        records = await self._store.schedules()
        return ScheduleList(
            schedules=[schedule_document(Schedule.read(each), now, payloads=payloads) for each in records]
        )

    async def show(self, name: str, *, payloads: bool = False) -> ScheduleDocument:
        """Return a schedule, with what came of its last times. Raises UnknownNameError."""
        schedule = await self._read(name)
        fires = []
        for each in await self._store.fires(name, FIRES_SHOWN):
            run = await self._store.run(each.run_id) if each.run_id else None
            fires.append(fired_document(each, run, payloads=payloads))
        return schedule_document(schedule, await self._store.now(), payloads=payloads, fires=fires)

    async def put(self, name: str, wanted: ScheduleRequest) -> tuple[ScheduleDocument, bool]:
        """Create a schedule, or change it to what is wanted; return it, and whether it was created.

        Raises:
            InputError: it cannot be, or its workflow does not take the input; everything that is wrong is named.
            ScheduleError: code or settings say what it is.
        """
        try:
            spec = read_spec(name, wanted.wording())
        except SpecProblems as problems:
            raise InputError(f"schedule {name!r}", problems.problems) from None
        known = await self._store.schedule(name)
        if known is not None and known.source != "api":
            where = "code" if known.source == "code" else "holdfast.toml"
            raise ScheduleError(name, f"is written in {where}, and cannot be changed here", f"Change it in {where}.")
        payload = encode_input(self._registry, spec.workflow, msgspec.json.encode(wanted.input))
        await put_schedule(self._store, Wanted(name, spec, payload, "api"))
        return await self.show(name, payloads=True), known is None

    async def delete(self, name: str) -> None:
        """Delete a schedule; its runs stay. Raises UnknownNameError."""
        (dropped,) = await self._store.write([DropSchedule(name)])
        if isinstance(dropped, HoldfastError):
            raise dropped
        if not dropped:
            raise await self._unknown(name)

    async def pause(self, name: str, by: str, reason: str = "") -> ScheduleDocument:
        """Keep a schedule from starting anything, until it is resumed. Raises UnknownNameError."""
        await self._change(name, "pause", lambda schedule, now: decide_pause(schedule, now, by, reason))
        return await self.show(name)

    async def resume(self, name: str) -> ScheduleDocument:
        """Let a schedule go on with the times that are yet to come. Raises UnknownNameError."""
        await self._change(name, "resume", decide_resume)
        return await self.show(name)

    async def backfill(self, name: str, wanted: BackfillRequest) -> Backfilling:
        """Have runs started for times that are over.

        Raises:
            UnknownNameError: there is no such schedule.
            InputError: the times do not fit, or are more than BACKFILL_MAX.
        """
        schedule = await self._read(name)
        zone, now = ZoneInfo(schedule.spec.timezone), await self._store.now()
        start, end = read_range(wanted, zone, now)
        count = count_times(schedule.times, start, end)
        if count:
            wanted_range = Backfill(start - 1, end)
            await self._change(name, "backfill", lambda read, now: decide_backfill(read, now, wanted_range))
        return Backfilling(name=name, times=count)

    async def run_now(self, name: str, operation_id: str | None = None) -> RunWanted:
        """Start a run of a schedule at once, as its overlap policy allows. The same `operation_id` is the same run.

        Raises:
            InputError: `operation_id` cannot be part of a run id.
            UnknownNameError: there is no such schedule.
            ScheduleError: a run of it is open, and its policy lets no other one start or wait.
        """
        run_id = check_run_id(f"{name}-now-{operation_id or self._draw_id()}")

        def decide(schedule: Schedule, now: float) -> Step:
            step = decide_run_now(schedule, now, run_id)
            if step is None:
                run = schedule.record.runs[0].run_id
                remedy = "Wait for its end, cancel it, or give the schedule another overlap policy."
                raise ScheduleError(name, f"has an open run, {run}, and its policy is {schedule.spec.overlap}", remedy)
            return step

        if await self._store.run(run_id) is None:
            moved = await self._change(name, "", decide)
            if moved.refused:
                raise ScheduleError(name, f"could not start a run: {moved.refused}")
        return RunWanted(run_id=run_id, started=await self._store.run(run_id) is not None)

    async def _change(self, name: str, action: str, decide: Callable[[Schedule, float], Step]) -> Moved:
        for _ in range(TRIES_MAX):
            schedule = await self._read(name)
            step = decide(schedule, await self._store.now())
            if not step.changes(schedule):
                return Moved(True)
            moved = await self._actor.take(schedule, step, action)
            if moved.moved:
                return moved
        raise overtaken(name)

    async def _read(self, name: str) -> Schedule:
        record = await self._store.schedule(name)
        if record is None:
            raise await self._unknown(name)
        return Schedule.read(record)

    async def _unknown(self, name: str) -> UnknownNameError:
        return UnknownNameError("schedule", name, tuple(each.name for each in await self._store.schedules()))


def schedules_of(
    store: Store, engine: Engine, registry: Registry, draw_id: Callable[[], str]
) -> ScheduleService | KeptSchedules:
    """Return the service of schedules, wherever they are kept: in the store, or by the engine itself."""
    if engine.schedules is None:
        return ScheduleService(store, engine, registry, draw_id)
    return KeptSchedules(engine.schedules, registry, draw_id)
