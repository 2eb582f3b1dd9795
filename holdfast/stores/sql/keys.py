"""API keys, by the hash of their secret.

Owns: the table `api_keys`.
Must not know: secrets, how they are hashed, what a scope allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import KeyNameError
from holdfast.ports.operations import KeyRecord, NoteUse, PutKey, RevokeKey, RotateKey

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

_encode_json = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


def put(session: Session, operation: PutKey) -> bool:
    """Store a key. The very same key again is not refused.

    Raises:
        KeyNameError: the name or the hash belongs to another key, revoked ones included.
    """
    scopes, workflows = (_encode_json(each).decode() for each in (operation.scopes, operation.workflows))
    name, key_hash, expires_at, rate_limit = (
        operation.name,
        operation.key_hash,
        operation.expires_at,
        operation.rate_limit,
    )
    found = session.rows("find_key", (name, key_hash))
    if found:
        if found == [(name, key_hash, scopes, expires_at, workflows, rate_limit, None)]:
            return True
        raise _taken(name, [each[0] for each in found])
    session.run("put_key", (name, key_hash, scopes, session.now, expires_at, workflows, rate_limit))
    return True


def rotate(session: Session, operation: RotateKey) -> bool:
    """Give a key another secret, and let the one it had be good for a while; return whether there is such a key.

    Raises:
        KeyNameError: it was revoked, or the hash belongs to another key.
    """
    found = session.rows("find_key", (operation.name, operation.key_hash))
    mine = next((each for each in found if each[0] == operation.name), None)
    if mine is None:
        return False
    if len(found) > 1:
        raise _taken(operation.name, [])
    if mine[-1] is not None:
        remedy = "A revoked key stays revoked. Make another: holdfast keys create NAME --scope SCOPE"
        raise KeyNameError(operation.name, "was revoked", remedy)
    if mine[1] != operation.key_hash:
        until = session.now + operation.overlap_seconds
        session.run("rotate_key", (operation.name, operation.key_hash, until))
    return True


def _taken(name: str, names: list[str]) -> KeyNameError:
    """Return why a key cannot be put: its name, or its secret, is another one's."""
    if name not in names:
        return KeyNameError(name, "cannot have the secret of another key", "Make it anew: each has its own.")
    return KeyNameError(
        name,
        "exists already",
        f"Names are not used again, also those of revoked keys, so that the audit log stays true. Take another name, "
        f"or give this one another secret: holdfast keys rotate {name}",
    )


def note_use(session: Session, operation: NoteUse) -> bool:
    """Note when keys were used last."""
    session.run_many("note_key_use", operation.used)
    return True


def revoke(session: Session, operation: RevokeKey) -> bool:
    """Make a key invalid for good; return whether there is one of this name."""
    return session.run("revoke_key", (operation.name, session.now)) > 0


def read_keys(reader: Reader) -> list[KeyRecord]:
    """Return all keys, by name."""
    return [
        KeyRecord(
            name=name,
            key_hash=key_hash,
            scopes=_decode_names(scopes),
            created_at=created_at,
            expires_at=expires_at,
            revoked=bool(revoked),
            workflows=_decode_names(workflows),
            rate_limit=rate_limit,
            last_used_at=last_used_at,
            old_hash=old_hash or b"",
            old_until=old_until or 0.0,
        )
        for (
            name,
            key_hash,
            scopes,
            created_at,
            expires_at,
            revoked,
            workflows,
            rate_limit,
            last_used_at,
            old_hash,
            old_until,
        ) in reader.rows("read_keys")
    ]


HANDLERS: Final[dict[type, Handler]] = {PutKey: put, RotateKey: rotate, NoteUse: note_use, RevokeKey: revoke}
