"""What the API takes and answers with, as values.

Owns: the shape of every JSON document but events and problems, and making them from a store's records.
Must not know: HTTP, how the records were found.

The OpenAPI description is made from these classes, so what it says is what is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.controller.events import failure_document
from holdfast.controller.keys import OVERLAP_SECONDS, OVERLAP_SECONDS_MAX, Scope
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.history import Failure, decode_attributes, is_encrypted
from holdfast.ports import operations
from holdfast.ports.captures import CaptureEntry
from holdfast.ports.engine import Cause, Outcome, decode_end, decode_memo
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    PARKED,
    PAUSED,
    RUNNING,
    TERMINAL,
    TERMINATED,
    TIMED_OUT,
    KeyRecord,
    LockRecord,
    MemberRecord,
    NoticeRecord,
    PoolRecord,
    RunRecord,
)

STATUSES: Final = frozenset({RUNNING, PARKED, PAUSED, *TERMINAL})

_decode_json: Final = msgspec.json.Decoder().decode
_ERROR_NAMES: Final = {
    CANCELLED: "RunCancelledError",
    TERMINATED: "RunTerminatedError",
    TIMED_OUT: "RunTimedOutError",
}
"""What the client raises for an end that no exception of the user's explains."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all documents."""


class Reason(Document, frozen=True, forbid_unknown_fields=True):
    """Why a run is cancelled, terminated or paused."""

    reason: str = ""


class KeyRequest(Document, frozen=True, forbid_unknown_fields=True):
    """A key that is to be made."""

    name: str
    scopes: list[Scope]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    workflows: list[str] = []
    """The only workflows it is for, with their runs; none is all of them."""
    rate_limit: str = ""
    """How many requests it may make, such as `100/s` or `600/m`; empty leaves it to the server's setting."""


class KeyRotation(Document, frozen=True, forbid_unknown_fields=True):
    """How a key gets another secret."""

    overlap_seconds: Annotated[float, msgspec.Meta(ge=0, le=OVERLAP_SECONDS_MAX)] = OVERLAP_SECONDS
    """How long the secret it has stays good."""


class Paused(Document, frozen=True):
    """Why a run does not move although nothing is wrong with it."""

    by: str
    reason: str
    at: str | None


class Run(Document, frozen=True):
    """A run: its newest execution, or the one that was asked for."""

    run_id: str
    execution: str
    workflow: str
    status: str
    """RUNNING, PARKED, PAUSED, COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT or CONTINUED_AS_NEW."""
    created_at: str
    closed_at: str | None
    parked: str | None
    """Why it does not go on by itself, when it is parked."""
    paused: Paused | None
    """Who keeps it from going on, when it is paused."""
    owner: str | None
    """The member that runs it now."""
    last_event: int
    code_version: str
    recoveries: int
    wake_at: str | None
    attributes: dict[str, str | bool | int | float]
    """What it is found by. Times are text, in UTC."""
    memo: dict[str, str] | None
    """What was noted about it; null when it is encrypted, and the key is not here."""
    result: Any = UNSET
    """When it is COMPLETED and payloads were asked for."""
    error: dict[str, Any] | UnsetType = UNSET
    """When it ended otherwise and payloads were asked for: `type`, `message`, and perhaps a `cause`."""


class Taken(Document, frozen=True):
    """An answer to a callback that cannot be lost any more."""

    taken: bool = True


class WhyNot(Document, frozen=True):
    """One reason why a run does not move."""

    kind: str
    """A word for programs, such as `no-worker`."""
    text: str
    step: str
    since: str | None
    remedy: str
    """What can be done, where something can."""
    run: str
    """The run that this is about, where it is another one."""
    causes: list[WhyNot]
    """Why that run does not move."""


class Explained(Document, frozen=True):
    """Why a run does not move, as a chain of causes."""

    run_id: str
    execution: str
    status: str
    causes: list[WhyNot]


class Where(Document, frozen=True, forbid_unknown_fields=True):
    """Which runs are meant. All that is given has to hold."""

    workflow: str | None = None
    status: list[str] = []
    """Any of these; none is those that the verb means something for."""
    created_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    created_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    error: str = ""
    """Text in what is said of its failure, or of why it is parked."""
    attributes: dict[str, str] = {}
    """By name, the value an attribute has to have, as it is written: `eu`, `12.5`, `true`."""


