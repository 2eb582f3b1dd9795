"""Runs of the embedded engine that leave it, and go on on a Temporal cluster.

Owns: the order of the steps in which a run leaves, and which runs cannot.
Must not know: how a run on a cluster repeats its past.

Theory of operation
===================

A store and a cluster have no commit in common, so a run ends here first, and begins there then:

    pause       nothing of it moves any more. What it is told from now on waits in its inbox
    end         one commit: its last page holds all that it was told, and that it goes on elsewhere. The commit is
                refused when it was told something meanwhile: then it is read again
    begin       on the cluster, with its whole history as its past, under a request id that is the same each time

Whoever dies in between leaves a run that is paused, or that has ended and says where it goes on. The same again finds
that, and does the rest. It never moves in two places, and nothing that was acknowledged is lost: the last page says it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.app.engine_address import EMBEDDED
from holdfast.app.holdfast import Client
from holdfast.app.settings import Settings
from holdfast.client import read_outcomes
from holdfast.engine import open_decisions
from holdfast.errors import (
    ForkError,
    HoldfastError,
    RunClosedError,
    RunConflictError,
    RunStateError,
    SettingsError,
)
from holdfast.history import (
    ROOT,
    AnyEvent,
    ChildScheduled,
    Decision,
    History,
    ParkRun,
    RunParked,
    WorkflowTerminated,
    page_place,
    seal,
)
from holdfast.orchestrator import decide_entry
from holdfast.ports.engine import Outcome, decode_end
from holdfast.ports.operations import (
    PARKED,
    PAUSED,
    TERMINAL,
    TERMINATED,
    Closing,
    InboxRow,
    MoveAway,
    RunFilter,
    RunRecord,
)

if TYPE_CHECKING:
    from holdfast.temporal import Arrivals

RUNS_AT_ONCE: Final = 200
"""How many runs are looked at together."""
MOVER: Final = "holdfast runs move"
"""Who has paused a run that leaves."""
LOOKS_MAX: Final = 20
"""How often a run is read that is told something each time, before it is given up."""


class Moved(msgspec.Struct, frozen=True):
    """A run that has left."""

    run_id: str
    execution: str
    recorded: tuple[str, ...]
    """Steps that have their outcome, and do not run again."""
    again: tuple[str, ...]
    """Steps that were under way, and run again, under the same idempotency keys."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step that was asked for and has no outcome."""

    command: Any


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a history has that is not over."""

    open: dict[str, _Waiting]


@asynccontextmanager
async def leaving(settings: Settings, to: str, actor: str = "") -> AsyncIterator[Leaving]:
    """Move runs out of the store of `settings` to the cluster `to`, such as `temporal://HOST:PORT/NAMESPACE`.

    Args:
        settings: name the store.
        to: the cluster.
        actor: who moves them, for the audit log.

    Raises:
        SettingsError: `to` is no cluster.
        StoreError: the store, or the cluster, cannot be reached.
    """
    if to == EMBEDDED:
        raise SettingsError(
            "runs move from the embedded engine", "Name a cluster: --engine temporal://HOST:PORT/NAMESPACE"
        )
    from holdfast.temporal import Arrivals, TemporalEngine  # here: most have no need of its SDK

    keys = settings.encryption_keys
    async with (
        await Client.connect(settings.store, engine=EMBEDDED, actor=actor, encryption_keys=keys) as here,
        await Client.connect(settings.store, engine=to, actor=actor, encryption_keys=keys) as there,
    ):
        assert isinstance(there.engine, TemporalEngine), "as `to` is a cluster"
        yield Leaving(here, Arrivals(there.engine), to)


class Leaving:
    """Moves runs from one store to one cluster."""

    def __init__(self, here: Client, there: Arrivals, url: str) -> None:
        """Move runs from `here` to `there`, a cluster that is called `url`."""
        self.here = here
        """The client of the store."""
        self._engine = here.engine
        self._store = here.store
        self._there = there
        self._words = f"it goes on at {url}"

    async def begun(self) -> AsyncIterator[str]:
        """Yield the ids of runs that somebody has begun to move here, and who may have died then."""
        where = RunFilter(statuses=(PAUSED, TERMINATED))
        cursor: str | None = None
        while True:
            records, cursor = await self.here.runs(where=where, cursor=cursor, limit=RUNS_AT_ONCE)
            for each in records:
                if self._is_begun(each):
                    yield each.run_id
            if cursor is None:
                return

    def _is_begun(self, record: RunRecord) -> bool:
        if record.status == PAUSED:
            return record.paused_by == MOVER and record.paused_reason == self._words
        return record.status == TERMINATED and decode_end(record.outcome).reason == self._words

    async def move(self, run_id: str) -> Moved:
        """Move a run; one that has left for the same cluster before is seen to go on there.

        Raises:
            RunNotFoundError: there is no such run.
            RunClosedError: it has ended.
            RunStateError: it is parked, or somebody has paused it.
            RunConflictError: there is another run with its id on the cluster.
            ForkError: something of it cannot be moved; it goes on where it is.
        """
        record = await self._engine.describe(run_id)
        if record.status in TERMINAL:
            if not self._is_begun(record):
                raise RunClosedError(run_id, record.status)
            return await self._begin(record, await self._read(record))
        if record.status == PARKED or (record.status == PAUSED and record.paused_by != MOVER):
            raise RunStateError(run_id, record.status, "moved", "Resume it first, or see why it does not move.")
        await self._engine.pause(run_id, MOVER, self._words)
        try:
            history = await self._end(run_id)
        except HoldfastError as error:
            if not isinstance(error, RunClosedError):
                await self._engine.resume(run_id)
            raise
        return await self._begin(await self._engine.describe(run_id), history)

    async def _end(self, run_id: str) -> History:
        """End a paused run here; return its history, with all that it was told."""
        for _ in range(LOOKS_MAX):
            record = await self._engine.describe(run_id)
            recorded = await self._read(record)
            rows = await self._store.execution_inbox(record.execution_id)
            told = _told(recorded.events, rows, run_id)
            history = replace(recorded, events=[*recorded.events, *told])
            await self._check(history, record)
            try:
                await self._leave(record, told, rows, recorded)
            except RunStateError:
                continue  # it was told something meanwhile
            return history
        raise RunStateError(run_id, PAUSED, "moved", f"It was told something {LOOKS_MAX} times in a row meanwhile.")

    async def _check(self, history: History, record: RunRecord) -> None:
        """Find that a run can be moved before anything is done that cannot be taken back."""
        started = history.started
        if started.parent:
            parent = await self._engine.describe(started.parent.partition("@")[0])
            if parent.status not in TERMINAL:
                raise ForkError(
                    record.execution,
                    f"as it is the child of {started.parent}, which waits for it here",
                    "Let it end here; or move it when its parent has ended.",
                )
        children = [step for step, each in open_decisions(history.events).items() if isinstance(each, ChildScheduled)]
        if children:
            raise ForkError(
                record.execution,
                f"while its child {children[0]} is under way here",
                "Move it when its children have ended.",
            )
        self._there.past_of(history, record)
        if await self._there.has_another(record):
            raise RunConflictError(record.run_id, "run on the cluster")

    async def _leave(
        self, record: RunRecord, told: Sequence[AnyEvent], rows: Sequence[InboxRow], recorded: History
    ) -> None:
        pages = await self._store.pages(record.execution_id, 0)
        head = pages[-1].hash if pages else ROOT
        first = len(recorded.events) + 1
        blobs: dict[bytes, bytes] = {}
        codec = self._store.codec
        place = b"" if codec is None else page_place(record.run_id, record.execution, first)
        last = WorkflowTerminated(await self._store.now(), self._words)
        page = seal([*told, last], first, head, blobs, codec, place)
        outcome = msgspec.msgpack.encode(Outcome(TERMINATED, reason=self._words))
        inbox = tuple(each.inbox_id for each in rows)
        closing = Closing(TERMINATED, outcome)
        (result,) = await self._store.write(
            [MoveAway(record.execution_id, record.run_id, inbox, page, closing, tuple(blobs.items()))]
        )
        if isinstance(result, HoldfastError):
            raise result

    async def _begin(self, record: RunRecord, history: History) -> Moved:
        plan = await self._there.take_over(history, record)
        return Moved(record.run_id, record.execution, plan.recorded, plan.again)

    async def _read(self, record: RunRecord) -> History:
        events = [each.event for each in await self._engine.history(record.execution)]
        return History(events, await read_outcomes(self._store, record.execution_id))


def _told(events: Sequence[AnyEvent], rows: Iterable[InboxRow], run_id: str) -> list[AnyEvent]:
    """Return what a run was told and has not taken, as it would stand in its history.

    Of a fan-out that has just ended nothing is told: it is done again.
    """
    standing = _Standing({step: _Waiting(_command_of(each)) for step, each in open_decisions(events).items()})
    told: list[AnyEvent] = []
    for row in rows:
        if row.kind == "terminate":
            raise RunStateError(run_id, PAUSED, "moved", "It was told to terminate: resume it, and it ends.")
        entry = None if row.kind == "fan_out" else decide_entry(row, standing)
        if entry is not None:
            told.append(entry)  # type: ignore[arg-type]  # each of them is one
            step = getattr(entry, "step", None)
            if step is not None and row.kind != "child_started":
                standing.open.pop(step, None)
    return told


def _command_of(event: Decision) -> Any:
    return ParkRun(event.step, event.reason) if isinstance(event, RunParked) else event
