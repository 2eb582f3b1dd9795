"""The schema: numbered migrations, applied once and in order.

Owns: `migrations/*.sql`, the table of those applied, the file's user version.
Must not know: what the tables are for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import TYPE_CHECKING, Final

from holdfast.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

APPLICATION_ID: Final = 0x686F6C64
"""`hold`: tells a store from any other SQLite file."""

_NAME: Final = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_TABLE: Final = """
CREATE TABLE migrations (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at REAL NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Hash of the text: an applied migration never changes."""
        return blake2b(self.text.encode(), digest_size=16).hexdigest()


@cache
def load() -> tuple[Migration, ...]:
    """Return the program's migrations, in order."""
    files = {
        file.name: file.read_text("utf-8")
        for file in resources.files(__package__).joinpath("migrations").iterdir()
        if _NAME.match(file.name)
    }
    return tuple(Migration(int(name[:4]), name, files[name]) for name in sorted(files))


def migrate(connection: apsw.Connection, now: float, migrations: Sequence[Migration]) -> None:
    """Bring the file up to date, in one transaction. Call it only while holding the turn.

    Raises:
        SchemaError: the file is newer than the program, is not a store, or holds another migration under some number.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in _missing(connection, migrations):
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
    applied = connection.execute("SELECT number, name, checksum FROM migrations ORDER BY number").fetchall()
    for (number, name, checksum), migration in zip(applied, migrations, strict=False):
        if (number, checksum) != (migration.number, migration.checksum):
            raise SchemaError(
                f"the store was made by another program: its migration {name} is not this one's {migration.name}",
                "Open it with the program that wrote it last.",
            )
    if len(applied) > len(migrations):
        raise SchemaError(
            f"the store's schema is {applied[-1][0]}, newer than this program's {migrations[-1].number}",
            "Upgrade Holdfast here too: pip install --upgrade holdfast",
        )
    return migrations[len(applied) :]
