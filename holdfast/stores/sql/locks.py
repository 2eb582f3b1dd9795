"""Locks and semaphores: lines of places, first come, first served.

Owns: the table `lock_places`; who holds what, with which fencing token.
Must not know: what a lock protects.

Theory of operation
===================

Everybody who wants a lock has a place in its line, a row; places with a token hold. Nothing is counted but rows: a slot
is free when fewer places hold than there are slots. Whoever changes a line then grants from its head for as long as a
slot is free, so that no free slot ever waits for somebody to look.

A workflow's place belongs to its execution, has no expiry, and hears of its grant by a message. Anybody else's place
has an expiry and asks again. Places that expired are removed by whoever next asks for the same lock, and by `expire`.

Tokens come from the store-wide counter, so a later grant always has the higher one, whatever happened in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import LockLost
from holdfast.ports.bus import LOCKS
from holdfast.ports.operations import (
    AcquireLease,
    BreakLock,
    LeasedPlace,
    LinePlace,
    LockRecord,
    LockRequest,
    ReleaseLease,
    RenewLease,
)
from holdfast.stores.sql import executions, inbox
from holdfast.stores.sql.deadlocks import cycle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.stores.sql.session import Handler, Reader, Session

WAITING_READ: Final = 2
"""How many of those who wait are looked at together: who may hold now, and who tells that nobody else may."""
EXPIRED_MAX: Final = 1_000
"""How many places one `expire` removes at most; the next one goes on."""

_encode = msgspec.msgpack.Encoder().encode


# --- What an Append brings and takes -----------------------------------------------------------------------------


def request(session: Session, execution_id: int, item: LockRequest) -> None:
    """Join a lock's line for an execution; a grant, now or later, is a message to it."""
    session.insert("join_line", (item.name, item.slots, execution_id, item.step, session.now, None))
    _grant(session, item.name)


def release(session: Session, execution_id: int, steps: Iterable[str]) -> None:
    """End the places of `steps`, held or waiting; steps that have none (any more) are ignored."""
    for step in steps:
        row = session.row("leave_line_by_step", (execution_id, step))
        if row is not None:
            _grant(session, row[0])


def drop(session: Session, execution_id: int) -> None:
    """End all places of an execution."""
    # All of them first: a lock must not be granted to a place that is about to go.
    names = dict.fromkeys(row[0] for row in session.rows("leave_lines", (execution_id,)))
    for name in names:
        _grant(session, name)


def find_leased(session: Session, places: Iterable[LeasedPlace]) -> list[tuple[int, str]]:
    """Return (id, step) of places held by a lease.

    Raises:
        LockLost: one of them is not held any more.
    """
    found = []
    for each in places:
        row = session.row("leased_place", (each.name, each.holder, each.token, session.now))
        if row is None:
            raise LockLost(each.name, each.token)
        found.append((row[0], each.step))
    return found


def take_over(session: Session, execution_id: int, places: Iterable[tuple[int, str]]) -> None:
    """Make places held by a lease an execution's own."""
    session.run_many("take_over_place", [(place, execution_id, step) for place, step in places])


# --- Scripts and tasks -------------------------------------------------------------------------------------------


def acquire(session: Session, operation: AcquireLease) -> int:
    """Join a lock's line, or ask again; return the token when the place holds, else 0."""
    expires_at = session.now + operation.lease_seconds
    found = session.row("find_lease", (operation.name, operation.holder))
    if found is not None and found[2] <= session.now:
        # Who asks too late has lost its place, too.
        session.run("expire_places_of", (operation.name, session.now))
        found = None
    if found is None:
        joining = (operation.name, operation.slots, None, operation.holder, session.now, expires_at)
        place, token = session.insert("join_line", joining), None
    else:
        place, token, _ = found
        session.run("extend_place", (place, expires_at))
    return _grant(session, operation.name, asking=place).get(place, token or 0)


def renew(session: Session, operation: RenewLease) -> bool:
    """Renew a held lease.

    Raises:
        LockLost: it expired, was broken or was given back.
    """
    expires_at = session.now + operation.lease_seconds
    if not session.run("renew_lease", (operation.name, operation.token, expires_at, session.now)):
        raise LockLost(operation.name, operation.token)
    return True


def give_back(session: Session, operation: ReleaseLease) -> bool:
    """End a place, held or waiting.

    Raises:
        LockLost: there is none: it expired or was broken.
    """
    if session.row("leave_line_by_lease", (operation.name, operation.holder, session.now)) is None:
        raise LockLost(operation.name, 0)
    _grant(session, operation.name)
    return True


def break_lock(session: Session, operation: BreakLock) -> str:
    """Take a slot from whoever has held one longest; return the holder's name, '' for nobody."""
    session.run("expire_places_of", (operation.name, session.now))
    place = session.row("first_held", (operation.name,))
    if place is not None:
        session.run("leave_line", (place[0],))
    _grant(session, operation.name)
    return _holder_name(*place[1:]) if place is not None else ""


def expire(session: Session) -> int:
    """Remove places that expired, at most `EXPIRED_MAX`, and grant what that frees; return how many there were."""
    names = [row[0] for row in session.rows("expire_places", (session.now, EXPIRED_MAX))]
    for name in dict.fromkeys(names):
        _grant(session, name)
    return len(names)


def _grant(session: Session, name: str, *, asking: int | None = None) -> dict[int | None, int]:
    """Grant free slots from the head of a line; return place to token. Whoever is `asking` need not be told."""
    granted: dict[int | None, int] = {}
    while waiting := session.rows("first_waiting", (name, WAITING_READ)):
        if (next_expiry := waiting[0][5]) is not None and next_expiry <= session.now:
            session.run("expire_places_of", (name, session.now))
            continue
        for before, (place, slots, execution_id, holder, held, _) in enumerate(waiting):
            if held + before >= slots:
                return granted
            ((token,),) = session.rows("grant_place", (place, session.offer_token(), session.now))
            session.keep_token(token)
            granted[place] = token
            if execution_id is not None:
                inbox.put(session, execution_id, "lock", holder, _encode(token), "")
            elif place != asking:
                session.rings.add(LOCKS)
        if len(waiting) < WAITING_READ:
            return granted  # that was all of the line
    session.run("expire_places_of", (name, session.now))  # nobody who waits said whether somebody's time is over
    return granted


# --- Reads -------------------------------------------------------------------------------------------------------


def read_locks(reader: Reader) -> list[LockRecord]:
    """Return every place: by name, holders first, then in line."""
    return [
        LockRecord(
            name=name,
            slots=slots,
            holder=_holder_name(run_id, number, holder),
            held=token is not None,
            token=token or 0,
            since=since,
            expires_at=expires_at,
        )
        for name, slots, run_id, number, holder, token, since, expires_at in reader.rows("read_locks")
    ]


def read_place(reader: Reader, name: str, holder: str) -> LinePlace | None:
    """Return where a request by lease stands in a lock's line; None when it has no place."""
    row = reader.row("place_in_line", (name, holder))
    if row is None:
        return None
    token, ahead, next_expiry = row
    return LinePlace(token=token or 0, ahead=ahead, next_expiry=next_expiry)


def _holder_name(run_id: str | None, number: int | None, holder: str) -> str:
    return holder if run_id is None or number is None else f"{executions.name_of(run_id, number)}/{holder}"


HANDLERS: Final[dict[type, Handler]] = {
    AcquireLease: acquire,
    RenewLease: renew,
    ReleaseLease: give_back,
    BreakLock: break_lock,
}

__all__ = ["HANDLERS", "cycle", "drop", "expire", "read_locks", "read_place", "release", "request"]
