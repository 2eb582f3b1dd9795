"""What can be done from outside with schedules that the engine keeps itself.

Owns: the verbs of `ScheduleService`, over the port `Schedules`.
Must not know: which engine that is, requests, responses, routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from holdfast.authoring import Registry
from holdfast.authoring.schedules import SpecProblems, decode_spec, encode_spec, read_spec
from holdfast.controller.documents import Paused
from holdfast.controller.schedules.documents import (
    Backfilling,
    BackfillRequest,
    Fired,
    RunWanted,
    ScheduleDocument,
    ScheduleList,
    ScheduleRequest,
    schedule_document,
)
from holdfast.controller.schedules.inputs import count_times, encode_input, read_range
from holdfast.controller.schedules.state import Schedule, ScheduleState, encode_state
from holdfast.controller.times import iso_time
from holdfast.errors import InputError, ScheduleError, UnknownNameError
from holdfast.ports.operations import ScheduleRecord
from holdfast.ports.schedules import KeptFire, KeptSchedule, Schedules

LOOK_SECONDS: Final = 0.1
"""How often to look whether a run that is wanted at once has begun."""
BEGIN_SECONDS: Final = 5.0
"""How long to wait until it has."""


class KeptSchedules:
    """Every verb of the API that is about schedules. See `ScheduleService`."""

    def __init__(self, schedules: Schedules, registry: Registry, draw_id: Callable[[], str], by: str = "") -> None:
        """Serve the schedules that an engine keeps.

        Args:
            schedules: where they are.
            registry: the workflows whose inputs are validated here.
            draw_id: makes an id for what came without one.
            by: who asks; written down with a pause.
        """
        self._schedules = schedules
        self._registry = registry
        self._draw_id = draw_id
        self._by = by

    def acting_as(self, by: str) -> KeptSchedules:
        """Return the service as somebody uses it."""
        return KeptSchedules(self._schedules, self._registry, self._draw_id, by)

    async def all(self, *, payloads: bool = False) -> ScheduleList:
        """Return all schedules, by name. How often they have started something is told of one alone."""
        return ScheduleList(schedules=[_document(each, payloads=payloads) for each in await self._schedules.all()])

    async def show(self, name: str, *, payloads: bool = False) -> ScheduleDocument:
        """Return a schedule, with what came of its last times. Raises UnknownNameError."""
        kept = await self._schedules.read(name)
        return msgspec.structs.replace(_document(kept, payloads=payloads), fires=[_fired(each) for each in kept.fires])

    async def put(self, name: str, wanted: ScheduleRequest) -> tuple[ScheduleDocument, bool]:
        """Create a schedule, or change it to what is wanted; return it, and whether it was created.

        Raises:
            InputError: it cannot be, or its workflow does not take the input; everything that is wrong is named.
            ScheduleError: code or settings say what it is.
            NotOnEngineError: the engine has no schedules like this.
        """
        try:
            spec = read_spec(name, wanted.wording())
        except SpecProblems as problems:
            raise InputError(f"schedule {name!r}", problems.problems) from None
        known: KeptSchedule | None = None
        with suppress(UnknownNameError):
            known = await self._schedules.read(name)
        if known is not None and known.source in {"code", "config"}:
            where = "code" if known.source == "code" else "holdfast.toml"
            raise ScheduleError(name, f"is written in {where}, and cannot be changed here", f"Change it in {where}.")
        payload = encode_input(self._registry, spec.workflow, msgspec.json.encode(wanted.input))
        await self._schedules.put(KeptSchedule(name, "api", encode_spec(spec), payload))
        return await self.show(name, payloads=True), known is None

    async def delete(self, name: str) -> None:
        """Delete a schedule; its runs stay. Raises UnknownNameError."""
        await self._schedules.delete(name)

    async def pause(self, name: str, by: str, reason: str = "") -> ScheduleDocument:
        """Keep a schedule from starting anything, until it is resumed. Raises UnknownNameError."""
        await self._schedules.pause(name, f"{by}: {reason}")
        return await self.show(name)

    async def resume(self, name: str) -> ScheduleDocument:
        """Let a schedule go on with the times that are yet to come. Raises UnknownNameError."""
        await self._schedules.resume(name, self._by)
        return await self.show(name)

    async def backfill(self, name: str, wanted: BackfillRequest) -> Backfilling:
        """Have runs started for times that are over.

        Raises:
            UnknownNameError: there is no such schedule.
            InputError: the times do not fit, or are too many.
        """
        schedule = _read(await self._schedules.read(name))
        start, end = read_range(wanted, ZoneInfo(schedule.spec.timezone), datetime.now(UTC).timestamp())
        count = count_times(schedule.times, start, end)
        if count:
            await self._schedules.backfill(name, start, end, self._draw_id())
        return Backfilling(name=name, times=count)

    async def run_now(self, name: str, operation_id: str | None = None) -> RunWanted:
        """Start a run of a schedule at once, as its overlap policy allows. The same `operation_id` is the same run.

        Raises:
            UnknownNameError: there is no such schedule.
            ScheduleError: a run of it is open, and its policy lets no other one start or wait.
        """
        before = await self._schedules.read(name)
        spec = decode_spec(before.spec)
        if before.running and spec.overlap == "skip":
            remedy = "Wait for its end, cancel it, or give the schedule another overlap policy."
            raise ScheduleError(name, f"has an open run, {before.running[0]}, and its policy is skip", remedy)
        await self._schedules.run_now(name, operation_id or self._draw_id())
        known = {each.run_id for each in before.fires}
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_SECONDS):
                while True:
                    after = await self._schedules.read(name)
                    if begun := [each.run_id for each in after.fires if each.run_id not in known]:
                        return RunWanted(run_id=begun[0], started=True)
                    await asyncio.sleep(LOOK_SECONDS)
        return RunWanted(run_id="", started=False)


def _read(kept: KeptSchedule) -> Schedule:
    cursor = int(kept.changed_at)
    state = ScheduleState(cursor, fired=kept.fired, skipped=kept.skipped, missed=kept.missed)
    return Schedule.read(
        ScheduleRecord(
            kept.name,
            0,
            kept.source,
            kept.spec,
            kept.input or b"null",
            encode_state(state),
            None,
            kept.created_at,
            kept.changed_at,
        )
    )


def _document(kept: KeptSchedule, *, payloads: bool) -> ScheduleDocument:
    schedule = _read(kept)
    zone = ZoneInfo(schedule.spec.timezone)
    made = schedule_document(schedule, kept.changed_at, payloads=payloads and bool(kept.input))
    by, _, reason = kept.notes.rpartition(": ")
    return msgspec.structs.replace(
        made,
        next=[datetime.fromtimestamp(each, UTC).astimezone(zone).isoformat() for each in kept.next],
        running=list(kept.running),
        paused=Paused(by=by, reason=reason, at=iso_time(kept.changed_at)) if kept.paused else None,
        waiting=f"{kept.waiting} more" if kept.waiting else None,
    )


def _fired(fire: KeptFire) -> Fired:
    return Fired(
        kind="due",
        outcome="started",
        due=iso_time(fire.due),
        until=None,
        count=1,
        noted_at=iso_time(fire.acted_at),
        run_id=fire.run_id or None,
        words=fire.status,
    )
