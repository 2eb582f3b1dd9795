"""A store that is only looked at, while production runs on it.

Owns: opening it so that nothing in it can change.
Must not know: what is looked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from holdfast.app.encryption import check_keys, load_codec
from holdfast.app.settings import Settings
from holdfast.ports.store import Store
from holdfast.stores import EncryptedStore, SQLiteStore, SystemClock


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """Open the store of `settings` for reading only.

    Raises:
        SettingsError: `store` is something Holdfast cannot open.
        SchemaError: the store was made by an older or a newer program.
        StoreError: there is none, or it cannot be opened.
        EncryptionError: it is encrypted with a key that the settings do not have.
    """
    codec = load_codec(settings.encryption_keys)
    file = cast("Store", SQLiteStore(settings.sqlite_path(), clock=SystemClock(), read_only=True))
    store = file if codec is None else cast("Store", EncryptedStore(file, codec))
    await store.open()
    try:
        await check_keys(store)
        yield store
    finally:
        await store.close()
