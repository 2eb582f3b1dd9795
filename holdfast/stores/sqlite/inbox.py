"""Messages to executions: what anybody but the owner may write.

Owns: the tables `inbox` and `delivered`.
Must not know: what a message means to the workflow that gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ports.bus import RUNS
from holdfast.ports.operations import TERMINAL

if TYPE_CHECKING:
    from holdfast.stores.sqlite.session import Session


def put(  # noqa: PLR0913 - a message has this many parts
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
        session.run("put_delivered", (execution_id, operation_id, inbox_id))
    session.run(
        "put_inbox", (execution_id, inbox_id, owner, kind, name, body, operation_id, sender, session.now)
    )
    if owner is None and not ready:
        session.run("make_ready", (execution_id,))
    session.rings.add(RUNS)
    return inbox_id
