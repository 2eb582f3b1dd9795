"""How much is taken from anybody before it is known what they want, and what is said of the limits.

Owns: the size of heads, and the headers that tell a caller what is left.
Must not know: bodies (`body`), keys, routes.

The form is that of the IETF's draft "RateLimit header fields for HTTP": `RateLimit-Policy` says what is allowed,
`RateLimit` what is left of it, and a refusal has a `Retry-After`.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.controller.http.problems import RefusalError
from holdfast.controller.quota import Quota

HEADERS_MAX: Final = 100
"""How many headers a request may have."""
NOTE: Final = "quota"
"""Where the door leaves, in the request's state, what is left."""


class HeadLimit:
    """Refuses heads that are too large, and tells what is left of a caller's rate."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._decide(scope)
        if refusal is not None:
            await refusal.response(scope)(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def tell(message: Message) -> None:
            quota = state.get(NOTE)
            if message["type"] == "http.response.start" and quota is not None:
                message = {**message, "headers": [*message["headers"], *quota_headers(quota)]}
            await send(message)

        await self._app(scope, receive, tell)

    def _decide(self, scope: Scope) -> RefusalError | None:
        headers = scope["headers"]
        if len(headers) > HEADERS_MAX:
            return RefusalError(431, f"the request has more than {HEADERS_MAX} headers (HEADERS_MAX)")
        target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if target > self._bytes_max:
            return RefusalError(414, f"the address is longer than {self._bytes_max:,} bytes (head_bytes_max)")
        if target + sum(len(name) + len(value) for name, value in headers) > self._bytes_max:
            return RefusalError(431, f"the headers are larger than {self._bytes_max:,} bytes (head_bytes_max)")
        return None


def quota_headers(quota: Quota) -> list[tuple[bytes, bytes]]:
    """Return what tells a caller of its rate and what is left of it."""
    rate = quota.rate
    return [
        (b"ratelimit-policy", f'"key";q={rate.requests};w={rate.seconds}'.encode()),
        (b"ratelimit", f'"key";r={quota.remaining};t={quota.full_seconds}'.encode()),
    ]
