"""API keys, by the hash of their secret.

Owns: the table `api_keys`.
Must not know: secrets, how they are hashed, what a scope allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import RunConflictError
from holdfast.ports.operations import KeyRecord, PutKey, RevokeKey
from holdfast.stores.sqlite import statements

if TYPE_CHECKING:
    import apsw

    from holdfast.stores.sqlite.session import Handler, Session

_encode_json = msgspec.json.Encoder().encode
_decode_scopes = msgspec.json.Decoder(tuple[str, ...]).decode


def put(session: Session, operation: PutKey) -> bool:
    """Store a key. The very same key again is not refused.

    Raises:
        RunConflictError: the name or the hash belongs to another key, revoked ones included.
    """
    scopes = _encode_json(operation.scopes).decode()
    wanted = (operation.name, operation.key_hash, scopes, operation.expires_at, None)
    found = session.rows("find_key", (operation.name, operation.key_hash))
    if found:
        if found == [wanted]:
            return True
        raise RunConflictError(operation.name, "API key")
    session.run("put_key", (operation.name, operation.key_hash, scopes, session.now, operation.expires_at))
    return True


def revoke(session: Session, operation: RevokeKey) -> bool:
    """Make a key invalid for good; return whether there is one of this name."""
    return session.run("revoke_key", (operation.name, session.now)) > 0


def read_keys(connection: apsw.Connection) -> list[KeyRecord]:
    """Return all keys, by name."""
    return [
        KeyRecord(
            name=name,
            key_hash=key_hash,
            scopes=_decode_scopes(scopes),
            created_at=created_at,
            expires_at=expires_at,
            revoked=bool(revoked),
        )
        for name, key_hash, scopes, created_at, expires_at, revoked in connection.execute(
            statements.load()["read_keys"]
        )
    ]


HANDLERS: Final[dict[type, Handler]] = {PutKey: put, RevokeKey: revoke}
