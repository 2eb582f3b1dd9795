"""Moving what goes on in a store into another database.

Owns: which kinds of store can be moved whereto.
Must not know: what travels, and in which form.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from holdfast.app.address import FileAddress, ServerAddress
from holdfast.app.settings import Settings
from holdfast.errors import SettingsError
from holdfast.stores import Reading, export_store, import_store, take_back


async def export_to(settings: Settings, out: BinaryIO, told: Callable[[str, int], None]) -> int:
    """Write everything in the store of `settings` to a stream; from then on it cannot be opened any more.

    Args:
        settings: name the store, which is an SQLite file.
        out: where it goes.
        told: called after each table with its name and its number of rows.

    Returns:
        How many rows were written.

    Raises:
        SettingsError: the store is something else.
        StoreError: there is none, or somebody works on it.
    """
    return await export_store(_file(settings), out, time.time(), told)


async def take_back_export(settings: Settings) -> None:
    """Let the store of `settings` be opened that was exported. Raises SettingsError, StoreError."""
    await take_back(_file(settings))


async def import_from(settings: Settings, source: BinaryIO, told: Callable[[str, int], None]) -> int:
    """Write everything in a stream into the store of `settings`; return how many rows that were.

    Args:
        settings: name the store: an empty schema on PostgreSQL, brought up to date by `holdfast migrate`.
        source: what `export_to` wrote.
        told: called after each table with its name and its number of rows.

    Raises:
        SettingsError: the store is something else.
        StoreError: it is not empty, or cannot be reached; or the stream is not whole. Nothing was kept.
    """
    address = settings.address()
    if not isinstance(address, ServerAddress):
        raise SettingsError(
            "a store is imported into PostgreSQL, and the settings name something else",
            "Write --store postgresql://user@host/database. An SQLite file is moved by moving the file.",
        )
    return await import_store(address.text, Reading(source), told)


def _file(settings: Settings) -> Path:
    address = settings.address()
    if not isinstance(address, FileAddress):
        raise SettingsError(
            "an SQLite file is exported, and the settings name something else",
            "Write --store sqlite:///PATH. A schema in PostgreSQL is moved by PostgreSQL's own programs: pg_dump.",
        )
    return address.path
