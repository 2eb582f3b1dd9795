"""Members: live processes with a lease, and the end of those that went silent.

Owns: the table `members`; who counts as alive.
Must not know: what members do.

Theory of operation
===================

A member that went silent is not dead when its lease runs out, but when somebody reaps it. Until then nobody else has
its work, so it may still write, and may renew its lease. From then on every write that names it is refused: the check
is part of the write's own transaction, and the reaper's transaction cannot lie in between.

A reaper that was itself away (its machine slept, the disk hung) sees everybody's lease run out at once, though the
others were kept from renewing by the same thing. So it waits for one full lease first. It notices by the time since it
last looked: it has to look more often than every half lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import FencedError
from holdfast.ports.operations import Beat, Join, Leave, MemberRecord, Membership, Reap, Reaped
from holdfast.stores.sql import deadlines, executions, parts

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

MEMBERS_KEPT_SECONDS: Final = 86_400.0
"""How long a member that died or left is remembered."""

_AWAY_LEASES: Final = 0.5
"""A reaper that did not look for this many of its leases was away."""

_NOTE_LEASES: Final = 0.125
"""How stale the note of a reaper's last look may get: a look that finds nothing should not write."""

_WORKFLOWS, _POOLS, _VERSIONS, _PREFIXES = 9, 10, 14, 15
"""Where a MemberRecord has what is stored as JSON."""

_encode = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_versions = msgspec.json.Decoder(dict[str, str]).decode
_decode_prefixes = msgspec.json.Decoder(dict[str, float]).decode
_decode_pools = msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode


def join(session: Session, operation: Join) -> Membership:
    """Make a member; forget those that are gone for long."""
    membership = Membership(session.next_token(), session.next_token())
    session.run("forget_members", (session.now - MEMBERS_KEPT_SECONDS,))
    session.run(
        "join_member",
        (
            membership.member,
            membership.epoch,
            operation.name,
            operation.kind,
            operation.host,
            operation.pid,
            session.now,
            session.now + max(operation.lease_seconds, operation.first_seconds),
            operation.lease_seconds,
            _encode(operation.workflows).decode(),
            _encode(operation.pools).decode(),
            _encode(operation.versions).decode(),
        ),
    )
    return membership


def beat(session: Session, operation: Beat) -> bool:
    """Renew a lease.

    Raises:
        FencedError: the member was declared dead, or left.
    """
    membership, lease = operation.membership, operation.lease_seconds
    if not session.run(
        "beat_member", (membership.member, membership.epoch, session.now + lease, lease, operation.state)
    ):
        raise FencedError(f"a heartbeat of member {membership.member}")
    return True


def leave(session: Session, operation: Leave) -> bool:
    """End a membership in good order.

    Raises:
        FencedError: the member was declared dead, or left before.
    """
    member = operation.membership.member
    if session.row("check_member", (member, operation.membership.epoch)) is None:
        raise FencedError(f"the farewell of member {member}")
    session.run("end_member", (member, "left"))
    executions.free_member(session, member, None)
    parts.free_member(session, member, None)
    return True


def reap(session: Session, operation: Reap) -> Reaped:
    """Declare members dead whose process is gone or whose lease ran out, and free what they held."""
    reaper = 0 if session.membership is None else session.membership.member
    dead = [row for row in session.rows("living_members", (reaper,)) if session.is_gone(row[0])]
    if _may_reap(session):
        parts.expire(session)
        known = {member for member, _ in dead}
        expired = session.rows("expired_members", (session.now, reaper))
        dead += [row for row in expired if row[0] not in known]
    runs = tasks = 0
    for member, _ in dead:
        session.run("end_member", (member, "dead"))
        runs += executions.free_member(session, member, operation.recoveries_max)
        tasks += parts.free_member(session, member, operation.recoveries_max)
    deadlines.expire(session)
    return Reaped(tuple(name for _, name in dead), runs, tasks, tuple(session.parked))


def _may_reap(session: Session) -> bool:
    """Note that the writing member looks for the dead; return whether it was there all the time."""
    if session.membership is None:
        return True  # somebody who acts once, by hand
    row = session.row("read_reaper", (session.member,))
    assert row is not None, "the writing member was checked in this transaction"
    reaped_at, reaps_from, lease = row
    silent = session.now - reaped_at
    # One that always looks late would wait for ever: having waited once, it is only away after a full lease.
    waited = reaps_from > reaped_at and silent <= lease
    if silent > lease * _AWAY_LEASES and not waited:
        reaps_from = session.now + lease
    if silent > lease * _NOTE_LEASES:
        session.run("note_reaper", (session.member, session.now, reaps_from))
    return bool(session.now >= reaps_from)


# --- Reads -------------------------------------------------------------------------------------------------------


def read(reader: Reader, now: float) -> list[MemberRecord]:
    """Return all members that did not leave, newest first."""
    rows = reader.rows("read_members", (now,))
    records = []
    for row in rows:
        values: list[Any] = list(row)
        values[_WORKFLOWS] = _decode_names(values[_WORKFLOWS])
        values[_POOLS] = _decode_pools(values[_POOLS])
        values[_VERSIONS] = _decode_versions(values[_VERSIONS])
        values[_PREFIXES] = tuple(_decode_prefixes(values[_PREFIXES]))
        records.append(MemberRecord(*values))
    return records


def count_refused(reader: Reader) -> int:
    """Return how many writes were refused because their member had lost what it wrote to."""
    refused: int = reader.value("read_refused")
    return refused


HANDLERS: Final[dict[type, Handler]] = {Join: join, Beat: beat, Leave: leave, Reap: reap}
