"""A SQLite file of the user's own, in which a few tables of ours lie beside the user's data.

Owns: one connection to it, opened when it is needed.
Must not know: the tables. Nothing about the file is changed: how it keeps its log is its owner's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import apsw

from holdfast.errors import StoreError
from holdfast.stores.sqlite.connection import translate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIGRATE: Final = "Make the tables once: holdfast migrate --outcomes ADDRESS"
"""What to do about a file that lacks them."""
BUSY_MILLISECONDS: Final = 1_000
"""How long a file that its owner is writing to is waited for; the next look comes soon."""


class FileBeside:
    """The user's file. Implements `holdfast.transactions.Place`."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Describe it; the first question opens it.

        Args:
            path: of the file.
            create: whether to make a file that is not there.
        """
        self._path = path
        self._create = create
        self._connection: apsw.Connection | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return f"sqlite:///{self._path}"

    async def ask(self, statement: str, rows: Sequence[dict[str, Any]] = ({},)) -> list[tuple[Any, ...]]:
        """Run a statement with the values of each row, all in one transaction; return the rows of the last one.

        Raises:
            StoreError: the file is not there, or cannot be read and written.
        """
        found: list[tuple[Any, ...]] = []
        try:
            connection = self._connected()
            with connection:
                for values in rows:
                    text = statement.format(**{name: f":{name}" for name in values})
                    found = connection.execute(text, values).fetchall()
        except apsw.CantOpenError as error:
            raise StoreError(f"{self._path} cannot be opened", "Is that where your database is?") from error
        except apsw.SQLError as error:
            raise StoreError(f"{self.name}: {error}", MIGRATE) from error
        except apsw.Error as error:
            raise translate(error, self._path) from error
        return found

    async def close(self) -> None:
        """Close the file, if it is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> apsw.Connection:
        if self._connection is None:
            made = apsw.SQLITE_OPEN_CREATE if self._create else 0
            self._connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE | made)
            self._connection.set_busy_timeout(BUSY_MILLISECONDS)
        return self._connection
