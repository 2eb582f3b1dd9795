"""Request bodies.

Owns: how much of one is taken, how long it may take to come, and that it is JSON.
Must not know: what is in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from email.message import Message as Header
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.controller.http.problems import RefusalError

DRAIN_SECONDS: Final = 1.0
"""How long what is too much is read and thrown away."""


class BodyLimit:
    """Stops reading a body that is larger than the limit, announced or not.

    A connection on which a body was not read to its end is closed with the answer: what is still on its way could come
    for ever. Whoever sends only a little too much gets rid of it first, and so gets to read the answer.
    """

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        is_announced = announced.isascii() and announced.isdecimal() and int(announced[:20]) > self._bytes_max
        received = 0
        ended = announced == "0" and "transfer-encoding" not in headers

        async def count() -> Message:
            nonlocal received, ended
            if is_announced and not received:
                # Told to whoever reads it: a webhook notes what it is sent too much of.
                await self._drain(receive, 0, ended=False)
                raise self._refusal()
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if received > self._bytes_max:
                    await self._drain(receive, received, ended=ended)
                    raise self._refusal()
            return message

        async def close_after(message: Message) -> None:
            if message["type"] == "http.response.start" and not ended:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, count, close_after)

    async def _drain(self, receive: Receive, received: int, *, ended: bool) -> None:
        """Throw away what comes, until it ends, or is more than twice what is taken, or is slow."""
        left = 2 * self._bytes_max - received
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not ended and left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    ended = message["type"] != "http.request" or not message.get("more_body", False)

    def _refusal(self) -> RefusalError:
        return RefusalError(413, f"the body is larger than {self._bytes_max:,} bytes (body_bytes_max)")


async def read_body(request: Request, seconds_max: float) -> bytes:
    """Return a request's body: JSON in UTF-8 as far as its headers say, or nothing.

    Raises:
        RefusalError: 415 when it says it is something else, 413 when it is too large, 408 when it does not come.
    """
    content_type = request.headers.get("content-type")
    if content_type is not None and not _is_json(content_type):
        raise RefusalError(415, "expected Content-Type: application/json", {"Accept": "application/json"})
    encoding = ", ".join(request.headers.getlist("content-encoding")) or "identity"
    if encoding != "identity":
        raise RefusalError(415, f"Content-Encoding {encoding!r} is not taken", {"Accept-Encoding": "identity"})
    try:
        async with asyncio.timeout(seconds_max):
            body = await request.body()
    except TimeoutError:
        raise RefusalError(408, f"the body did not arrive within {seconds_max:g} s") from None
    if body and content_type is None:
        raise RefusalError(415, "expected Content-Type: application/json", {"Accept": "application/json"})
    return body


def _is_json(content_type: str) -> bool:
    header = Header()
    header["content-type"] = content_type
    kind = header.get_content_type()
    charset = header.get_content_charset("utf-8")
    return (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))) and (
        charset in {"utf-8", "utf8", "us-ascii"}
    )