class Bulk(Document, frozen=True, forbid_unknown_fields=True):
    """One thing to be done to many runs."""

    verb: Literal["cancel", "terminate", "pause", "resume"]
    where: Where
    reason: str = ""
    preview: bool = False
    """Only say how many runs are meant."""
    cursor: str | None = None
    """`next` of the part before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200


class Refused(Document, frozen=True):
    """A run to which nothing was done, and why."""

    run_id: str
    why: str


class BulkAnswer(Document, frozen=True):
    """What came of a part of it."""

    matched: int
    """How many runs were meant before this; no further than 100,000 is counted."""
    done: list[str]
    refused: list[Refused]
    next: str | None
    """Send the same request again with this as `cursor` for the next part; null at the end."""


class SignalledStart(Document, frozen=True, forbid_unknown_fields=True):
    """The input of a run, and the arguments of the signal that comes with its start."""

    input: Any = None
    signal: Any = None


class ForkBody(Document, frozen=True, forbid_unknown_fields=True):
    """A run that is to begin with what another one recorded."""

    at: str
    """`start`, a step such as `charge#1` (just before its outcome), or the id of the last event that is kept."""
    id: str | None = None
    override: dict[str, Any] = {}
    """Results to be recorded, by step."""
    input: Any = UNSET
    """Another input; only at `start`."""
    code: str | None = None
    new_keys: bool = False


class ForkAnswer(Document, frozen=True):
    """A run that was forked."""

    run: Run
    not_run_again: list[str]
    """Steps whose recorded results count: they do not run in the new run."""
    run_again: list[str]
    """Steps that were under way at the cut: they run in the new run, from their beginning."""
    idempotency_keys: dict[str, str]
    """By step, under which key of the other run's it runs if it does and its input is unchanged: what went through
    there is not done twice. All other steps have keys of the new run's."""


class BulkFork(Document, frozen=True, forbid_unknown_fields=True):
    """Runs that are all to be forked at the same place."""

    where: Where
    fork: ForkBody
    """Without an id: each fork has one made from its run's."""
    preview: bool = False
    """Only say how many runs are meant."""
    cursor: str | None = None
    """`next` of the part before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class ForkedRun(Document, frozen=True):
    """A run, and the run that was forked from it."""

    run_id: str
    fork: str


class BulkForkAnswer(Document, frozen=True):
    """What came of a part of it."""

    matched: int
    """How many runs were meant before this; no further than 100,000 is counted."""
    forked: list[ForkedRun]
    refused: list[Refused]
    next: str | None
    """Send the same request again with this as `cursor` for the next part; null at the end."""


class RunPage(Document, frozen=True):
    """Some runs, newest first."""

    runs: list[Run]
    next: str | None
    """Give it as `cursor` to get the next page; null at the end."""


class HistoryPage(Document, frozen=True):
    """Some events of one execution, in order."""

    run_id: str
    execution: str
    events: list[dict[str, Any]]
    """Each with `id`, `type`, `time` and the fields of its type."""
    next: int | None
    """Give it as `after` to get the next page; null at the end of what is recorded."""


class Answer(Document, frozen=True):
    """What a query or an update returned."""

    result: Any


class Accepted(Document, frozen=True):
    """A message that will reach its run, whatever happens."""

    run_id: str
    name: str
    operation_id: str
    """Send the same message again with this as Idempotency-Key and it is delivered once."""


class Message(Document, frozen=True):
    """A signal, query or update that a workflow handles."""

    name: str
    description: str
    input: dict[str, Any]
    """JSON Schema of what is sent."""
    output: dict[str, Any] | UnsetType = UNSET
    """JSON Schema of what comes back; a signal gets no answer."""


class WorkflowSummary(Document, frozen=True):
    """A workflow, as the list of all shows it."""

    name: str
    kind: Literal["workflow", "task"]
    """`task` is the workflow of one step that a submitted task is."""
    description: str
    signals: list[str]
    queries: list[str]
    updates: list[str]


class WorkflowList(Document, frozen=True):
    """All workflows this controller knows, by name."""

    workflows: list[WorkflowSummary]


class Workflow(Document, frozen=True):
    """A workflow with the JSON Schemas (draft 2020-12) of everything that goes in and comes out."""

    name: str
    kind: Literal["workflow", "task"]
    description: str
    where: str
    """Place of its definition."""
    code_version: str
    input: dict[str, Any]
    output: dict[str, Any]
    signals: list[Message]
    queries: list[Message]
    updates: list[Message]


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


class Capture(Document, frozen=True):
    """What is known of a capture without reading it whole."""

    name: str
    workflow: str
    run_id: str
    execution: str
    reason: str
    """`failed`, `timed out`, `diverged`, `sampled` or `asked for`; empty when the file does not say."""
    status: str
    """The run's status when it was captured."""
    captured_at: str
    failure: dict[str, str] | None
    """How the run failed: `type` and `message`."""
    code_version: str
    size_bytes: int
    problem: str | None
    """Why the file cannot be read, when it cannot."""


