"""Captures, as the API lists them.

Owns: a list of them.
Must not know: what is in one.
"""

from __future__ import annotations

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time
from holdfast.ports.captures import CaptureEntry


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
