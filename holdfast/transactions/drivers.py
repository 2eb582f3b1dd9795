"""Connections of the drivers people use, as one.

Owns: which driver a connection belongs to; how each begins, asks, commits and rolls back.
Must not know: the table, keys, results. No driver is imported: whoever has a connection has imported its driver.

A driver's methods return their answer, or an awaitable of it where the connection is asynchronous. `{name}` in a
statement stands for a value.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, Final, Protocol, TypeAlias

from holdfast.errors import TransactionError

Rows: TypeAlias = Sequence[Sequence[Any]]
Answer: TypeAlias = Any
"""What a method of a driver returns: the answer itself, or an awaitable of it."""

_MISSING_TABLE: Final = "42P01"
"""PostgreSQL's code for a table that is not there."""


class Driver(Protocol):
    """One connection."""

    is_async: bool

    def is_busy(self) -> bool:
        """Say whether a transaction is under way on it."""

    def commits_at_once(self) -> bool:
        """Say whether a statement now would be committed by itself, because nobody began a transaction."""

    def begin(self) -> Answer:
        """Begin a transaction."""

    def ask(self, statement: str, values: Mapping[str, str]) -> Answer:
        """Run a statement; answer with its rows, none for one that gives none."""

    def commit(self) -> Answer:
        """Commit."""

    def roll_back(self) -> Answer:
        """Roll back."""


def find_driver(connection: Any, caller: str) -> Driver:
    """Return how to work with a connection that was given to the function `caller`.

    Raises:
        TransactionError: it belongs to no driver that is known here, or is no connection.
    """
    for kind in type(connection).__mro__:
        make = _MAKERS.get(kind.__module__.partition(".")[0])
        if make is not None:
            return make(connection, caller)
    raise TransactionError(
        f"{caller}() was given a {type(connection).__module__}.{type(connection).__qualname__}",
        "It takes a connection of asyncpg, psycopg 3 or sqlite3, or a connection or session of SQLAlchemy.",
    )


def lacks_table(error: BaseException) -> bool:
    """Say whether an error of any driver means that there is no such table."""
    within = getattr(error, "orig", None) or error  # SQLAlchemy wraps what the driver raised
    codes = (getattr(within, "sqlstate", None), getattr(within, "pgcode", None))
    return _MISSING_TABLE in codes or "no such table" in str(within)


class _Asyncpg:
    is_async = True

    def __init__(self, connection: Any, caller: str) -> None:
        if not hasattr(connection, "is_in_transaction"):
            raise TransactionError(
                f"{caller}() was given a pool of asyncpg",
                "Take a connection from it: async with pool.acquire() as connection: ...",
            )
        self._connection = connection
        self._transaction: Any = None

    def is_busy(self) -> bool:
        return bool(self._connection.is_in_transaction())

    def commits_at_once(self) -> bool:
        return not self.is_busy()

    def begin(self) -> Awaitable[None]:
        self._transaction = self._connection.transaction()
        return self._transaction.start()  # type: ignore[no-any-return]  # a driver without types here

    def ask(self, statement: str, values: Mapping[str, str]) -> Awaitable[Rows]:
        places = {name: f"${number}" for number, name in enumerate(values, 1)}
        return self._connection.fetch(statement.format(**places), *values.values())  # type: ignore[no-any-return]

    def commit(self) -> Awaitable[None]:
        return self._transaction.commit()  # type: ignore[no-any-return]

    def roll_back(self) -> Awaitable[None]:
        return self._transaction.rollback()  # type: ignore[no-any-return]


