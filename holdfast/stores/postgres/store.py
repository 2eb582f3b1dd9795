"""The store in one schema of a PostgreSQL database, as `holdfast.ports.store.Store`.

Owns: the life of its connections, the order schema - transaction - doorbell, where reads come from.
Must not know: what operations do.

Reads have connections of their own: they see what is committed and never wait for a writer.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from holdfast.errors import HoldfastWarning, StoreError
from holdfast.stores.postgres import schema
from holdfast.stores.postgres.address import Address, parse_address
from holdfast.stores.postgres.connection import PATIENCE_SECONDS, Patience
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.outage import Outage
from holdfast.stores.postgres.pool import ReadPool
from holdfast.stores.postgres.write import Writer
from holdfast.stores.sql import statements
from holdfast.stores.sql.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.history import Codec
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.sql.session import Reader

READ_CONNECTIONS: Final = 4
"""How many connections one store object reads by, at most. It writes by one more."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class PostgresStore(Reads):
    """Everything in one schema of a database. Belongs to the event loop it was opened on."""

    reads_at_once = False
    """See `Store.reads_at_once`."""
    codec: Codec | None = None
    """See `Store.codec`. A store keeps what it is given; whoever wraps it may encrypt."""

    def __init__(
        self,
        address: Address | str,
        *,
        clock: Clock | None = None,
        bus: Bus | None = None,
        read_connections: int = READ_CONNECTIONS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Name the schema and how to treat the server.

        Args:
            address: `postgresql://user:password@host:port/database?schema=holdfast`; see `postgres.address`.
            clock: where the time comes from; by default it is the database's.
            bus: what to ring after a commit.
            read_connections: how many connections are read by, at most.
            patience_seconds: how long a server that cannot be reached is tried again before a StoreError says so.

        Raises:
            SettingsError: the address is not one.
        """
        self.address = parse_address(address) if isinstance(address, str) else address
        self._clock = clock
        self._bus = bus
        self._read_connections = read_connections
        self._patience_seconds = patience_seconds
        self._outage = Outage(self.address)
        self._sql = statements.load(__package__)
        self._writer: Writer | None = None
        self._reads: ReadPool | None = None
        self._latest = 0.0

    # --- Life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect to the server, and look whether the schema is this program's.

        Raises:
            MissingExtraError: the extra `postgres` is not installed.
            SchemaError: the schema is newer or older than this program, or there is none.
            StoreError: the server cannot be reached or used.
        """
        if self._writer is not None:
            return
        writer = Writer(self.address, self._sql, self._clock, self._patience_seconds, self._outage)
        patience = Patience(self.address, self._patience_seconds, self._outage)
        try:
            while not await self._try_to_open(writer, patience):
                pass
        except BaseException:
            await writer.close()
            raise
        self._outage.end()
        self._writer = writer
        self._reads = ReadPool(self.address, self._sql, self._read_connections, self._patience_seconds, self._outage)

    async def _try_to_open(self, writer: Writer, patience: Patience) -> bool:
        connection = await writer.open(patience)
        try:
            await schema.check(connection, self.address)
            if not self.address.synchronous_commit:
                self._check_durability(await connection.fetchval("SELECT current_setting('synchronous_commit')"))
        except Exception as error:
            match judge(error):
                case Verdict.OTHER:
                    raise
                case Verdict.FINAL:
                    raise translate(error, self.address) from error
                case Verdict.LOST | Verdict.UNDONE | Verdict.LATER:
                    connection.terminate()
                    await patience.wait(error)
                    return False
        return True

    def _check_durability(self, commit: str) -> None:
        if commit == "off":
            warnings.warn(
                f"{self.address}: the server is set to answer commits before they are durable (synchronous_commit)\n"
                "Say so in the address if that is meant: ?synchronous_commit=off - else: ?synchronous_commit=on",
                HoldfastWarning,
                stacklevel=3,
            )

    async def close(self) -> None:
        """Close the connections, once the write under way is done."""
        writer, self._writer = self._writer, None
        reads, self._reads = self._reads, None
        if writer is not None:
            await writer.close()
        if reads is not None:
            await reads.close()

    # --- Writes ------------------------------------------------------------------------------------------------------

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations` in order, in one durable transaction; return each one's result or HoldfastError.

        Raises:
            FencedError: the member has lost its lease; nothing was written, and the refusal was counted.
            StoreBusyError: somebody kept a lock for too long, or there is no connection to be had.
            StoreFullError: the disk of the server is full; nothing was written.
            StoreError: it could not be written.
        """
        if self._writer is None:
            raise StoreError(f"{self.address} is not open", "Open the store before writing, and close it last.")
        results, rings = await self._writer.write(operations, membership)
        if rings and self._bus is not None:
            self._bus.ring(rings)
        return results

    # --- Reads -------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        read: Callable[Concatenate[Reader, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        if self._reads is None:
            raise StoreError(f"{self.address} is not open", "Open the store before reading, and close it last.")
        return await self._reads.ask(read, *args, **kwargs)

    async def now(self) -> float:
        """Return the store's time, which never goes back."""
        self._latest = max(await self._ask(_read_now, None if self._clock is None else self._clock.now()), self._latest)
        return self._latest


def _read_now(reader: Reader, clock: float | None) -> float:
    return float(reader.value("read_now", (clock,)))
