"""A schema is made and changed by `migrate` and by nothing else; one that does not fit is refused with the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import pytest

from holdfast.errors import SchemaError
from holdfast.stores import PostgresStore, migrate
from holdfast.stores.postgres import schema


async def execute(dsn: str, sql: str) -> None:
    """Run some SQL."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def opens(dsn: str) -> bool:
    """Open and close the store."""
    store = PostgresStore(dsn)
    try:
        await store.open()
        return await store.now() > 0
    finally:
        await store.close()


def refused(coroutine: Coroutine[Any, Any, Any]) -> str:
    """Return what a SchemaError says."""
    with pytest.raises(SchemaError) as caught:
        asyncio.run(coroutine)
    return str(caught.value)


def test_migrations_are_numbered_without_gaps() -> None:
    """Migration n is the nth."""
    assert [each.number for each in schema.migrations()] == list(range(1, len(schema.migrations()) + 1))


def test_an_empty_database_is_refused_until_it_is_migrated(postgres_dsn: str) -> None:
    """The refusal names the command; the command makes the store, once; each schema is a store of its own."""
    assert "holdfast migrate" in refused(opens(postgres_dsn))
    assert len(asyncio.run(migrate(postgres_dsn))) == len(schema.migrations())
    assert asyncio.run(opens(postgres_dsn))
    assert asyncio.run(migrate(postgres_dsn)) == ()
    other = f"{postgres_dsn}?schema=other"
    assert "'other'" in refused(opens(other))
    asyncio.run(migrate(other))
    assert asyncio.run(opens(other))


def test_two_that_migrate_at_once_do_it_once(postgres_dsn: str) -> None:
    """One waits for the other, and finds nothing left to do."""

    async def both() -> list[tuple[str, ...]]:
        return await asyncio.gather(migrate(postgres_dsn), migrate(postgres_dsn))

    assert sorted(map(len, asyncio.run(both()))) == [0, len(schema.migrations())]


def test_what_does_not_fit_is_refused(postgres_dsn: str) -> None:
    """An older schema names `holdfast migrate`, a newer one the upgrade, another program's neither."""
    asyncio.run(migrate(postgres_dsn))
    last = schema.migrations()[-1]
    table = "holdfast.migrations"
    asyncio.run(execute(postgres_dsn, f"INSERT INTO {table} VALUES ({last.number + 1}, 'x', 'y', now())"))
    assert "pip install --upgrade holdfast" in refused(opens(postgres_dsn))
    assert "pip install --upgrade holdfast" in refused(migrate(postgres_dsn))
    asyncio.run(execute(postgres_dsn, f"DELETE FROM {table} WHERE number >= {last.number}"))
    said = refused(opens(postgres_dsn))
    assert last.name in said
    assert "holdfast migrate" in said
    asyncio.run(execute(postgres_dsn, f"UPDATE {table} SET checksum = 'other' WHERE number = 1"))
    assert "another program" in refused(opens(postgres_dsn))
