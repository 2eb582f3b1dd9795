"""One database and one connection of each driver, for tests that do the same with all of them.

Owns: how each driver is connected and made to run a statement; calling what is sync and what is async alike.
Must not know: what is tested.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.transactions import CREATE_TABLE, transaction

KINDS = (
    "sqlite3",
    "asyncpg",
    "psycopg",
    "psycopg-async",
    "sqlalchemy-connection",
    "sqlalchemy-session",
    "sqlalchemy-async-connection",
    "sqlalchemy-async-session",
)


@dataclass(frozen=True)
class Teller:
    """A connection, and how to use it."""

    kind: str
    connection: Any
    is_async: bool

    async def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement outside of any transaction of `transaction`, and commit; return its rows."""
        rows = await self.within(self.connection, statement)
        if self.kind not in {"sqlite3", "asyncpg"}:
            await settled(self.connection.commit())
        return rows

    async def within(self, connection: Any, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in whatever transaction there is."""
        if self.kind == "asyncpg":
            return [tuple(row) for row in await connection.fetch(statement)]
        text: Any = statement
        if self.kind.startswith("sqlalchemy"):
            from sqlalchemy import text as textual

            text = textual(statement)
        result = await settled(connection.execute(text))
        if getattr(result, "returns_rows", None) or getattr(result, "description", None):
            return [tuple(row) for row in await settled(result.fetchall())]
        return []

    def within_now(self, connection: Any, statement: str) -> None:
        """Do the same on a connection that is not asynchronous."""
        run = self.within(connection, statement)
        try:
            run.send(None)
        except StopIteration:
            return
        raise AssertionError("it waits")

    def inserting(self, number: int, *, then: Callable[[], Any] = lambda: None) -> Callable[[Any], Any]:
        """Return a body that adds a row to `effects`, and then returns what `then` does."""

        async def insert(connection: Any) -> Any:
            await self.within(connection, f"INSERT INTO effects VALUES ({number})")
            return then()

        def insert_now(connection: Any) -> Any:
            self.within_now(connection, f"INSERT INTO effects VALUES ({number})")
            return then()

        return insert if self.is_async else insert_now

    async def transact(self, body: Callable[..., Any], key: str | None = None) -> Any:
        """Call `transaction`."""
        return await settled(transaction(self.connection, body, key=key))

    async def effects(self) -> list[int]:
        """Return what the bodies have inserted and committed."""
        return [row[0] for row in await self.run("SELECT number FROM effects ORDER BY number")]


async def settled(answer: Any) -> Any:
    """Await what has to be awaited."""
    return await answer if inspect.isawaitable(answer) else answer


@asynccontextmanager
async def teller(kind: str, dsn: str, folder: Path, *, prepared: bool = True) -> AsyncIterator[Teller]:
    """Connect to a database, and make the tables if it is to be `prepared`."""
    connection, close, is_async = await _connect(kind, dsn, folder)
    try:
        found = Teller(kind, connection, is_async)
        if prepared:
            await found.run("CREATE TABLE IF NOT EXISTS effects (number INTEGER)")
            await found.run(CREATE_TABLE)
        yield found
    finally:
        await settled(connection.close())
        await settled(close())


async def _connect(kind: str, dsn: str, folder: Path) -> tuple[Any, Callable[[], Any], bool]:
    def nothing() -> None:
        """Nothing else was opened."""

    match kind:
        case "sqlite3":
            import sqlite3  # noqa: TID251 - a user's own connection

            return sqlite3.connect(folder / "own.db", isolation_level=None), nothing, False
        case "asyncpg":
            import asyncpg

            return await asyncpg.connect(dsn), nothing, True
        case "psycopg":
            import psycopg

            return psycopg.connect(dsn), nothing, False
        case "psycopg-async":
            import psycopg

            return await psycopg.AsyncConnection.connect(dsn), nothing, True
    import sqlalchemy
    from sqlalchemy import orm
    from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

    address = dsn.partition("://")[2]
    if "async" in kind:
        engine = sqlalchemy_asyncio.create_async_engine(f"postgresql+asyncpg://{address}")
        if kind.endswith("session"):
            return sqlalchemy_asyncio.AsyncSession(engine), engine.dispose, True
        return await engine.connect(), engine.dispose, True
    plain = sqlalchemy.create_engine(f"postgresql+psycopg://{address}")
    return (orm.Session(plain) if kind.endswith("session") else plain.connect()), plain.dispose, False