class CapturePage(Document, frozen=True):
    """Some captures, newest first."""

    captures: list[Capture]
    next: str | None
    """Give it as `cursor` to get the next page; null at the end."""


class Key(Document, frozen=True):
    """An API key, without its secret."""

    name: str
    scopes: list[str]
    created_at: str | None
    expires_at: str | None
    revoked: bool
    workflows: list[str]
    """The only workflows it is for; empty is all of them."""
    rate_limit: str
    """How many requests it may make; empty leaves it to the server's setting."""
    last_used_at: str | None
    """To within a minute; null when it never was."""
    old_secret_until: str | None
    """How long the secret that it had before it was renewed stays good, or did."""


class NewKey(Document, frozen=True):
    """A key that was made just now. `key` is shown this once and is not kept."""

    name: str
    scopes: list[str]
    expires_at: str | None
    key: str
    workflows: list[str] = []
    rate_limit: str = ""


class RotatedKey(Document, frozen=True):
    """A key that has another secret from now on. `key` is shown this once and is not kept."""

    name: str
    key: str
    old_secret_until: str | None
    """How long the secret that it had stays good."""


class KeyList(Document, frozen=True):
    """All API keys, revoked ones included."""

    keys: list[Key]


class AuditEntry(Document, frozen=True):
    """One thing that somebody did."""

    id: int
    at: str
    actor: str
    """The name of the key that was used; `cli:` and a person's name; or `local`, on a machine without keys."""
    action: str
    """start, signal, cancel, terminate, pause, resume, fork; break-lock, resend-notice; create-, rotate- or revoke-key;
    put-, delete-, pause-, resume- or backfill-schedule."""
    target: str
    """The run's id, the name of the lock, key or schedule, or the number of the notice."""
    detail: str
    """The workflow that was started, the signal that was sent, the run that was forked, the scopes of the key."""


class AuditPage(Document, frozen=True):
    """Some entries of the audit log, newest first."""

    entries: list[AuditEntry]
    next: str | None
    """Give it as `cursor` to get the next page; null at the end."""


class Notice(Document, frozen=True):
    """Somebody who is told that a run has ended."""

    id: int
    run_id: str
    execution: str
    url: str | None
    """Null when it is encrypted, and the key is not here."""
    status: str
    """WAITING for the run's end, DUE, SENT, or UNSENT: given up."""
    attempts: int
    next_attempt_at: str | None
    changed_at: str
    error: str
    """What was wrong with the last attempt."""


class NoticePage(Document, frozen=True):
    """Some notices, newest first."""

    notices: list[Notice]
    next: int | None
    """Give it as `cursor` to get the next page; null at the end."""


