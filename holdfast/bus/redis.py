"""Rings by way of Redis: Pub/Sub on one channel.

Owns: what Redis is asked, on two connections, and what its failures mean. The only module that imports redis.
Must not know: what a message means, when to connect again.

A connection that listens can do nothing else, so a second one publishes. Nothing is stored in Redis, ever.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.bus.exchange import CutOffError, RefusedError
from holdfast.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection, ConnectionPool

CONNECT_SECONDS: Final = 4.0
"""How long a connection may take. Below what a bus waits for an answer, so that the reason is told."""
PROBE_SECONDS: Final = 1.0
"""How long something that is no Redis may take to say what it is."""
PROBE_BYTES: Final = 60
_POSTGRES_ASKED: Final = bytes.fromhex("0000000804d2162f")
"""What a PostgreSQL is asked for TLS with. It answers S or N, and hangs up on what it cannot read, as on SUBSCRIBE."""


class RedisExchange:
    """A channel of a Redis server. Implements `Exchange`."""

    def __init__(self, url: str, identity: Callable[[], Awaitable[str]]) -> None:
        """Meet on a channel of the server at `url`.

        Args:
            url: `redis://`, `rediss://` (TLS) or `unix://`, as redis-py reads it.
            identity: says which store the rings are about; stores that share a server do not hear each other.

        Raises:
            SettingsError: it is no such URL.
            MissingExtraError: the extra `redis` is not installed.
        """
        self.name = _name_of(url)
        self._pool = _make_pool(url, self.name)
        self._identity = identity
        self._channel = ""

    async def connect(self) -> RedisLine:
        """Return a line. Raises CutOffError, RefusedError."""
        if not self._channel:
            self._channel = f"holdfast:{await self._identity()}:bell"
        line = RedisLine(self._pool, self._channel, self.name)
        try:
            await line.open()
        except BaseException:
            await line.close()
            raise
        return line


class RedisLine:
    """Two connections. Implements `Line`."""

    def __init__(self, pool: ConnectionPool, channel: str, name: str) -> None:
        """Meet on `channel`; `open` connects."""
        self._listening: AbstractConnection = pool.make_connection()
        self._publishing: AbstractConnection = pool.make_connection()
        self._channel = channel
        self._name = name
        self._lock = asyncio.Lock()
        """One command at a time."""
        self._pong = asyncio.Event()

    async def open(self) -> None:
        """Connect, and subscribe. Raises CutOffError, RefusedError."""
        try:
            async with self._translated():
                await self._listening.connect()
                await self._publishing.connect()
                await self._listening.send_command("SUBSCRIBE", self._channel)
                await self._listening.read_response()
        except CutOffError:
            if await self._probe(_POSTGRES_ASKED) in _POSTGRES_ANSWERS:
                raise RefusedError("what answers is no Redis, but a PostgreSQL", _REMEDY) from None
            raise

    async def send(self, message: str) -> None:
        """Send a message. Raises CutOffError, RefusedError."""
        await self._ask("PUBLISH", self._channel, message)

    async def receive(self) -> str:
        """Return the next message. Raises CutOffError."""
        async with self._translated():
            while True:
                match await self._listening.read_response(timeout=math.inf):
                    case [b"message", _, bytes() as message]:
                        return message.decode("ascii", "replace")
                    case [b"pong", _]:
                        self._pong.set()

    async def check(self) -> None:
        """Return when both connections have answered. Raises CutOffError."""
        self._pong.clear()
        async with self._translated():
            await self._listening.send_command("PING")
        await self._ask("PING")
        await self._pong.wait()

    async def close(self) -> None:
        """Hang up."""
        for each in (self._listening, self._publishing):
            with suppress(Exception):  # it is being given up
                await each.disconnect(nowait=True)

    async def _ask(self, *command: str) -> None:
        async with self._lock, self._translated():
            await self._publishing.send_command(*command)
            await self._publishing.read_response()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        from redis import exceptions

        try:
            yield
        except exceptions.InvalidResponse as error:
            answer = await self._probe(b"PING\r\n") or str(error)
            raise RefusedError(f"what answers is no Redis: {answer}", _REMEDY) from None
        except exceptions.BusyLoadingError as error:
            raise CutOffError(str(error)) from None
        except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
            raise RefusedError(f"it does not let us in: {error}", f"Give name and password: {EXAMPLE}") from None
        except exceptions.ConnectionError as error:
            if isinstance(error.__context__, ssl.SSLError):
                remedy = "Check its certificate; without TLS, the URL begins with redis://"
                raise RefusedError(f"there is no TLS with it: {error.__context__}", remedy) from None
            raise CutOffError(str(error)) from None
        except (exceptions.ResponseError, exceptions.DataError) as error:
            raise RefusedError(f"it refuses: {error}", "It has to allow SUBSCRIBE, PUBLISH and PING.") from None
        except (exceptions.RedisError, OSError) as error:
            raise CutOffError(str(error)) from None

    async def _probe(self, question: bytes) -> str:
        """Return the first line of what the server says to a question, quoted; empty when it says nothing."""
        host, port = getattr(self._listening, "host", None), getattr(self._listening, "port", None)
        if host is None or port is None:
            return ""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(question)
                    answer = await reader.read(PROBE_BYTES)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
                first = answer.decode("ascii", "replace").splitlines()[:1]
                return repr(first[0]) if first else ""
        return ""


_POSTGRES_ANSWERS: Final = ("'S'", "'N'")
_REMEDY: Final = "Check `bus`, the port above all."
EXAMPLE: Final = "redis://NAME:PASSWORD@HOST:6379/0"


def _name_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _make_pool(url: str, name: str) -> ConnectionPool:
    try:
        from redis.asyncio.connection import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise MissingExtraError("The bus on Redis", "redis") from None
    try:
        urlsplit(url).port  # noqa: B018 - it raises when it is none
        return ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),  # who connects again, and when, is decided for both connections at once
            health_check_interval=0,
            protocol=2,
            driver_info=None,
        )
    except ValueError as error:
        raise SettingsError(f"bus {name!r} is no URL of a Redis: {error}", f"Use {EXAMPLE}") from None
