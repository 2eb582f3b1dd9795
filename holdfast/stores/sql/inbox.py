"""Messages to executions: put where their owner finds them, and read.

Owns: the tables `inbox` and `delivered`.
Must not know: what a message means to the workflow that gets it.

A message is in `inbox` until the page it went into is appended. Its operation id stays in `delivered` until the
execution closes, so that somebody who never got the answer may deliver again. When the run goes on as a new execution,
the newest ids go along, however often (`children.CARRIED_MAX`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ports.bus import MAIL, RUNS
from holdfast.ports.operations import TERMINAL, InboxRow

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Reader, Session


def put(
    session: Session,
    execution_id: int,
    kind: str,
    name: str,
    body: bytes,
    operation_id: str,
    sender: str = "",
) -> int:
    """Put a message into an execution's inbox; return its inbox id.

    The same `operation_id` for the same execution is the same message, also after it was read. An empty one is
    always new: for writers that cannot repeat themselves. An execution nobody owns becomes ready to be claimed.
    A closed execution gets nothing, and the answer is 0: whoever must refuse that has to look before.
    """
    found = session.row("find_addressee", (execution_id,))
    if found is None or found[2] in TERMINAL:
        return 0
    owner, ready, _ = found
    if operation_id:
        known = session.row("find_delivered", (execution_id, operation_id))
        if known is not None:
            return int(known[0])
    inbox_id = session.next_token()
    if operation_id:
        session.later("put_delivered", (execution_id, operation_id, inbox_id))
    session.later("put_inbox", (execution_id, inbox_id, owner, kind, name, body, operation_id, sender, session.now))
    if owner is None and not ready:
        session.later("make_ready", (execution_id,))
    session.rings.add(RUNS if owner is None else MAIL)
    return inbox_id


def read_member_inbox(reader: Reader, member: int) -> list[InboxRow]:
    """Return the unread messages of all executions a member owns, oldest first; then which ones were taken from it."""
    return [InboxRow(*row) for row in reader.rows("read_member_inbox", (member,))]


def read_execution_inbox(reader: Reader, execution_id: int) -> list[InboxRow]:
    """Return the unread messages of one execution, oldest first."""
    return [InboxRow(*row) for row in reader.rows("read_execution_inbox", (execution_id,))]
