"""A database with the schema, and nothing between a test and its statements.

Owns: the migrations applied, statements run by name.
Must not know: the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, NamedTuple

import asyncpg

from holdfast.stores.sql import statements

PACKAGE = "holdfast.stores.postgres"


def takes_many(text: str) -> bool:
    """Say whether a statement is given all its rows at once, an array for each binding."""
    return "unnest($1" in text


class Prepared(NamedTuple):
    """What the server says of a statement: the types of its bindings and its columns, or why it refuses it."""

    parameters: Sequence[asyncpg.Type]
    columns: Sequence[asyncpg.Attribute]
    refusal: str = ""


class Desk:
    """One connection, and the loop it lives on."""

    def __init__(self, dsn: str) -> None:
        self.sql = statements.load(PACKAGE)
        self._runner = asyncio.Runner()
        try:
            self.connection = self._runner.run(asyncpg.connect(dsn))
        except BaseException:
            self._runner.close()
            raise

    def migrate(self) -> None:
        """Make the tables."""
        folder = resources.files(PACKAGE).joinpath("migrations")
        for name in sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql")):
            self.execute(folder.joinpath(name).read_text("utf-8"))

    def execute(self, text: str) -> None:
        """Run SQL that has no bindings, any number of statements."""
        self._runner.run(self.connection.execute(text))

    def execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement's text for each of `rows`."""
        self._runner.run(self.connection.executemany(text, rows))

    def fetch(self, text: str, *bindings: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement's text."""
        return [tuple(row) for row in self._runner.run(self.connection.fetch(text, *bindings))]

    def rows(self, name: str, *bindings: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the statement called `name`."""
        return self.fetch(self.sql[name], *bindings)

    def prepare(self, name: str) -> Prepared:
        """Return what the server says of a statement."""
        try:
            found = self._runner.run(self.connection.prepare(self.sql[name]))
        except asyncpg.PostgresError as error:
            return Prepared((), (), str(error))
        return Prepared(found.get_parameters(), found.get_attributes())

    def close(self) -> None:
        """Close the connection and its loop."""
        self._runner.run(self.connection.close())
        self._runner.close()


@contextmanager
def desk_at(dsn: str) -> Iterator[Desk]:
    """Open a desk in a database that has nothing yet."""
    desk = Desk(dsn)
    try:
        desk.migrate()
        yield desk
    finally:
        desk.close()
