"""Executions whose time is up.

Owns: the table `deadlines`.
Must not know: what a timed-out execution's last page looks like.

An owner times its executions out by itself. Here is what is done for those that have none: parked, paused, or of a
workflow that nobody runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Session

EXPIRED_MAX: Final = 1_000
"""How many deadlines one reap looks at."""


def expire(session: Session) -> None:
    """Have executions ended whose time is up and that nobody owns."""
    for execution_id, is_closed, owner in session.rows("due_deadlines", (session.now, EXPIRED_MAX)):
        if is_closed or owner is None:
            session.run("drop_deadline", (execution_id,))
        if not is_closed and owner is None:
            session.expired.append(execution_id)