class Health(Document, frozen=True):
    """How this process is."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}


# --- From records ------------------------------------------------------------------------------------------------


def run_document(record: RunRecord, *, payloads: bool = True) -> Run:
    """Return a run; with `payloads` also its result or error when it has ended."""
    result: Any = UNSET
    error: dict[str, Any] | UnsetType = UNSET
    if payloads and record.status in TERMINAL and record.outcome:
        outcome = decode_end(record.outcome)
        if outcome.status == COMPLETED:
            result = None if outcome.result is None else _decode_json(outcome.result)
        else:
            error = failure_document(outcome.failure or _failure_of(outcome))
    return Run(
        run_id=record.run_id,
        execution=record.execution,
        workflow=record.workflow,
        status=record.status,
        created_at=iso_time(record.created_at),
        closed_at=iso_time_or_none(record.closed_at),
        parked=record.parked or None,
        paused=_paused(record),
        owner=record.owner or None,
        last_event=record.last_event,
        code_version=record.code_version,
        recoveries=record.recoveries,
        wake_at=iso_time_or_none(record.wake_at),
        attributes=_attributes(record),
        memo=decode_memo(record.memo),
        result=result,
        error=error,
    )


def begun_document(record: RunRecord, attributes: dict[str, str], memo: dict[str, str]) -> Run:
    """Return a run as it began, whatever has become of it since."""
    return msgspec.structs.replace(
        run_document(record, payloads=False),
        status=RUNNING,
        closed_at=None,
        parked=None,
        paused=None,
        owner=None,
        last_event=1,
        recoveries=0,
        wake_at=None,
        attributes=_values(attributes),
        memo=memo,
    )


def cause_document(cause: Cause) -> WhyNot:
    """Return one reason why a run does not move."""
    return WhyNot(
        kind=cause.kind,
        text=cause.text,
        step=cause.step,
        since=iso_time_or_none(cause.since),
        remedy=cause.remedy,
        run=cause.run,
        causes=[cause_document(each) for each in cause.causes],
    )


def _attributes(record: RunRecord) -> dict[str, str | bool | int | float]:
    return _values(record.attributes)


def _values(literals: dict[str, str]) -> dict[str, str | bool | int | float]:
    values = decode_attributes(literals)
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in values.items()}


def _paused(record: RunRecord) -> Paused | None:
    if record.status != PAUSED:
        return None
    return Paused(by=record.paused_by, reason=record.paused_reason, at=iso_time_or_none(record.paused_at))


def _failure_of(outcome: Outcome) -> Failure:
    return Failure(_ERROR_NAMES.get(outcome.status, "RunFailedError"), outcome.reason)


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
    )


def pool_document(record: PoolRecord) -> Pool:
    """Return one pool's load."""
    return Pool(
        pool=record.pool,
        backlog=record.backlog,
        in_flight=record.in_flight,
        oldest_seconds=record.oldest_seconds,
        slots=record.slots,
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


def capture_document(entry: CaptureEntry) -> Capture:
    """Return what is known of a capture."""
    note = entry.note
    failure = note.failure if note is not None else None
    return Capture(
        name=entry.name,
        workflow=entry.workflow,
        run_id=entry.run_id,
        execution=entry.execution,
        reason=note.reason if note is not None else "",
        status=note.status if note is not None else "",
        captured_at=iso_time(entry.captured_at),
        failure={"type": failure.type, "message": failure.message} if failure is not None else None,
        code_version=note.code_version if note is not None else "",
        size_bytes=entry.size_bytes,
        problem=entry.problem or None,
    )


def audit_document(entry: operations.AuditEntry) -> AuditEntry:
    """Return one entry of the audit log."""
    return AuditEntry(
        id=entry.entry_id,
        at=iso_time(entry.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        detail=entry.detail,
    )


def notice_document(record: NoticeRecord) -> Notice:
    """Return somebody who is told that a run has ended."""
    return Notice(
        id=record.notice_id,
        run_id=record.run_id,
        execution=record.execution,
        url=None if is_encrypted(record.url) else record.url.decode(),
        status=record.status,
        attempts=record.attempt,
        next_attempt_at=iso_time_or_none(record.due),
        changed_at=iso_time(record.changed_at),
        error=record.error,
    )


def key_document(record: KeyRecord) -> Key:
    """Return an API key, without its secret and without the hash of it."""
    return Key(
        name=record.name,
        scopes=list(record.scopes),
        created_at=iso_time(record.created_at),
        expires_at=iso_time_or_none(record.expires_at),
        revoked=record.revoked,
        workflows=list(record.workflows),
        rate_limit=record.rate_limit,
        last_used_at=iso_time_or_none(record.last_used_at),
        old_secret_until=iso_time_or_none(record.old_until or None),
    )
