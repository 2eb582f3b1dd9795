"""Recorded events as readable JSON.

Owns: how an event looks outside, and which of its fields are payloads.
Must not know: where events come from, HTTP.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.controller.times import iso_time
from holdfast.history import Attempt, BlobRef, Failure
from holdfast.ports.engine import RecordedEvent
from holdfast.ports.operations import RunRecord

_TIMES: Final = frozenset({"due", "deadline"})
_SECRETS: Final = frozenset({"seed", "url"})
"""Who knows a run's seed can tell every `uuid4()` it will ever draw; who has a callback's URL can answer it."""


def event_document(recorded: RecordedEvent, *, payloads: bool = False) -> dict[str, Any]:
    """Return an event as a JSON object: its id, type, time, and its own fields.

    Args:
        recorded: the event.
        payloads: whether inputs, results and tracebacks are part of it; otherwise only the size of payloads is
            (`input_bytes`, `result_bytes`).
    """
    event = recorded.event
    document: dict[str, Any] = {"id": recorded.id, "type": type(event).__name__, "time": iso_time(event.time)}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        match value:
            case _ if name == "time" or (name in _SECRETS and not payloads):
                continue
            case BlobRef() if not payloads:
                document[f"{name}_bytes"] = value.size_bytes
            case BlobRef():
                document[name] = {"blob": value.digest.hex(), "bytes": value.size_bytes}
            case bytes() if name == "digest":
                document[name] = value.hex()
            case bytes() if not payloads:
                document[f"{name}_bytes"] = len(value)
            case bytes():
                document[name] = msgspec.json.decode(value)
            case Failure():
                document[name] = failure_document(value, tracebacks=payloads)
            case tuple() if name == "attempts":
                document[name] = [_attempt(each, tracebacks=payloads) for each in value]
            case float() if name in _TIMES and value:
                document[name] = iso_time(value)
            case _:
                document[name] = value
    return document


def pruned_document(record: RunRecord, words: str) -> dict[str, Any]:
    """Return what is said, in place of its events, of a run whose events are not there any more."""
    closed_at = record.closed_at if record.closed_at is not None else record.created_at
    return {
        "id": record.last_event,
        "type": "HistoryPruned",
        "time": iso_time(closed_at),
        "status": record.status,
        "detail": words,
    }


def failure_document(failure: Failure, *, tracebacks: bool = False) -> dict[str, Any]:
    """Return an exception as a JSON object: `type`, `message`, and where there is one `cause` and `traceback`."""
    document: dict[str, Any] = {"type": failure.type, "message": failure.message}
    if tracebacks and failure.traceback:
        document["traceback"] = failure.traceback
    if failure.cause is not None:
        document["cause"] = failure_document(failure.cause, tracebacks=tracebacks)
    return document


def _attempt(attempt: Attempt, *, tracebacks: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started": iso_time(attempt.started),
        "ended": iso_time(attempt.ended),
        "worker": attempt.worker,
        "failure": None if attempt.failure is None else failure_document(attempt.failure, tracebacks=tracebacks),
    }
