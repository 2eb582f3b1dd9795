"""The stores: one package for each database, all of them `holdfast.ports.store.Store`.

Owns: nothing but the room.
Must not know: who uses a store.

Names are imported when they are first used: a sidecar enters for its beat, and does not load encryption.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.stores.beat import BEAT
    from holdfast.stores.clock import SystemClock
    from holdfast.stores.encrypted import EncryptedStore
    from holdfast.stores.encryption import AesGcmCodec, new_key, parse_key
    from holdfast.stores.group import GroupCommit
    from holdfast.stores.moving import Reading
    from holdfast.stores.postgres.address import is_address, parse_address
    from holdfast.stores.postgres.beside import DatabaseBeside
    from holdfast.stores.postgres.connection import connect
    from holdfast.stores.postgres.health import ServerHealth, examine
    from holdfast.stores.postgres.importing import import_store
    from holdfast.stores.postgres.schema import migrate, pending
    from holdfast.stores.postgres.store import PostgresStore
    from holdfast.stores.sqlite import SQLiteStore
    from holdfast.stores.sqlite.beside import FileBeside
    from holdfast.stores.sqlite.exporting import export_store, take_back
    from holdfast.stores.sqlite.verify import VerifyReport, verify

_HOMES: Final = {
    "AesGcmCodec": "holdfast.stores.encryption",
    "BEAT": "holdfast.stores.beat",
    "DatabaseBeside": "holdfast.stores.postgres.beside",
    "EncryptedStore": "holdfast.stores.encrypted",
    "FileBeside": "holdfast.stores.sqlite.beside",
    "GroupCommit": "holdfast.stores.group",
    "PostgresStore": "holdfast.stores.postgres.store",
    "Reading": "holdfast.stores.moving",
    "SQLiteStore": "holdfast.stores.sqlite",
    "ServerHealth": "holdfast.stores.postgres.health",
    "SystemClock": "holdfast.stores.clock",
    "VerifyReport": "holdfast.stores.sqlite.verify",
    "export_store": "holdfast.stores.sqlite.exporting",
    "import_store": "holdfast.stores.postgres.importing",
    "connect": "holdfast.stores.postgres.connection",
    "examine": "holdfast.stores.postgres.health",
    "is_address": "holdfast.stores.postgres.address",
    "migrate": "holdfast.stores.postgres.schema",
    "new_key": "holdfast.stores.encryption",
    "parse_address": "holdfast.stores.postgres.address",
    "parse_key": "holdfast.stores.encryption",
    "take_back": "holdfast.stores.sqlite.exporting",
    "pending": "holdfast.stores.postgres.schema",
    "verify": "holdfast.stores.sqlite.verify",
}

__all__ = [
    "BEAT",
    "AesGcmCodec",
    "DatabaseBeside",
    "EncryptedStore",
    "FileBeside",
    "GroupCommit",
    "PostgresStore",
    "Reading",
    "SQLiteStore",
    "ServerHealth",
    "SystemClock",
    "VerifyReport",
    "connect",
    "examine",
    "export_store",
    "import_store",
    "is_address",
    "migrate",
    "new_key",
    "parse_address",
    "parse_key",
    "pending",
    "take_back",
    "verify",
]


def __getattr__(name: str) -> Any:
    # No module here may be called like a name: importing it would take the name.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
