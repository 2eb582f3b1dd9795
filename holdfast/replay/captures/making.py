"""A run's history made into a capture.

Owns: what a capture says about its run, its redaction, its file's name.
Must not know: stores, folders, when captures are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from holdfast.history import CaptureNote, History, captured_failure, to_json
from holdfast.ports.engine import decode_end
from holdfast.ports.operations import FAILED, PARKED, TIMED_OUT, RunRecord
from holdfast.replay.redaction import RedactionRules, redact_history

DIVERGED_PREFIX: Final = "DIVERGED"
"""How the reason begins for which a run is parked whose code does not fit its history."""

NAME_CHARACTERS_MAX: Final = 80
"""How much of a workflow's name, and of a run id, a file's name holds."""

_PLAIN: Final = re.compile(r"[^A-Za-z0-9_@=+,-]+")


class CodePlace(NamedTuple):
    """Where a workflow's code is."""

    module: str
    name: str


def reason_of(record: RunRecord) -> str:
    """Return why a capture is made of a run by itself; empty when there is no reason to."""
    match record.status:
        case status if status == FAILED:
            return "failed"
        case status if status == TIMED_OUT:
            return "timed out"
        case status if status == PARKED and record.parked.startswith(DIVERGED_PREFIX):
            return "diverged"
        case _:
            return ""


def capture_history(
    history: History,
    record: RunRecord,
    *,
    reason: str,
    now: float,
    rules: RedactionRules,
    place: CodePlace | None = None,
    parameter: Callable[[str], str] | None = None,
    version: str = "",
) -> History:
    """Return a history as a capture, without its secrets.

    Args:
        history: everything recorded of the execution.
        record: the execution.
        reason: why it is captured.
        now: seconds since the epoch.
        rules: what is secret.
        place: where the workflow's code is, if that is known.
        parameter: see `redact_history`.
        version: of Holdfast.

    Raises:
        SettingsError: a pattern of the rules is no regular expression.
    """
    outcome = decode_end(record.outcome) if record.outcome else None
    note = CaptureNote(
        reason=reason,
        status=record.status,
        captured_at=iso(now),
        created_at=iso(record.created_at),
        closed_at=iso(record.closed_at) if record.closed_at is not None else "",
        failure=captured_failure(outcome.failure) if outcome is not None else None,
        parked=record.parked,
        code_version=record.code_version or history.started.code_version,
        module=place.module if place is not None else "",
        name=place.name if place is not None else "",
        holdfast=version,
    )
    cleaned, secrets = redact_history(
        replace(history, capture=note, sources=()),  # events are counted as the capture has them, not as a cluster does
        rules,
        parameter,
    )
    assert cleaned.capture is not None, "redaction keeps the note"
    return replace(cleaned, capture=msgspec.structs.replace(cleaned.capture, secrets=secrets))


def write_capture(capture: History) -> bytes:
    """Return a capture as its file has it."""
    return to_json(
        capture.events,
        outcomes=capture.outcomes,
        about=capture.about,
        places=capture.places,
        capture=capture.capture,
        exchanges=capture.exchanges,
        engine=capture.engine,
        drains=capture.drains,
        singly=capture.singly,
    )


def capture_name(capture: History, record: RunRecord) -> str:
    """Return the name of a capture's file, without `.json`: the same for the same part of the same execution.

    A run id is the user's, so its secrets are out of the name as well.
    """
    started = capture.started
    parts = [_plain(started.workflow), _plain(started.execution)]
    if started.execution != record.execution:
        parts.append(f"x{record.execution_id}")  # two run ids may have the same placeholder
    return ".".join([*parts, str(len(capture.events))])


def _plain(text: str) -> str:
    """Return `text` as part of a file's name; what could not stay is told apart by four digits."""
    plain = _PLAIN.sub("-", text).strip("-")[:NAME_CHARACTERS_MAX]
    return plain if plain == text else f"{plain}~{blake2b(text.encode(), digest_size=2).hexdigest()}"


def iso(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601, UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
