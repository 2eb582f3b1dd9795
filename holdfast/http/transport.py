"""Connections to hosts, kept for the next call: one pool for each event loop, and its end with the loop.

Owns: pools, and which of them may reach private addresses.
Must not know: what is called, and what answers mean.

httpx offers no public place at which a connection is made, so its requests are handed to httpcore here, on which it
stands, with connections that `GuardedBackend` makes. No cookies are kept, and no proxies are taken from the
environment: what one task was sent is no business of another one.

A pool belongs to a loop. A loop that ends tells its asynchronous generators, as `asyncio.run` does; so one of these
waits for the end beside each pool, and closes it.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final
from weakref import WeakKeyDictionary

import httpcore
import httpx

from holdfast.http.connecting import GuardedBackend
from holdfast.ports.reach import Reach

CONNECTIONS_MAX: Final = 1_000
"""How many one loop has at once."""
IDLE_MAX: Final = 100
IDLE_SECONDS: Final = 15.0


class PoolTransport(httpx.AsyncBaseTransport):
    """Sends requests through a pool of connections that reach what they may."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        """Make connections by `backend`."""
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(),
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=IDLE_MAX,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the answer as far as its head."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The rest of an answer."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class Transports:
    """The transports of every loop that calls hosts."""

    def __init__(self) -> None:
        """Begin without any."""
        self.reach = Reach()
        """What may be reached besides public addresses, from everywhere."""
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()

    async def here(self, reach: Reach | None) -> httpx.AsyncBaseTransport:
        """Return the running loop's transport within `reach` and what code allowed; None is without bounds."""
        loop = asyncio.get_running_loop()
        pools = self._of.get(loop)
        if pools is None:
            pools = self._of[loop] = _Pools()
            await anext(pools.ending)
        return pools.within(None if reach is None else self.reach.and_also(reach))

    async def close_here(self) -> None:
        """Close the running loop's connections; the next call opens others."""
        pools = self._of.pop(asyncio.get_running_loop(), None)
        if pools is not None:
            await pools.ending.aclose()


class _Pools:
    """What one loop has, by what may be reached."""

    def __init__(self) -> None:
        self._transports: dict[Reach | None, PoolTransport] = {}
        self.ending = self._close_at_the_end()

    def within(self, reach: Reach | None) -> PoolTransport:
        transport = self._transports.get(reach)
        if transport is None:
            backend = httpcore.AnyIOBackend() if reach is None else GuardedBackend(reach)
            transport = self._transports[reach] = PoolTransport(backend)
        return transport

    async def _close_at_the_end(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            for each in self._transports.values():
                await each.aclose()
            self._transports.clear()


@functools.cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes 10 ms: once is enough.
    return httpx.create_ssl_context()
