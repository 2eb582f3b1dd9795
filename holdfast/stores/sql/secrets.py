"""What only processes of this store may know.

Owns: the table `secrets`.
Must not know: what a secret is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import KeepSecret

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Session


def keep(session: Session, operation: KeepSecret) -> bytes:
    """Store a secret, unless there is one of this name; return the one there is."""
    row = session.row("read_secret", (operation.name,))
    if row is None:
        session.run("keep_secret", (operation.name, operation.value))
        return operation.value
    value: bytes = row[0]
    return value


HANDLERS: Final[dict[type, Handler]] = {KeepSecret: keep}
