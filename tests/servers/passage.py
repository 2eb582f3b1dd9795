"""A way to a server that can be cut without touching the server: a TCP proxy on a port of its own.

Owns: connections in and out, and whether there are any.
Must not know: what travels through.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

PIECE_BYTES = 65536


class Passage:
    """A way to 127.0.0.1:`target`. Belongs to the event loop that it was opened on."""

    def __init__(self, target: int) -> None:
        """Lead to the port `target`."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._through: set[asyncio.Task[None]] = set()
        self.port = 0
        """Its own port, the same after each `open`."""

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Cut every connection, and refuse new ones."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for each in list(self._through):
            each.cancel()
        await asyncio.gather(*self._through, return_exceptions=True)
        await server.wait_closed()

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._lead(reader, writer))
        self._through.add(task)
        task.add_done_callback(self._through.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = None
        with suppress(OSError, asyncio.CancelledError):
            far, there = await asyncio.open_connection("127.0.0.1", self._target)
            ways = [asyncio.ensure_future(_carry(*each)) for each in ((reader, there), (far, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in ways:
                    each.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        for each in (writer, there):
            if each is not None:
                each.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
