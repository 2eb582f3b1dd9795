"""Workers, pools, locks, limits, and how a process is.

Owns: the fleet.
Must not know: runs.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, cast

import msgspec

from holdfast.client import unserved
from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.ports.operations import LimitRecord, LockRecord, MemberRecord, PoolRecord

_Kind: TypeAlias = Literal["concurrency", "rate", "host"]
_Circuit: TypeAlias = Literal["closed", "open", "half-open"]


class Worker(Document, frozen=True):
    """A member of the fleet."""

    name: str
    kind: str
    host: str
    pid: int
    state: str
    joined_at: str
    expires_at: str
    workflows: list[str]
    pools: dict[str, int]
    """Slots by pool."""
    runs: int
    tasks: int
    refused: int
    """Writes of it that were refused after it had lost its lease."""
    prefixes: list[str]
    """Digests of the prefixes of prompts that it holds."""


class WorkerList(Document, frozen=True):
    """All members that did not leave, newest first."""

    workers: list[Worker]


class Pool(Document, frozen=True):
    """One pool's load. Scale on `backlog`, `in_flight` and `oldest_seconds` together."""

    pool: str
    backlog: int
    in_flight: int
    oldest_seconds: float
    slots: int
    """Slots of living workers."""
    paused: bool
    """Nothing of it is taken until somebody resumes it."""
    limit: int | None
    """How many of its tasks may be under way at once, in the whole fleet; null for as many as there are slots."""
    warning: str | None
    """What keeps its tasks from being done: nobody serves it."""


class PoolChange(Document, frozen=True, forbid_unknown_fields=True):
    """How a pool is changed."""

    reason: str = ""


class PoolLimit(Document, frozen=True, forbid_unknown_fields=True):
    """How many tasks of a pool may be under way at once; null lifts the limit."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None


class PoolList(Document, frozen=True):
    """Every pool that has work or somebody to do it."""

    pools: list[Pool]


class Lock(Document, frozen=True):
    """One place in a lock's queue."""

    name: str
    slots: int
    holder: str
    held: bool
    token: int
    """Fencing token, when it is held."""
    since: str
    expires_at: str | None


class LockList(Document, frozen=True):
    """Every place in every lock's queue: by name, holders first, then in line."""

    locks: list[Lock]


class LockName(Document, frozen=True, forbid_unknown_fields=True):
    """Which lock is to be broken."""

    name: str


class BrokenLock(Document, frozen=True):
    """A lock that was taken from its holder; the next in line has it now."""

    name: str
    holder: str | None
    """Who held it; null when nobody did."""


class LimitPlace(Document, frozen=True):
    """Who has a place at a limit."""

    holder: str
    """Execution and step."""
    worker: str | None
    """Who runs it; null while nobody has claimed it."""


class Limit(Document, frozen=True):
    """A limit of how many tasks run at once, a rate at which they start, or a host that they call."""

    kind: _Kind
    name: str
    limit: float
    """Places, or units within one window; 0 where a host has said nothing."""
    per_seconds: float | None
    """Length of the window."""
    used: float
    """Places that are held, or units that count now."""
    waiting: int
    """Queued tasks that stand in line."""
    frozen_until: str | None
    """Until when a rate lets nobody start, because a receiver said so."""
    frozen_by: str | None
    """Whose attempt was told."""
    holders: list[LimitPlace]
    circuit: _Circuit | None = None
    """Of a host: open while it fails and is left alone, half-open until one call has found out whether it is back."""
    circuit_until: str | None = None
    """Until when it stays open."""
    reason: str | None = None
    """How the last call failed that opened it."""
    set_by: str | None = None
    """Who set `limit`; null where it is what tasks say."""


class LimitChange(Document, frozen=True, forbid_unknown_fields=True):
    """A limit that is to have another figure than tasks say; null lifts it."""

    kind: Literal["concurrency", "rate"]
    name: str
    limit: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None


class LimitList(Document, frozen=True):
    """Every limit that somebody holds, every rate there is, and every host of which anything is known."""

    limits: list[Limit]


class Health(Document, frozen=True):
    """How this process is."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = msgspec.field(default_factory=dict)


def worker_document(record: MemberRecord) -> Worker:
    """Return a member of the fleet."""
    return Worker(
        name=record.name,
        kind=record.kind,
        host=record.host,
        pid=record.pid,
        state=record.state,
        joined_at=iso_time(record.joined_at),
        expires_at=iso_time(record.expires_at),
        workflows=list(record.workflows),
        pools=dict(record.pools),
        runs=record.runs,
        tasks=record.tasks,
        refused=record.refused,
        prefixes=list(record.prefixes),
    )


def pool_document(record: PoolRecord) -> Pool:
    """Return one pool's load."""
    return Pool(
        pool=record.pool,
        backlog=record.backlog,
        in_flight=record.in_flight,
        oldest_seconds=record.oldest_seconds,
        slots=record.slots,
        paused=record.paused,
        limit=record.limit,
        warning=unserved(record),
    )


def limit_document(record: LimitRecord) -> Limit:
    """Return one limit, rate or host."""
    return Limit(
        kind=cast("_Kind", record.kind),
        name=record.name,
        limit=record.limit,
        per_seconds=record.per_seconds or None,
        used=len(record.holders) if record.kind == "concurrency" else record.used,
        waiting=record.waiting,
        frozen_until=iso_time_or_none(record.frozen_until),
        frozen_by=record.frozen_by or None,
        holders=[LimitPlace(holder=each.holder, worker=each.member or None) for each in record.holders],
        circuit=cast("_Circuit", record.circuit) if record.circuit else None,
        circuit_until=iso_time_or_none(record.circuit_until),
        reason=record.reason or None,
        set_by=record.set_by,
    )


def lock_document(record: LockRecord) -> Lock:
    """Return one place in a lock's queue."""
    return Lock(
        name=record.name,
        slots=record.slots,
        holder=record.holder,
        held=record.held,
        token=record.token,
        since=iso_time(record.since),
        expires_at=iso_time_or_none(record.expires_at),
    )
