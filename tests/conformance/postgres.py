"""One PostgreSQL schema for many checks: made once, and emptied before each.

Owns: which tables a check may have filled, and how they are emptied.
Must not know: any check.

A database of its own for each check would cost more than most checks do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from holdfast.ports.store import Store
from holdfast.stores import PostgresStore, migrate
from tests.servers.postgres import Postgres


@dataclass(frozen=True)
class Ground:
    """A database with an empty store."""

    dsn: str
    """Its address, for a store: PostgreSQL's own programs do not know all of what stands behind the `?`."""
    emptying: str
    """Empties every table that is empty in a new store."""

    def clear(self) -> None:
        """Empty the store."""
        asyncio.run(_execute(self.dsn, self.emptying))


def prepare(server: Postgres) -> Ground:
    """Make a database with a store. A crash of the server would lose its last commits; a crash of the program does not.

    That makes a check ten times faster, and no check is about crashes of the server.
    """
    dsn = f"{server.create_database()}?synchronous_commit=off"
    asyncio.run(migrate(dsn))
    return Ground(dsn, asyncio.run(_emptying(dsn)))


def database_of(dsn: str) -> str:
    """Return the name of the database of an address."""
    return dsn.rpartition("/")[2].partition("?")[0]


async def _emptying(dsn: str) -> str:
    connection = await asyncpg.connect(dsn.partition("?")[0])
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'holdfast' ORDER BY 1")
        empty = [
            table for (table,) in tables if not await connection.fetchval(f"SELECT count(*) FROM holdfast.{table}")
        ]
        sequences = await connection.fetch(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = 'holdfast' AND sequencename <> 'tokens'"
        )
    finally:
        await connection.close()
    return ";".join(
        [f"DELETE FROM holdfast.{table}" for table in empty]
        + ["UPDATE holdfast.refusals SET refused = 0"]
        + [f"SELECT setval('holdfast.{sequence}', 1, false)" for (sequence,) in sequences]
    )


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn.partition("?")[0])
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


class PostgresHarness:
    """A store in a schema; its objects share a clock that the check sets."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._time = 1_000_000.0
        self._opened: list[PostgresStore] = []

    def now(self) -> float:
        """Return the time set: the harness is the stores' clock."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Set the clock."""
        self._time += seconds

    async def open(self) -> Store:
        """Open the store once more."""
        store = PostgresStore(self._dsn, clock=self, read_connections=1)
        self._opened.append(store)
        await store.open()
        return store

    async def close(self) -> None:
        """Close all of them."""
        for store in self._opened:
            await store.close()
