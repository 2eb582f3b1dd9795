"""Events as they happen: server-sent events.

Owns: the form of the stream, that it says it is alive, and that it ends with its reader, its reader's key, its run or
its server.
Must not know: what the events are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.controller.http.access import Doorkeeper
from holdfast.controller.http.parts import Parts
from holdfast.controller.http.problems import RefusalError
from holdfast.observe import logger

KEEP_ALIVE: Final = b": still here\n\n"

log = logger("holdfast.controller")


def encode_event(document: dict[str, Any]) -> bytes:
    """Return one event of the stream: its id to resume after, its type, and itself as JSON on one line."""
    data = msgspec.json.encode(document)
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(document["id"]).encode(), document["type"].encode(), data)


class EventStream(Response):
    """A response that goes on until its source ends, its reader leaves or may not go on, or `stopping` is set."""

    media_type = "text/event-stream"

    def __init__(
        self,
        source: AsyncIterator[dict[str, Any]],
        keep_alive_seconds: float,
        stopping: asyncio.Event,
        position: Callable[[], str] | None = None,
        wait_shut: Callable[[Scope], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Stream `source`; a comment every `keep_alive_seconds` of silence keeps proxies from closing it.

        With a `position`, readers are told where they are also when there is nothing for them: at the beginning, and
        with each comment. Browsers remember it, and begin there when they come back. `wait_shut` returns when the
        reader may not go on reading.
        """
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._keep_alive_seconds = keep_alive_seconds
        self._stopping = stopping
        self._position = position
        self._wait_shut = wait_shut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.ensure_future(self._write(send))
        others = [_left(receive), self._stopping.wait()]
        if self._wait_shut is not None:
            others.append(self._wait_shut(scope))
        ends: list[asyncio.Future[Any]] = [writing, *map(asyncio.ensure_future, others)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            # The reader resumes after the last event it has; the end of the stream is how it notices.
            log.warning("a stream of events ended early", error=repr(error))
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _place(self) -> bytes:
        return b"" if self._position is None else b"id: %s\n\n" % self._position().encode()

    async def _write(self, send: Send) -> None:
        next_one: asyncio.Future[dict[str, Any]] | None = None
        try:
            if self._position is not None:
                await send({"type": "http.response.body", "body": self._place(), "more_body": True})
            while True:
                next_one = next_one or asyncio.ensure_future(anext(self._source))
                await asyncio.wait([next_one], timeout=self._keep_alive_seconds)
                if not next_one.done():
                    chunk = KEEP_ALIVE + self._place()
                else:
                    try:
                        chunk = encode_event(next_one.result())
                    except StopAsyncIteration:
                        return
                    next_one = None
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            if next_one is not None:
                next_one.cancel()
                await asyncio.gather(next_one, return_exceptions=True)
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()


class CountedStream(EventStream):
    """A stream that takes one of the `streams_max` places while it is open."""

    def __init__(
        self, parts: Parts, source: AsyncIterator[dict[str, Any]], position: Callable[[], str] | None = None
    ) -> None:
        """Stream `source`. See `EventStream`."""
        super().__init__(source, parts.settings.keep_alive_seconds, parts.stopping, position, _wait_shut)
        self._parts = parts

    async def __call__(self, *asgi: Any) -> None:
        """Send the stream."""
        self._parts.streams += 1
        try:
            await super().__call__(*asgi)
        finally:
            self._parts.streams -= 1


def check_place(parts: Parts) -> None:
    """Find that there is room for one more stream. Raises RefusalError."""
    if parts.streams >= parts.settings.streams_max:
        raise RefusalError(
            503, f"{parts.settings.streams_max} streams are open already (streams_max)", {"Retry-After": "10"}
        )


async def _wait_shut(scope: Scope) -> None:
    await cast("Doorkeeper", scope["app"].state.doorkeeper).wait_shut(Request(scope))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
