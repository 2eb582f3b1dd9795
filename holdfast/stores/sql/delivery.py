"""Messages from outside to runs: what anybody but the owner may write.

Owns: the operation `Deliver`, and what a message changes besides lying in an inbox.
Must not know: what a message means to the workflow that gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import CallbackGoneError, RunClosedError, RunNotFoundError
from holdfast.ports.operations import PARKED, RUNNING, TERMINAL, Deliver, Delivered
from holdfast.stores.sql import changes, executions, inbox, parts

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Session


def deliver(session: Session, operation: Deliver) -> Delivered:
    """Put a message into the inbox of an execution; terminate one that nobody owns without further ado.

    It is the run's newest one, or the one that the message names.

    Raises:
        RunNotFoundError: there is no such run.
        RunClosedError: it has ended.
        CallbackGoneError: it may be delivered once, and was.
    """
    if operation.number:
        found = session.row("numbered_execution", (operation.run_id, operation.number))
    else:
        found = executions.find(session, operation.run_id)
    if found is None:
        raise RunNotFoundError(operation.run_id)
    execution_id, owner, status = found
    if status in TERMINAL:
        raise RunClosedError(operation.run_id, status)
    if operation.once and session.row("find_delivered", (execution_id, operation.operation_id)) is not None:
        raise CallbackGoneError("it was answered before")
    inbox_id = hand(
        session,
        found,
        operation.kind,
        operation.name,
        operation.body,
        operation.operation_id,
        operation.sender,
    )
    return Delivered(execution_id, inbox_id, owner if inbox_id else None, operation.run_id)


def hand(
    session: Session,
    found: tuple[int, int | None, str],
    kind: str,
    name: str,
    body: bytes,
    operation_id: str,
    sender: str = "",
) -> int:
    """Hand a message to an execution that has not ended; return its inbox id, or 0 where it ends without an owner.

    Args:
        session: the write it is part of.
        found: (id, owner, status) of the execution.
        kind: what is done: `signal`, `cancel` or `terminate`.
        name: of the signal.
        body: what it carries.
        operation_id: makes a second delivery harmless.
        sender: who sends it.
    """
    execution_id, owner, status = found
    if kind == "terminate" and owner is None:
        session.endings.append((execution_id, body))
        return 0
    if kind == "cancel" and owner is None and executions.is_scheduled(session, execution_id):
        session.called_off.append((execution_id, body))
        return 0
    if kind == "cancel" and status == PARKED:
        # Only its code can cancel it, so it gets one more try. No death is forgiven: poison parks it again at once.
        session.run("unpark_execution", (execution_id,))
        changes.note(session, execution_id, RUNNING)
        parts.resume(session, execution_id, forgive=False)
    return inbox.put(session, execution_id, kind, name, body, operation_id, sender)


HANDLERS: Final[dict[type, Handler]] = {Deliver: deliver}
