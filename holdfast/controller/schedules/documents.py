"""Schedules as the API takes and shows them.

Owns: the shape of these documents, and making them from what is stored.
Must not know: HTTP, how schedules were found.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.authoring.schedules import Wording
from holdfast.controller.documents import Document, Paused, Run, run_document
from holdfast.controller.schedules.state import Schedule
from holdfast.controller.times import iso_time
from holdfast.ports.operations import FireRecord, RunRecord

NEXT_SHOWN: Final = 10
"""How many of the coming times are shown."""


class ScheduleRequest(Document, frozen=True, forbid_unknown_fields=True):
    """A schedule as it is to be; one of `cron`, `every` and `at` says when."""

    workflow: str
    """Its name; `task:NAME` for a task."""
    cron: str | list[str] | None = None
    every: float | str | None = None
    """How far apart the times are: seconds, or such as `15m`."""
    at: str | list[str] | None = None
    """ISO 8601; without an offset, a time in `timezone`."""
    timezone: str = "UTC"
    input: Any = None
    """The workflow's argument, or an object of its arguments by name."""
    anchor: str | None = None
    overlap: str = "skip"
    catch_up: float | str = "1h"
    jitter: float | str = 0
    pause_on_failure: bool = False
    start: str | None = None
    end: str | None = None
    timeout: float | str | None = None

    def wording(self) -> Wording:
        """Return all that says what the schedule is, but its input."""
        given = msgspec.structs.asdict(self)
        del given["input"]
        return Wording(**given)


class BackfillRequest(Document, frozen=True, forbid_unknown_fields=True):
    """Times that are over, and for which runs are wanted after all; both ends count."""

    start: str
    """ISO 8601; without an offset, a time in the schedule's time zone."""
    end: str


class Backfilling(Document, frozen=True):
    """Runs that will be started for times that are over."""

    name: str
    times: int


class RunWanted(Document, frozen=True):
    """A run that somebody wanted at once."""

    run_id: str
    started: bool
    """False: it starts when the open run of the schedule has ended."""


class Fired(Document, frozen=True):
    """What came of a due time, or of several in a row."""

    kind: str
    """`due`, `backfill` or `now`."""
    outcome: str
    """`started`; `found` when the run was there before; `skipped`, `missed`, or `refused`."""
    due: str
    until: str | None
    """The last of them, where there are several."""
    count: int
    noted_at: str
    run_id: str | None
    words: str
    """Why, where there is something to say."""
    run: Run | None = None
    """How its run stands."""


class ScheduleDocument(Document, frozen=True):
    """A schedule. Times that come are written in its time zone."""

    name: str
    source: str
    """`code`, `config` or `api`: who says what it is."""
    workflow: str
    cron: list[str]
    every: int | None
    """Seconds."""
    anchor: str | None
    at: list[str]
    timezone: str
    overlap: str
    catch_up: float
    """Seconds."""
    jitter: float
    """Seconds."""
    pause_on_failure: bool
    start: str | None
    end: str | None
    timeout: float | None
    """Seconds."""
    next: list[str]
    """The times that come next; with `jitter`, each is acted on a little later."""
    paused: Paused | None
    """Why it starts nothing."""
    running: list[str]
    """Ids of its runs that are open."""
    waiting: str | None
    """Id of the run that starts when none is open any more."""
    backfilling: bool
    """Whether runs for times that are over are still to be started."""
    fired: int
    """How many times were acted on; those that were refused count."""
    skipped: int
    missed: int
    created_at: str
    changed_at: str
    input: Any = UNSET
    """Where payloads were asked for."""
    fires: list[Fired] | UnsetType = UNSET
    """What came of its last times, newest first. Not in lists."""


class ScheduleList(Document, frozen=True):
    """All schedules, by name."""

    schedules: list[ScheduleDocument]


def schedule_document(
    schedule: Schedule, now: float, *, payloads: bool, fires: list[Fired] | None = None
) -> ScheduleDocument:
    """Return a schedule as the API shows it."""
    record, spec, state = schedule.record, schedule.spec, schedule.state
    zone = ZoneInfo(spec.timezone)

    def local(moment: int) -> str:
        return datetime.fromtimestamp(moment, UTC).astimezone(zone).isoformat()

    def local_or_none(moment: int | None) -> str | None:
        return None if moment is None else local(moment)

    paused = state.paused
    return ScheduleDocument(
        name=record.name,
        source=record.source,
        workflow=spec.workflow,
        cron=list(spec.cron),
        every=spec.every or None,
        anchor=local(spec.anchor) if spec.every else None,
        at=[local(each) for each in spec.at],
        timezone=spec.timezone,
        overlap=spec.overlap,
        catch_up=spec.catch_up,
        jitter=spec.jitter,
        pause_on_failure=spec.pause_on_failure,
        start=local_or_none(spec.start),
        end=local_or_none(spec.end),
        timeout=spec.timeout or None,
        next=[local(each) for each in islice(schedule.times.following(now), NEXT_SHOWN)],
        paused=None if paused is None else Paused(by=paused.by, reason=paused.reason, at=iso_time(paused.at)),
        running=[each.run_id for each in record.runs if each.is_open],
        waiting=None if state.waiting is None else state.waiting.run_id,
        backfilling=bool(state.backfills),
        fired=state.fired,
        skipped=state.skipped,
        missed=state.missed,
        created_at=iso_time(record.created_at),
        changed_at=iso_time(record.changed_at),
        input=msgspec.Raw(record.input) if payloads else UNSET,
        fires=UNSET if fires is None else fires,
    )


def fired_document(fire: FireRecord, run: RunRecord | None, *, payloads: bool) -> Fired:
    """Return what came of a due time as the API shows it."""
    return Fired(
        kind=fire.kind,
        outcome=fire.outcome,
        due=iso_time(fire.due),
        until=iso_time(fire.until) if fire.until != fire.due else None,
        count=fire.count,
        noted_at=iso_time(fire.noted_at),
        run_id=fire.run_id or None,
        words=fire.words,
        run=None if run is None else run_document(run, payloads=payloads),
    )