class _Psycopg:
    def __init__(self, connection: Any, caller: str) -> None:
        if not hasattr(connection, "transaction"):
            raise TransactionError(
                f"{caller}() was given a {type(connection).__qualname__} of psycopg", "Give it a connection."
            )
        self._connection = connection
        self._transaction: Any = None
        self.is_async = iscoroutinefunction(connection.execute)

    def is_busy(self) -> bool:
        return int(self._connection.info.transaction_status) != 0

    def commits_at_once(self) -> bool:
        return bool(self._connection.autocommit) and not self.is_busy()

    def begin(self) -> Answer:
        self._transaction = self._connection.transaction()
        return self._transaction.__aenter__() if self.is_async else self._transaction.__enter__()

    def ask(self, statement: str, values: Mapping[str, str]) -> Answer:
        text = statement.format(**{name: f"%({name})s" for name in values})
        if self.is_async:
            return self._ask_async(text, values)
        return _rows_of(self._connection.execute(text, values))

    async def _ask_async(self, text: str, values: Mapping[str, str]) -> Rows:
        cursor = await self._connection.execute(text, values)
        return [_row(each) for each in await cursor.fetchall()] if cursor.description else ()

    def commit(self) -> Answer:
        return self._end(None)

    def roll_back(self) -> Answer:
        return self._end(_RolledBack())

    def _end(self, error: BaseException | None) -> Answer:
        kind = type(error) if error is not None else None
        if self.is_async:
            return self._transaction.__aexit__(kind, error, None)
        return self._transaction.__exit__(kind, error, None)


class _RolledBack(Exception):  # noqa: N818 - never raised: it tells psycopg which way a transaction ends
    pass


class _SQLAlchemy:
    def __init__(self, connection: Any, caller: str) -> None:
        if not hasattr(connection, "in_transaction"):
            raise TransactionError(
                f"{caller}() was given a {type(connection).__qualname__} of SQLAlchemy",
                "Give it a connection or a session.",
            )
        self._connection = connection
        self.is_async = iscoroutinefunction(connection.commit)

    def is_busy(self) -> bool:
        return bool(self._connection.in_transaction())

    def commits_at_once(self) -> bool:
        return False  # any statement begins a transaction

    def begin(self) -> Answer:
        begun = self._connection.begin()
        return _awaited(begun) if self.is_async else begun

    def ask(self, statement: str, values: Mapping[str, str]) -> Answer:
        text = sys.modules["sqlalchemy"].text(statement.format(**{name: f":{name}" for name in values}))
        if self.is_async:
            return self._ask_async(text, values)
        return _rows_of(self._connection.execute(text, dict(values)))

    async def _ask_async(self, text: Any, values: Mapping[str, str]) -> Rows:
        return _rows_of(await self._connection.execute(text, dict(values)))

    def commit(self) -> Answer:
        return self._connection.commit()

    def roll_back(self) -> Answer:
        return self._connection.rollback()


class _SQLite:
    is_async = False

    def __init__(self, connection: Any, caller: str) -> None:
        if not hasattr(connection, "in_transaction"):
            raise TransactionError(
                f"{caller}() was given a {type(connection).__qualname__} of sqlite3", "Give it a connection."
            )
        self._connection = connection

    def is_busy(self) -> bool:
        return bool(self._connection.in_transaction)

    def commits_at_once(self) -> bool:
        alone = self._connection.isolation_level is None or getattr(self._connection, "autocommit", None) is True
        return alone and not self.is_busy()

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")  # whoever comes second waits here

    def ask(self, statement: str, values: Mapping[str, str]) -> Rows:
        rows: Rows = self._connection.execute(statement.format(**{name: f":{name}" for name in values}), values)
        return [_row(each) for each in rows]

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        self._connection.execute("ROLLBACK")


_MAKERS: Final[Mapping[str, Callable[[Any, str], Driver]]] = {
    "asyncpg": _Asyncpg,
    "psycopg": _Psycopg,
    "sqlalchemy": _SQLAlchemy,
    "sqlite3": _SQLite,
}


def _rows_of(result: Any) -> Rows:
    gives_rows = result.returns_rows if hasattr(result, "returns_rows") else result.description
    return [_row(each) for each in result.fetchall()] if gives_rows else ()


def _row(row: Any) -> Sequence[Any]:
    """Return a row's values, whatever its user has rows made into."""
    return tuple(row.values() if isinstance(row, Mapping) else row)


async def _awaited(begun: Any) -> None:
    await begun
