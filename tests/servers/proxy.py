"""A TCP proxy in front of PostgreSQL that loses what it is told to lose.

Owns: connections on both sides, and the moment at which one is cut.
Must not know: what is asked and answered, but for the word COMMIT.

What happens to the next COMMIT of a connection is decided by `on_commit`, which is called for each:

    PASS      it goes through, and so does its answer
    SWALLOW   it goes through; when the server has answered, both sides are cut off, and the answer is gone
    LOSE      both sides are cut off before it goes through
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536
COMMIT = b"COMMIT\0"
"""How a simple query ends that commits."""
BOUND = b"\0holdfast_commit\0"
"""What stands in the message that binds a statement which does."""


class Fate(enum.Enum):
    """What becomes of a commit."""

    PASS = "pass"
    SWALLOW = "swallow"
    LOSE = "lose"


class Proxy:
    """A proxy on a port of its own, for one server."""

    def __init__(self, host: str, port: int, on_commit: Callable[[], Fate] = lambda: Fate.PASS) -> None:
        """Stand in front of the server at `host` and `port`."""
        self._target = (host, port)
        self.on_commit = on_commit
        self.port = 0
        self.counts = dict.fromkeys(Fate, 0)
        """How many commits met which fate."""
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut everything off."""
        assert self._server is not None
        self._server.close()
        for pair in self._pairs:
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Cut off all connections there are."""
        for pair in self._pairs:
            pair.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # that is what it is for
        finally:
            self._pairs.discard(task)
            writer.transport.abort()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(*self._target)
        is_lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as both:
                asks = both.create_task(self._ask(client, to_server, is_lost))
                answers = both.create_task(self._answer(server, to_client, is_lost))
                await asyncio.wait((asks, answers), return_when=asyncio.FIRST_COMPLETED)
                asks.cancel()
                answers.cancel()
        finally:
            to_server.close()
            with contextlib.suppress(OSError):
                await to_server.wait_closed()

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, is_lost: asyncio.Event) -> None:
        while chunk := await client.read(CHUNK_BYTES):
            if chunk.endswith(COMMIT) or BOUND in chunk:
                fate = self.on_commit()
                self.counts[fate] += 1
                if fate is Fate.LOSE:
                    return
                if fate is Fate.SWALLOW:
                    is_lost.set()
            server.write(chunk)
            await server.drain()

    async def _answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, is_lost: asyncio.Event) -> None:
        while chunk := await server.read(CHUNK_BYTES):
            if is_lost.is_set():
                return
            client.write(chunk)
            await client.drain()
