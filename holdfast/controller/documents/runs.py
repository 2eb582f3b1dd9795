"""Runs, as the API shows them.

Owns: a run, lists of runs, a history.
Must not know: what is done to runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.controller.documents.base import Document
from holdfast.controller.events import failure_document
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.history import Failure, decode_attributes
from holdfast.ports.engine import Outcome, decode_end, decode_memo
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    PARKED,
    PAUSED,
    RUNNING,
    TERMINAL,
    TERMINATED,
    TIMED_OUT,
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
    start_at: str | None
    """When it is to begin, while it has not."""
    attributes: dict[str, str | bool | int | float]
    """What it is found by. Times are text, in UTC."""
    memo: dict[str, str] | None
    """What was noted about it; null when it is encrypted, and the key is not here."""
    result: Any = UNSET
    """When it is COMPLETED and payloads were asked for."""
    error: dict[str, Any] | UnsetType = UNSET
    """When it ended otherwise and payloads were asked for: `type`, `message`, and perhaps a `cause`."""
    warning: str | UnsetType = UNSET
    """Why the signal that came with its start may never be looked at: the workflow handles others."""


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
        start_at=iso_time_or_none(record.starts_at or None),
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
        start_at=None,
        attributes=_values(attributes),
        memo=memo,
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
