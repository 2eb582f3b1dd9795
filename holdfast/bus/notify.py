"""Rings by way of PostgreSQL: LISTEN and NOTIFY on one channel, where there is no Redis.

Owns: what PostgreSQL is asked, on a connection of its own, and what its failures mean.
Must not know: what a message means, when to connect again, the store in the same database.

NOTIFY takes a lock for the whole cluster while its transaction commits, so it stands in one of its own, apart from
every write, and a process sends one for everything that was rung in a pause. It is not carried by a pooler in
transaction mode: what is sent through one is never heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from holdfast.bus.exchange import CutOffError, RefusedError

if TYPE_CHECKING:
    import asyncpg

HANG_UP_SECONDS: Final = 0.5
"""How long a connection may take to be closed in good order."""


class NotifyExchange:
    """A channel of a PostgreSQL database. Implements `Exchange`."""

    def __init__(self, dial: Callable[[], Awaitable[asyncpg.Connection[Any]]], name: str, schema: str) -> None:
        """Meet on a channel of a database.

        Args:
            dial: opens a connection to it, which will be kept.
            name: what it is called in logs, without its password.
            schema: whose rings these are; the stores of one database do not hear each other.
        """
        self._dial = dial
        self.name = name
        # A digest, because the name of a schema may be as long as that of a channel.
        self._channel = f"holdfast_bell_{blake2b(schema.encode(), digest_size=8).hexdigest()}"

    async def connect(self) -> NotifyLine:
        """Return a line. Raises CutOffError, RefusedError."""
        async with _translated():
            connection = await self._dial()
        line = NotifyLine(connection, self._channel)
        try:
            await line.open()
        except BaseException:
            await line.close()
            raise
        return line


class NotifyLine:
    """One connection. Implements `Line`."""

    def __init__(self, connection: asyncpg.Connection[Any], channel: str) -> None:
        """Meet on `channel`; `open` begins to listen."""
        self._connection = connection
        self._channel = channel
        self._lock = asyncio.Lock()
        """One command at a time."""
        self._received: asyncio.Queue[str | None] = asyncio.Queue()

    async def open(self) -> None:
        """Begin to listen. Raises CutOffError, RefusedError."""
        self._connection.add_termination_listener(self._cut)
        async with _translated():
            await self._connection.add_listener(self._channel, self._hear)

    async def send(self, message: str) -> None:
        """Send a message. Raises CutOffError, RefusedError."""
        await self._run(f"NOTIFY {self._channel}, '{message}'")

    async def receive(self) -> str:
        """Return the next message. Raises CutOffError."""
        message = await self._received.get()
        if message is None:
            self._received.put_nowait(None)
            raise CutOffError("the connection was closed")
        return message

    async def check(self) -> None:
        """Return when the server has answered. Raises CutOffError."""
        await self._run("SELECT 1")

    async def close(self) -> None:
        """Hang up."""
        self._connection.remove_termination_listener(self._cut)
        try:
            await self._connection.close(timeout=HANG_UP_SECONDS)
        except Exception:  # noqa: BLE001 - it is being given up
            self._connection.terminate()

    async def _run(self, sql: str) -> None:
        async with self._lock, _translated():
            await self._connection.execute(sql)

    def _hear(self, _: object, __: int, ___: str, message: object) -> None:
        self._received.put_nowait(str(message))

    def _cut(self, _: object) -> None:
        self._received.put_nowait(None)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    import asyncpg

    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise RefusedError(f"it does not let us in: {error}", "Check `store`: name, password and database.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise RefusedError(f"it refuses: {error}", "The database user has to be allowed LISTEN and NOTIFY.") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise CutOffError(f"{error}" or type(error).__name__) from None
