"""Notices: whom to tell that a run has ended.

Owns: the table `notices`.
Must not know: what a notice says, how it is sent.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from holdfast.ports.bus import CLOSED
from holdfast.ports.operations import (
    DUE,
    ClaimedNotice,
    ClaimNotices,
    NoticeRecord,
    ResendNotice,
    SettleNotice,
)
from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.stores.sql.session import Handler, Reader, Session


def put(session: Session, execution_id: int, urls: Sequence[bytes]) -> None:
    """Have these told when an execution ends."""
    session.run_many("put_notice", [(execution_id, url, session.now) for url in urls])


def move(session: Session, before: int, after: int) -> None:
    """Let the notices of an execution wait for the end of the one that follows it."""
    session.run("move_notices", (before, after))


def release(session: Session, execution_id: int) -> None:
    """Make the notices of an execution that ends due."""
    session.run("release_notices", (execution_id, session.now))


def claim(session: Session, operation: ClaimNotices) -> tuple[ClaimedNotice, ...]:
    """Take notices that are due."""
    found = session.rows("due_notices", (session.now, operation.limit))
    again = session.now + operation.seconds
    session.run_many("claim_notice", [(row[0], row[4], again, session.now) for row in found])
    return tuple(
        ClaimedNotice(notice_id, run_id, executions.name_of(run_id, number), url, attempt, closed_at)
        for notice_id, run_id, number, url, attempt, closed_at in found
    )


def settle(session: Session, operation: SettleNotice) -> bool:
    """Say what came of a try."""
    due = session.now + operation.seconds if operation.status == DUE else None
    row = (operation.notice_id, operation.attempt, operation.status, due, session.now, operation.error)
    return session.run("settle_notice", row) > 0


def resend(session: Session, operation: ResendNotice) -> bool:
    """Make a notice due now that was sent or given up."""
    found = session.run("resend_notice", (operation.notice_id, session.now)) > 0
    if found:
        session.rings.add(CLOSED)
    return found


# --- Reads -------------------------------------------------------------------------------------------------------


def next_due(reader: Reader) -> float | None:
    """Return when the next notice is due, None when there is none."""
    due: float | None = reader.value("next_notice")
    return due


def read_notices(reader: Reader, status: str, run_id: str, before: int | None, limit: int) -> list[NoticeRecord]:
    """Return notices, the newest first."""
    bindings = (sys.maxsize if before is None else before, status, run_id, limit)
    return [
        NoticeRecord(
            notice_id=notice_id,
            run_id=run_id,
            execution=executions.name_of(run_id, number),
            url=url,
            status=status,
            attempt=attempt,
            due=due,
            changed_at=changed,
            error=error,
        )
        for notice_id, run_id, number, url, status, attempt, due, changed, error in reader.rows(
            "read_notices", bindings
        )
    ]


HANDLERS: Final[dict[type, Handler]] = {ClaimNotices: claim, SettleNotice: settle, ResendNotice: resend}
