"""A database of the user's own, in which a few tables of ours lie beside the user's data.

Owns: one connection to it, opened when it is needed.
Must not know: the tables, and whether a store is in the same database.

Tables are made and found where the user's own are: by the `search_path` that the server gives this user, or in the
schema that the address names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import StoreError
from holdfast.stores.postgres.address import Address, parse_address
from holdfast.stores.postgres.connection import Connection, Patience, close, connect_patiently, preamble
from holdfast.stores.postgres.failures import Verdict, judge, sqlstate, translate

if TYPE_CHECKING:
    from collections.abc import Sequence

MIGRATE: Final = "Make the tables once: holdfast migrate --outcomes ADDRESS"
"""What to do about a database that lacks them."""

_MISSING_TABLE: Final = "42P01"


class DatabaseBeside:
    """The user's database. Implements `holdfast.transactions.Place`."""

    def __init__(self, address: Address | str, *, patience_seconds: float = 5.0) -> None:
        """Describe it; the first question connects.

        Args:
            address: as of a store; without a `schema` the server's `search_path` counts.
            patience_seconds: how long a server that cannot be reached is waited for.

        Raises:
            SettingsError: it is no address.
        """
        self._address = parse_address(address, schema="") if isinstance(address, str) else address
        self._patience_seconds = patience_seconds
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """What it is called, without its password."""
        return self._address.text

    async def ask(self, statement: str, rows: Sequence[dict[str, Any]] = ({},)) -> list[tuple[Any, ...]]:
        """Run a statement with the values of each row, all in one transaction; return the rows of the last one.

        Raises:
            MissingExtraError: the extra `postgres` is not installed.
            StoreError: the server cannot be reached, or refuses.
        """
        found: list[Sequence[Any]] = []
        try:
            connection = await self._connected()
            async with connection.transaction():
                if told := preamble(self._address):
                    await connection.execute(told)
                for values in rows:
                    places = {name: f"${number}" for number, name in enumerate(values, 1)}
                    found = await connection.fetch(statement.format(**places), *values.values())
        except Exception as error:
            await self.close()
            if judge(error) is Verdict.OTHER:
                raise
            if sqlstate(error) == _MISSING_TABLE:
                raise StoreError(f"{self.name}: {error}", MIGRATE) from error
            raise translate(error, self._address) from error
        return [tuple(each) for each in found]

    async def close(self) -> None:
        """Give up the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            patience = Patience(self._address, self._patience_seconds)
            self._connection = await connect_patiently(self._address, patience, purpose="outbox")
        return self._connection
