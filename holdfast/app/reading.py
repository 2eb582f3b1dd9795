"""A store that is only looked at, while production runs on it.

Owns: opening it so that nothing in it can change.
Must not know: what is looked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from holdfast.app.address import FileAddress
from holdfast.app.encryption import check_keys, load_codec
from holdfast.app.engine_address import engine_address
from holdfast.app.opening import open_at
from holdfast.app.settings import Settings
from holdfast.errors import StoreError
from holdfast.ports.store import Store
from holdfast.stores import EncryptedStore


def check_store(settings: Settings) -> None:
    """Check that there is a store, for whoever has no use for a new one.

    Raises:
        StoreError: there is none.
        SettingsError: `store` is something Holdfast cannot open.
    """
    address = settings.address()
    if engine_address(settings.engine) is not None:
        return  # runs are elsewhere
    if isinstance(address, FileAddress) and not address.path.is_file():
        raise StoreError(
            f"there is no store at {address.path.absolute()}",
            "Name the one you mean: --store sqlite:///PATH, HOLDFAST_STORE, or `store` in holdfast.toml. "
            "A new one is made by whoever starts work: holdfast dev MODULE, or holdfast start WORKFLOW.",
        )


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
    plain = open_at(settings.address(), read_only=True)
    store = plain if codec is None else cast("Store", EncryptedStore(plain, codec))
    await store.open()
    try:
        await check_keys(store)
        yield store
    finally:
        await store.close()
