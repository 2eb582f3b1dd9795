"""The ledger: what was done, once, by name.

Owns: the table `ledger`.
Must not know: what an entry stands for.

An entry is leased, done, or neither. The newest token is on it, also after it was done: a result handed in with an
older one is refused, because its author lost the lease. Done is final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import AlreadyProcessed, LeaseHeld, LeaseLost
from holdfast.ports.operations import CloseEntry, EntryRecord, MarkDone, OpenEntry, RenewEntry

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session


def open_entry(session: Session, operation: OpenEntry) -> int:
    """Lease an entry; return the token.

    Raises:
        AlreadyProcessed: it is done.
        LeaseHeld: its lease is live, whoever has it: two threads may go by one name.
    """
    row = session.row("find_entry", (operation.name,))
    if row is not None:
        holder, _, expires_at, _, done_at = row
        if done_at is not None:
            raise AlreadyProcessed(operation.name)
        if expires_at > session.now:
            raise LeaseHeld(operation.name, holder)
    token = session.next_token()
    session.run("lease_entry", (operation.name, operation.holder, token, session.now + operation.lease_seconds))
    return token


def renew_entry(session: Session, operation: RenewEntry) -> bool:
    """Renew the lease of an entry.

    Raises:
        LeaseLost: it expired, or the entry is done or somebody else's.
    """
    expires_at = session.now + operation.lease_seconds
    if not session.run("renew_entry", (operation.name, operation.token, expires_at, session.now)):
        raise LeaseLost(operation.name)
    return True


def close_entry(session: Session, operation: CloseEntry) -> bool:
    """Give up the lease of an entry that is not done.

    Raises:
        LeaseLost: the entry is done or somebody else's.
    """
    if not session.run("close_entry", (operation.name, operation.token)):
        raise LeaseLost(operation.name)
    return True


def mark_done(session: Session, operation: MarkDone) -> bool:
    """Record an entry's result. The very same write again is not refused.

    Raises:
        LeaseLost: the token is not the newest.
        AlreadyProcessed: another result stands.
        LeaseHeld: without a token, while somebody's lease is live.
    """
    name, token = operation.name, operation.token
    row = session.row("find_entry", (name,))
    if row is None:
        if token is not None:
            raise LeaseLost(name)
        session.run("finish_entry", (name, session.next_token(), operation.result, session.now))
        return True
    holder, newest, expires_at, result, done_at = row
    if token is not None and token != newest:
        raise LeaseLost(name)
    if done_at is not None:
        if token is not None and operation.result == result:
            return True
        raise AlreadyProcessed(name)
    if token is None and expires_at > session.now:
        raise LeaseHeld(name, holder)
    # Without a token: the lease that was there ended, and its late owner must not count as the newest.
    session.run("finish_entry", (name, token or session.next_token(), operation.result, session.now))
    return True


def read_entry(reader: Reader, name: str) -> EntryRecord | None:
    """Return an entry, None when there is none."""
    row = reader.row("read_entry", (name,))
    if row is None:
        return None
    name, done, result, done_at, holder = row
    return EntryRecord(name=name, done=bool(done), result=result, done_at=done_at, holder=holder)


HANDLERS: Final[dict[type, Handler]] = {
    OpenEntry: open_entry,
    RenewEntry: renew_entry,
    CloseEntry: close_entry,
    MarkDone: mark_done,
}
