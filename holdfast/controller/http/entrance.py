"""The short way in for deliveries: past the framework, to the same desk.

Owns: which requests are so plain that nothing but the desk has to look at them.
Must not know: signatures, what a delivery means, what is answered to what.

Theory of operation
===================

A webhook is sent by machines, hundreds a second and each alike: a POST to a path of one spelling, a body of a length
that it announces, no query. All that routing, middlewares and the other half of HTTP would do for it is to find that
there is nothing for them to do, and that takes longer than to check its signature. So what is plain goes to the desk at
once. Whatever is not plain in any way - another method, a name that there is not, a header twice, a body in chunks, one
that is too large, a web page's origin, a process that traces - goes the long way, which knows what to say. It is read
by nobody before that, and the answers are the same on both ways: a test sends everything both ways.

The desk is open to everybody on the long way too: the signature says who may. Nothing else is reached from here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from time import perf_counter
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.controller.http.access import Doorkeeper, Public, ScopedRoute
from holdfast.controller.http.hooks import answer_taken, hook, read_signed
from holdfast.controller.http.limits import HEADERS_MAX
from holdfast.controller.http.observing import CLIENT_LEFT, note_served
from holdfast.controller.http.origin import PROTECTING_HEADERS, host_name, is_own_name
from holdfast.controller.http.parts import Parts
from holdfast.controller.http.problems import RefusalError, answer_error, answer_refusal, answer_unexpected
from holdfast.errors import HoldfastError, SignatureError
from holdfast.observe import TRACEPARENT_HEADER, read_traceparent, tracer, within

HOSTS_KEPT: Final = 100
"""How many names that this server was called by are kept read."""
LENGTH_DIGITS_MAX: Final = 15
NOTED: Final = frozenset({b"content-length", b"host", TRACEPARENT_HEADER})
"""Headers that are looked at; each may be there once."""
UNUSUAL: Final = frozenset({b"expect", b"origin", b"sec-fetch-site", b"transfer-encoding", b"upgrade"})
"""Headers that make a request none that is plain."""


class HookEntrance:
    """Takes plain deliveries itself, and lets everything else pass."""

    def __init__(self, app: ASGIApp, parts: Parts, doorkeeper: Doorkeeper) -> None:
        """Wrap `app`; take deliveries for the webhooks that the service behind `parts` has declared."""
        self._app = app
        self._parts = parts
        self._desk = parts.service.webhooks
        self._meters = parts.service.publisher.meters
        self._doorkeeper = doorkeeper
        (route,) = hook.routes
        assert isinstance(route, ScopedRoute)
        assert route.required is Public.YES
        self._route = route
        self._names = {route.path.replace("{name}", name): name for name in self._desk.names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        name = self._names.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        noted = None if name is None else self._note_head(scope)
        if name is None or noted is None or tracer() is not None or not await self._may_come(noted):
            await self._app(scope, receive, send)
            return
        traceparent = read_traceparent([noted.get(TRACEPARENT_HEADER, b"").decode("latin-1")])
        if traceparent:
            with within(traceparent):
                await self._serve(name, scope, receive, send)
        else:
            await self._serve(name, scope, receive, send)

    def _note_head(self, scope: Scope) -> dict[bytes, bytes] | None:
        """Return the headers that are looked at; None where there is anything unusual about the request."""
        settings, headers = self._parts.settings, scope["headers"]
        if scope["query_string"] or scope["root_path"] or len(headers) > HEADERS_MAX:
            return None
        noted: dict[bytes, bytes] = {}
        head_bytes = len(scope["raw_path"])
        for name, value in headers:
            head_bytes += len(name) + len(value)
            if name in NOTED:
                if name in noted:
                    return None
                noted[name] = value
            elif name in UNUSUAL:
                return None
        length = noted.get(b"content-length", b"")
        if head_bytes > settings.head_bytes_max or not length.isdigit() or len(length) > LENGTH_DIGITS_MAX:
            return None
        return noted if int(length) <= settings.body_bytes_max else None

    async def _may_come(self, noted: dict[bytes, bytes]) -> bool:
        """Say whether it is clear that no web page of others sends this: see `origin`."""
        if _is_own_host(noted.get(b"host", b"")):
            return True
        try:
            return not await self._doorkeeper.is_open()
        except HoldfastError:
            return False  # nobody can say whether there are keys

    async def _serve(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route
        status, is_read, started = CLIENT_LEFT, False, perf_counter()

        async def read() -> bytes:
            nonlocal is_read
            body = await read_signed(Request(scope, receive), self._parts)
            is_read = True
            return self._checked(body)

        try:
            answer = await self._answer(name, scope, read)
            if answer is None:
                return
            headers = [*answer.raw_headers, *PROTECTING_HEADERS]
            if not is_read:
                headers.append((b"connection", b"close"))  # what is still on its way could come for ever
            status = answer.status_code
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
        finally:
            note_served(self._meters, scope, status, perf_counter() - started)

    async def _answer(self, name: str, scope: Scope, read: Callable[[], Awaitable[bytes]]) -> Response | None:
        """Take a delivery and return what is said to its sender; None where nobody waits for that."""
        try:
            with self._doorkeeper.place():
                return answer_taken(await self._desk.take(name, scope["headers"], read))
        except ClientDisconnect:
            return None
        except RefusalError as error:
            return await answer_refusal(Request(scope), error)
        except HoldfastError as error:
            return await answer_error(Request(scope), error)
        except Exception as error:  # noqa: BLE001 - answered as `CatchAll` does
            return answer_unexpected(scope, error)

    def _checked(self, body: bytes) -> bytes:
        limit = self._parts.settings.body_bytes_max
        if len(body) > limit:  # of a server that does not hold a sender to the length it announced
            raise SignatureError(f"the body is larger than {limit:,} bytes (body_bytes_max)")
        return body


@lru_cache(HOSTS_KEPT)
def _is_own_host(host: bytes) -> bool:
    return is_own_name(host_name(host.decode("latin-1")))
