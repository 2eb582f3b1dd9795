"""Request bodies.

Owns: how much of one is taken, how long it may take to come, and that it is JSON.
Must not know: what is in it.
"""

from __future__ import annotations

import asyncio
from email.message import Message as Header

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.controller.http.problems import RefusalError


class BodyLimit:
    """Stops reading a body that is larger than the limit, announced or not."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isascii() and announced.isdecimal() and int(announced[:20]) > self._bytes_max:
            await self._refusal().response(scope)(scope, receive, send)
            return
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._bytes_max:
                    raise self._refusal()
            return message

        await self._app(scope, count, send)

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
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RefusalError(415, f"Content-Encoding {encoding!r} is not taken", {"Accept-Encoding": "identity"})
    try:
        async with asyncio.timeout(seconds_max):
            body = await request.body()
    except TimeoutError:
        raise RefusalError(408, f"the body did not arrive within {seconds_max:g} s", {"Connection": "close"}) from None
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
