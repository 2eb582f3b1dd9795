"""A file's half of moving a store: everything in it is written to a stream, and nobody works on it any more.

Owns: who may still be working on it, the mark that it was moved, how its rows are read.
Must not know: where it goes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from holdfast.errors import StoreError
from holdfast.stores.moving import TRAVELLING, Writing
from holdfast.stores.sql import statements
from holdfast.stores.sqlite import schema
from holdfast.stores.sqlite.connection import connect, connect_read_only, translated
from holdfast.stores.sqlite.places import presence_folder
from holdfast.stores.sqlite.presence import is_gone
from holdfast.stores.sqlite.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

_NAMES_SHOWN: Final = 5

_SQL: Final = statements.load("holdfast.stores.sqlite")


def check_not_moved(connection: apsw.Connection, path: Path) -> None:
    """Refuse a file that was exported: its runs go on elsewhere. Raises StoreError."""
    at = connection.execute(_SQL["read_moved"]).get
    if at is not None:
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        raise StoreError(
            f"{path} was exported on {when}, so that its runs go on in another store",
            "Name that store. If they are to go on here after all: holdfast export-store --take-back",
        )


async def export_store(path: Path, out: BinaryIO, now: float, told: Callable[[str, int], None]) -> int:
    """Write everything in a store to a stream; return how many rows that were. From then on nobody can open it.

    Args:
        path: the file.
        out: where it goes.
        now: seconds since the epoch.
        told: called after each table with its name and its number of rows.

    Raises:
        StoreError: there is no store, or somebody works on it.
        SchemaError: it is older or newer than this program.
    """
    async with _alone(path) as connection:
        _check_nobody_works(connection, path)
        connection.execute(_SQL["note_moved"], (now,))
    with translated(path), closing(connect_read_only(path)) as connection:
        connection.execute("BEGIN")
        _, _, at, token = connection.execute(_SQL["read_meta"]).get
        writing = Writing(out, token=token, at=max(at, now))
        for table in TRAVELLING:
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            named = ", ".join(f'"{each}"' for each in columns)
            rows = connection.execute(f'SELECT {named} FROM "{table}" ORDER BY 1')  # noqa: S608 - names of our own
            told(table, writing.table(table, columns, rows))
        writing.end()
        return writing.rows


async def take_back(path: Path) -> None:
    """Let a store be opened that was exported.

    Raises:
        StoreError: there is no store.
        SchemaError: it is older or newer than this program.
    """
    async with _alone(path) as connection:
        connection.execute(_SQL["drop_moved"])


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[apsw.Connection]:
    """Open a store that is there for writing, while nobody else writes."""
    _check_is_there(path)
    turn = Turn(path)
    turn.open()
    try:
        await turn.take()
        try:
            with translated(path), closing(connect(path)) as connection:
                schema.check(connection, schema.load())
                yield connection
        finally:
            turn.give()
    finally:
        turn.close()


def _check_is_there(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"there is no store at {path}", "Name the database file: --store sqlite:///PATH")


def _check_nobody_works(connection: apsw.Connection, path: Path) -> None:
    living: list[tuple[Any, ...]] = connection.execute(_SQL["living_members"], (0,)).fetchall()
    there: list[str] = [name for member, name in living if not is_gone(presence_folder(path), member)]
    if there:
        more = f" and {len(there) - _NAMES_SHOWN} more" if len(there) > _NAMES_SHOWN else ""
        raise StoreError(
            f"{path} is being worked on by {', '.join(there[:_NAMES_SHOWN])}{more}",
            "Stop every process that uses it (SIGTERM; runs are kept as they are), and export it then.",
        )
