"""Schemas of stores, brought up to date when somebody says so.

Owns: what that means for each kind of store.
Must not know: what a migration does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from holdfast.app.address import FileAddress, ServerAddress
from holdfast.app.opening import open_at
from holdfast.stores import migrate, pending

if TYPE_CHECKING:
    from holdfast.app.settings import Settings


async def migrate_store(settings: Settings) -> tuple[str, ...]:
    """Bring the store's schema up to date, or make the store; return the migrations that were applied, by name.

    A file is brought up to date by whoever opens it: that is done, and nothing is returned.

    Raises:
        SettingsError: `store` is nothing that Holdfast can open.
        SchemaError: the store is newer than this program, or was made by another one.
        StoreError: it cannot be reached, or refuses.
    """
    address = settings.address()
    match address:
        case FileAddress():
            store = open_at(address, synchronous=settings.synchronous)
            await store.open()
            await store.close()
            return ()
        case ServerAddress():
            return await migrate(address.text)
        case _:
            assert_never(address)


async def pending_migrations(settings: Settings) -> tuple[str, ...]:
    """Return the migrations that the store has not had, by name. Nothing is pending in a file. Raises as above."""
    address = settings.address()
    match address:
        case FileAddress():
            return ()
        case ServerAddress():
            return await pending(address.text)
        case _:
            assert_never(address)
