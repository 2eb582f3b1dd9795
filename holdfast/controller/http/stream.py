"""Events as they happen: server-sent events.

Owns: the form of the stream, that it says it is alive, and that it ends with its reader, its run or its server.
Must not know: what the events are.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.observe import logger

KEEP_ALIVE: Final = b": still here\n\n"

log = logger("holdfast.controller")


def encode_event(document: dict[str, Any]) -> bytes:
    """Return one event of the stream: its id to resume after, its type, and itself as JSON on one line."""
    data = msgspec.json.encode(document)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (document["id"], document["type"].encode(), data)


class EventStream(Response):
    """A response that goes on until its source ends, its reader leaves, or `stopping` is set."""

    media_type = "text/event-stream"

    def __init__(
        self, source: AsyncIterator[dict[str, Any]], keep_alive_seconds: float, stopping: asyncio.Event
    ) -> None:
        """Stream `source`; a comment every `keep_alive_seconds` of silence keeps proxies from closing it."""
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._keep_alive_seconds = keep_alive_seconds
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        """Send the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.ensure_future(self._write(send))
        ends = [writing, asyncio.ensure_future(_left(receive)), asyncio.ensure_future(self._stopping.wait())]
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

    async def _write(self, send: Send) -> None:
        next_one: asyncio.Future[dict[str, Any]] | None = None
        try:
            while True:
                next_one = next_one or asyncio.ensure_future(anext(self._source))
                await asyncio.wait([next_one], timeout=self._keep_alive_seconds)
                if not next_one.done():
                    chunk = KEEP_ALIVE
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


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
