"""The server: an application on a socket, inside a running event loop.

Owns: binding, starting and stopping in good order.
Must not know: routes.

Signals are the process's business: whoever runs the stack decides what SIGTERM means, and calls `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from holdfast.controller.http.connection import PatientProtocol
from holdfast.controller.http.parts import parts_of
from holdfast.controller.http.settings import check_bind, is_loopback
from holdfast.errors import SettingsError

BACKLOG: Final = 512


class _Uvicorn(uvicorn.Server):
    """A server that says when it has started and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """An application being served. Made by `serve`."""

    def __init__(self, app: FastAPI, bound: socket.socket) -> None:
        """Serve `app` on a socket that is bound already."""
        self._parts = parts_of(app)
        self._socket = bound
        address = bound.getsockname()
        self.host: str = address[0]
        self.port: int = address[1]
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            h11_max_incomplete_event_size=self._parts.settings.head_bytes_max,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(self._parts.settings.drain_seconds)),
        )
        self._uvicorn = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, such as `http://127.0.0.1:8765`."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """Begin to serve; returns once requests are answered.

        Raises:
            SettingsError: the application refused to start.
        """
        self._task = asyncio.create_task(self._run(), name="holdfast http")
        started = asyncio.create_task(self._uvicorn.has_started.wait())
        try:
            await asyncio.wait([self._task, started], return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if self._task.done():
            self._socket.close()
            error = self._task.exception()
            raise error if error is not None else SettingsError("the HTTP server stopped as soon as it started")

    async def stop(self) -> None:
        """Stop in good order: take no new requests, end streams and waits, finish what is under way."""
        self._parts.stopping.set()
        self._uvicorn.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()

    async def _run(self) -> None:
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        except SystemExit:
            raise SettingsError("the HTTP application refused to start", "The log says why.") from None


async def serve(app: FastAPI, host: str | None = None, port: int | None = None) -> Server:
    """Serve an application made by `create_app`, beside whatever else runs on this event loop.

    Args:
        app: the application.
        host: address to listen on; from its settings when None.
        port: 0 takes a free one; from its settings when None.

    Returns:
        The server, which answers requests by now; `stop()` it when done.

    Raises:
        SettingsError: others would reach it without keys, the address is not ours or the port is taken.
    """
    parts = parts_of(app)
    host = parts.settings.host if host is None else host
    port = parts.settings.port if port is None else port
    if is_loopback(parts.settings.host) and not is_loopback(host):
        raise SettingsError(
            f"the application was made to listen on {parts.settings.host!r}, and {host!r} can be reached by others",
            "Make it with HttpSettings(host=...) of the address it is served on.",
        )
    check_bind(host, await parts.service.keys.exist())
    server = Server(app, _bind(host, port))
    await server.start()
    return server


def _bind(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host!r}: {error}", "Name an address of this machine.") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error}", "Stop what listens there, or take another port: --port 0"
        ) from None
    return bound
