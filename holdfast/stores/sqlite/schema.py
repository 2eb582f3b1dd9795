"""The schema: numbered migrations, applied once and in order.

Owns: `migrations/*.sql`, the table of those applied, the file's user version.
Must not know: what the tables are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import SchemaError
from holdfast.stores.sql import migrations as numbered
from holdfast.stores.sql.migrations import Migration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

APPLICATION_ID: Final = 0x686F6C64
"""`hold`: tells a store from any other SQLite file."""

_TABLE: Final = """
CREATE TABLE migrations (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at REAL NOT NULL
) STRICT
"""


def load() -> tuple[Migration, ...]:
    """Return the program's migrations, in order."""
    return numbered.load(__package__)


def migrate(connection: apsw.Connection, now: float, migrations: Sequence[Migration]) -> bool:
    """Bring the file up to date, in one transaction; return whether it was not. Call it only while holding the turn.

    Raises:
        SchemaError: the file is newer than the program, is not a store, or holds another migration under some number.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        missing = _missing(connection, migrations)
        for migration in missing:
            connection.execute(migration.text)
            connection.execute(
                "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, now),
            )
            connection.pragma("user_version", migration.number)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return bool(missing)


def check(connection: apsw.Connection, migrations: Sequence[Migration]) -> None:
    """Check that the file's schema is the program's, and change nothing.

    Raises:
        SchemaError: it is newer, older, or no store's.
    """
    if connection.pragma("application_id") != APPLICATION_ID:
        raise SchemaError("the file is no store", "Name the database file of a store.")
    missing = _missing(connection, migrations)
    if missing:
        raise SchemaError(
            f"the store's schema is older than this program: it has not had migration {missing[0].name}",
            "Read it with the Holdfast that writes it, or let this one open it once: holdfast doctor",
        )


def _missing(connection: apsw.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Return the migrations the file does not have yet; mark a fresh file as a store."""
    if connection.pragma("application_id") != APPLICATION_ID:
        if connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise SchemaError("the file is an SQLite database of another program", "Name another file for the store.")
        connection.pragma("application_id", APPLICATION_ID)
        connection.execute(_TABLE)
    applied: list[tuple[Any, ...]] = connection.execute(
        "SELECT number, name, checksum FROM migrations ORDER BY number"
    ).fetchall()
    return numbered.missing(applied, migrations)
