"""Connections for reading: a few, shared by all reads of one store object.

Owns: how many there are, which read uses which, what happens to a read whose connection is lost.
Must not know: what is read.

A read changes nothing, so one that was cut off is simply begun again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from holdfast.errors import StoreError
from holdfast.stores.postgres.bridge import across
from holdfast.stores.postgres.connection import Connection, Patience, close, connect_patiently, preamble
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.session import ServerReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.stores.postgres.address import Address
    from holdfast.stores.postgres.outage import Outage
    from holdfast.stores.sql.session import Reader

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class ReadPool:
    """The connections that one store object reads by."""

    def __init__(
        self, address: Address, sql: Mapping[str, str], size: int, patience_seconds: float, outage: Outage
    ) -> None:
        """Read from the store at `address`, by at most `size` connections at a time."""
        self._address = address
        self._outage = outage
        self._sql = sql
        self._patience_seconds = patience_seconds
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._begin = f"BEGIN READ ONLY;{preamble(address)}" if address.is_pooled else ""
        self._is_closed = False

    async def close(self) -> None:
        """Close the connections; those in use close with their reads."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await close(connection)

    async def ask(
        self,
        read: Callable[Concatenate[Reader, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call `read` with a reader. Raises StoreError."""
        patience = Patience(self._address, self._patience_seconds, self._outage)
        async with self._free:
            while True:
                connection = await self._take(patience)
                try:
                    result = await self._read(connection, read, *args, **kwargs)
                except Exception as error:
                    match judge(error):
                        case Verdict.OTHER:
                            raise
                        case Verdict.FINAL:
                            raise translate(error, self._address) from error
                        case Verdict.LOST | Verdict.UNDONE | Verdict.LATER:
                            await patience.wait(error)
                else:
                    if self._outage.is_told:
                        self._outage.end()
                    return result

    async def _read(
        self,
        connection: Connection,
        read: Callable[Concatenate[Reader, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        try:
            if self._begin:
                await connection.execute(self._begin)
            result = await across(read, ServerReader(connection, self._sql), *args, **kwargs)
            if self._begin:
                await connection.execute("COMMIT")
        except Exception as error:
            if judge(error) is Verdict.LOST:
                connection.terminate()
            await self._give(connection)
            raise
        except BaseException:
            connection.terminate()  # it is in the middle of something
            raise
        await self._give(connection)
        return result

    async def _take(self, patience: Patience) -> Connection:
        if self._is_closed:
            raise StoreError(f"{self._address} is not open", "Open the store before reading, and close it last.")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await connect_patiently(self._address, patience, purpose="reads")

    async def _give(self, connection: Connection) -> None:
        if connection.is_closed():
            return
        if self._is_closed or connection.is_in_transaction():
            await close(connection)
        else:
            self._idle.append(connection)
