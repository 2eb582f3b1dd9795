"""What is noted about every request, whatever becomes of it.

Owns: which words of a request reach logs and metrics: its method, its route, the name of its key.
Must not know: what routes do.

A path may hold a callback's token, a query may hold a secret by mistake, headers hold keys: none of them is noted. What
strangers make up - a path that leads nowhere, a method that does not exist - is noted as one word for all of them.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.observe import TRACEPARENT_HEADER as HEADER
from holdfast.observe import Meters, logger, read_traceparent, tracer, within

METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER: Final = "other"
"""Stands for every method that HTTP does not define."""
NO_ROUTE: Final = "none"
"""Stands for every path that leads nowhere, and for what was refused before anybody looked at its path."""
CLIENT_LEFT: Final = 499
"""Stands for the status of a request that nobody waited for the end of."""
WATCHING: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that are asked every few seconds as long as all is well: that is logged as `debug`."""

log = logger("holdfast.controller")
_own_log: Final = logging.getLogger("holdfast.controller")


def route_of(scope: Scope) -> str:
    """Return the route that a request was led to, as the application declares it."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else NO_ROUTE


def method_of(scope: Scope) -> str:
    """Return a request's method."""
    method: str = scope["method"]
    return method if method in METHODS else OTHER


class Observer:
    """Logs, counts and traces each request."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        """Wrap `app`, count in `meters`."""
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        traceparent = read_traceparent([text.decode("latin-1") for name, text in scope["headers"] if name == HEADER])
        spans = None if scope["path"] in WATCHING else tracer()
        if spans is not None:
            with spans.serving(method_of(scope), traceparent) as serving:
                serving.status = await self._serve(scope, receive, send)
                serving.route = route_of(scope)
        elif traceparent:
            with within(traceparent):
                await self._serve(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = CLIENT_LEFT

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = perf_counter()
        try:
            await self._app(scope, receive, note)
        finally:
            note_served(self._meters, scope, status, perf_counter() - started)
        return status


def note_served(meters: Meters, scope: Scope, status: int, seconds: float) -> None:
    """Count and log a request that is over."""
    method, route = method_of(scope), route_of(scope)
    meters.served(method, route, status, seconds)
    level = logging.DEBUG if route in WATCHING else logging.INFO
    if not _own_log.isEnabledFor(level):
        return  # asked here, as making a line that nobody reads takes longer than counting
    principal = scope.get("state", {}).get("principal")
    log.log(
        level,
        "request served",
        method=method,
        route=route,
        status=status,
        seconds=round(seconds, 6),
        key="" if principal is None else principal.name,
    )
