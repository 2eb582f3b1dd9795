"""Notices: who is told that runs have ended.

Owns: a list of them.
Must not know: what a notice says.
"""

from __future__ import annotations

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.history import is_encrypted
from holdfast.ports.operations import NoticeRecord


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
