"""A store's schema is brought up to date once, and what does not fit is refused before anything is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from holdfast.errors import SchemaError
from holdfast.stores.sqlite import schema
from tests.unit.stores.sqlite.keeper import opened


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    """Return a connection to a fresh file."""
    connection = apsw.Connection(str(tmp_path / "db"))
    yield connection
    connection.close()


def described(connection: apsw.Connection) -> list[tuple[str, ...]]:
    """Return everything the schema holds."""
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_migrations_are_numbered_without_gaps() -> None:
    """Migration n is the nth."""
    assert [migration.number for migration in schema.load()] == list(range(1, len(schema.load()) + 1))


def test_a_file_is_migrated_once(connection: apsw.Connection) -> None:
    """All at once or one by one, the schema is the same, and a second time changes nothing."""
    migrations = schema.load()
    for count in range(len(migrations) + 1):
        schema.migrate(connection, 1.0, migrations[:count])
    one_by_one = described(connection)
    changes = connection.total_changes()
    schema.migrate(connection, 2.0, migrations)
    assert connection.total_changes() == changes
    assert connection.pragma("user_version") == len(migrations)
    other = apsw.Connection(":memory:")
    schema.migrate(other, 1.0, migrations)
    assert described(other) == one_by_one
    other.close()


def test_a_newer_file_is_refused(connection: apsw.Connection) -> None:
    """A program that knows fewer migrations than the file has does not touch it."""
    schema.migrate(connection, 1.0, schema.load())
    before = described(connection)
    with pytest.raises(SchemaError, match=r"newer than this program.*\n.*pip install --upgrade"):
        schema.migrate(connection, 1.0, schema.load()[:-1])
    assert described(connection) == before


def test_a_changed_migration_is_refused(connection: apsw.Connection) -> None:
    """A migration that was applied with another text is found."""
    first, *rest = schema.load()
    schema.migrate(connection, 1.0, [first])
    with pytest.raises(SchemaError, match=r"its migration 0001_runs\.sql is not"):
        schema.migrate(connection, 1.0, [replace(first, text=first.text + "-- changed"), *rest])


def test_a_migration_that_fails_leaves_nothing(connection: apsw.Connection) -> None:
    """A step that cannot be run undoes all steps of the same start."""
    broken = schema.Migration(2, "0002_broken.sql", "CREATE TABLE fine (a); CREATE TABLE broken (")
    with pytest.raises(apsw.SQLError):
        schema.migrate(connection, 1.0, [schema.load()[0], broken])
    assert described(connection) == []
    assert connection.pragma("user_version") == 0


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """A database that is not a store is left as it is."""
    connection = apsw.Connection(str(tmp_path / "db"))
    connection.execute("CREATE TABLE mine (a)")
    connection.close()

    async def run() -> None:
        async with opened(tmp_path / "db"):
            pass

    with pytest.raises(SchemaError, match="database of another program"):
        asyncio.run(run())
