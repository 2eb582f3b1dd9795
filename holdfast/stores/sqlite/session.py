"""A write transaction on the file, as handlers see it.

Owns: how statements are run by name on SQLite, and where its numbers come from.
Must not know: how the transaction begins and ends, what the operations mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.stores.sql.session import Session
from holdfast.stores.sqlite.places import presence_folder
from holdfast.stores.sqlite.presence import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import apsw

    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.sql.session import Bindings


class FileReader:
    """Runs statements that only read, outside of any write."""

    __slots__ = ("_connection", "_sql")

    def __init__(self, connection: apsw.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""
        return self._connection.execute(self._sql[name], bindings).fetchone()

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""
        return self._connection.execute(self._sql[name], bindings).fetchall()

    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""
        return self._connection.execute(self._sql[name], bindings).get


class FileSession(Session):
    """One write transaction on the file."""

    __slots__ = ("_connection", "_page", "_sql", "token")

    def __init__(
        self,
        connection: apsw.Connection,
        sql: Mapping[str, str],
        now: float,
        token: int,
        membership: Membership | None,
        grip: int = 0,
        carry_out: Callable[[Any, Operation], Any] | None = None,
    ) -> None:
        super().__init__(now, membership, grip, carry_out)
        self._connection = connection
        self._sql = sql
        """Every named statement of `queries/*.sql`."""
        self._page = 0
        self.token = token
        """The newest token given out; `write.py` stores it with the transaction."""

    def is_gone(self, member: int) -> bool:
        """Say whether a member's process has ended; see `presence`."""
        return is_gone(presence_folder(Path(self._connection.filename)), member)

    def read_time(self) -> None:
        """Do nothing, as nobody is waited for."""

    # --- Numbers: one writer at a time, so the next is one more -------------------------------------------------------

    def next_token(self) -> int:
        """Return the next number of the store-wide counter that never goes back."""
        self.token += 1
        return self.token

    def offer_token(self) -> int:
        """Return the number that `keep_token` may take."""
        return self.token + 1

    def keep_token(self, token: int) -> None:
        """Take the number that was offered."""
        self.token = token

    def next_page(self) -> int:
        """Return a number for a page, higher than the number of every page there is."""
        if not self._page:
            self._page = self.value("newest_page")
        self._page += 1
        return self._page

    # --- Statements ---------------------------------------------------------------------------------------------------

    def run(self, name: str, bindings: Bindings = ()) -> int:
        """Run the statement called `name`; return how many rows it changed."""
        self._connection.execute(self._sql[name], bindings)
        return self._connection.changes()

    def later(self, name: str, bindings: Bindings = ()) -> None:
        """Run the statement called `name`, at once: it is no journey."""
        self._connection.execute(self._sql[name], bindings)

    def run_many(self, name: str, rows: Iterable[Bindings]) -> int:
        """Run the statement called `name` for each of `rows`; return how many rows were changed in all."""
        before = self._connection.total_changes()
        self._connection.executemany(self._sql[name], rows)
        return self._connection.total_changes() - before

    def rows_of_many(self, name: str, rows: Sequence[Bindings]) -> list[tuple[Any, ...]]:
        """Run the statement called `name` for each of `rows`; return all that they found."""
        text = self._sql[name]
        return [row for bindings in rows for row in self._connection.execute(text, bindings)]

    def insert(self, name: str, bindings: Bindings = ()) -> int | None:
        """Run the statement called `name`; return the id of the row it made, None when it made none."""
        self._connection.execute(self._sql[name], bindings)
        return self._connection.last_insert_rowid() if self._connection.changes() else None

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""
        return self._connection.execute(self._sql[name], bindings).fetchone()

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""
        return self._connection.execute(self._sql[name], bindings).fetchall()

    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""
        return self._connection.execute(self._sql[name], bindings).get

    def each(self, name: str, bindings: Bindings = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the statement called `name`, of which only a few are in memory."""
        return self._connection.execute(self._sql[name], bindings)
