"""The stores: one package for each database, all of them `holdfast.ports.store.Store`.

Owns: nothing but the room.
Must not know: who uses a store.
"""

from holdfast.stores.beat import BEAT
from holdfast.stores.clock import SystemClock
from holdfast.stores.encrypted import EncryptedStore
from holdfast.stores.encryption import AesGcmCodec, new_key, parse_key
from holdfast.stores.group import GroupCommit
from holdfast.stores.sqlite import SQLiteStore, VerifyReport, verify

__all__ = [
    "BEAT",
    "AesGcmCodec",
    "EncryptedStore",
    "GroupCommit",
    "SQLiteStore",
    "SystemClock",
    "VerifyReport",
    "new_key",
    "parse_key",
    "verify",
]
