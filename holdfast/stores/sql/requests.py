"""Requests: queries and updates that one process asks and another answers.

Owns: the table `requests`.
Must not know: what is asked, or what the answer means.

A request is not a fact about a run: it is dropped when it expires, answered or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import RunNotFoundError
from holdfast.ports.bus import REQUESTS, RUNS
from holdfast.ports.operations import Answer, Ask, Request, ReturnRequest, TakeRequests
from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

EXPIRED_MAX: Final = 100
"""How many expired requests each new one, and each look for some, removes at most."""


def ask(session: Session, operation: Ask) -> int:
    """Put a request to a run's newest execution; return its id. The same operation id again is the same request.

    Raises:
        RunNotFoundError: there is no such run.
    """
    row = executions.find(session, operation.run_id)
    if row is None:
        raise RunNotFoundError(operation.run_id)
    session.run("drop_expired_requests", (session.now, EXPIRED_MAX))
    values = (row[0], operation.kind, operation.name, operation.body, operation.operation_id, operation.expires_at)
    (request_id,) = session.rows("ask", (operation.run_id, *values))[0]
    session.rings.add(REQUESTS)
    return int(request_id)


def take(session: Session, operation: TakeRequests) -> tuple[Request, ...]:
    """Claim unanswered requests for runs that the writing member owns or that nobody owns, oldest first.

    A run that nobody owns, and that gets an update, is ready to be claimed: only an owner can answer that.
    """
    member = session.member
    session.run("drop_expired_requests", (session.now, EXPIRED_MAX))
    rows = session.rows("take_requests", (member, session.now, operation.limit))
    for _, _, execution_id, kind, *_ in rows:
        if kind == "update" and session.run("make_unowned_ready", (execution_id,)):
            session.rings.add(RUNS)
    # RETURNING gives rows in no particular order.
    return tuple(Request(*row) for row in sorted(rows))


def answer(session: Session, operation: Answer) -> bool:
    """Answer a request. The first answer stands; nobody minds one to a request that expired."""
    if session.run("answer", (operation.request_id, operation.body)):
        session.rings.add(REQUESTS)
    return True


def return_(session: Session, operation: ReturnRequest) -> bool:
    """Give back a request that the writing member took; whoever owns its run then takes it."""
    session.run("return_request", (operation.request_id, session.member))
    return True


def read_answer(reader: Reader, request_id: int) -> bytes | None:
    """Return the answer to a request, None while there is none."""
    found: bytes | None = reader.value("read_answer", (request_id,))
    return found


HANDLERS: Final[dict[type, Handler]] = {Ask: ask, TakeRequests: take, ReturnRequest: return_, Answer: answer}
