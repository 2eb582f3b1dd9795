"""What the routes of one application share.

Owns: the parts, and how a route's function asks for them.
Must not know: routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from fastapi import Depends, Header, Path
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from holdfast.authoring import read_duration
from holdfast.controller.http.body import read_body
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.settings import HttpSettings
from holdfast.controller.keys import Principal
from holdfast.controller.service import ControllerService
from holdfast.errors import DefinitionError

OPERATION_ID_CHARACTERS_MAX: Final = 255

Value = TypeVar("Value")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Parts:
    """The service behind an application, its settings, and what goes on in it."""

    service: ControllerService
    settings: HttpSettings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops: whoever waits for something gives up."""
    streams: int = 0
    """How many streams of events are open."""


def parts_of(app: Any) -> Parts:
    """Return the parts of an application made by `create_app`."""
    return cast("Parts", app.state.parts)


async def _parts(request: Request) -> Parts:
    return parts_of(request.app)


async def _service(request: Request) -> ControllerService:
    return parts_of(request.app).service


async def _body(request: Request) -> bytes:
    return await read_body(request, parts_of(request.app).settings.body_seconds_max)


async def _operation_id(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Names this request of yours: sent again with the same key, it is carried out once and "
            "answered as it was. Kept until the run has ended, and a day longer.",
        ),
    ] = None,
) -> str | None:
    if key is None:
        return None
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise RefusalError(400, "expected one Idempotency-Key: two could be read in two ways on the way here")
    bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not bare.isprintable() or not 0 < len(bare) <= OPERATION_ID_CHARACTERS_MAX:
        raise RefusalError(
            400, f"expected an Idempotency-Key of 1 to {OPERATION_ID_CHARACTERS_MAX} printable characters"
        )
    return bare


async def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _in_seconds(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return read_duration(given, "it", zero=True)
    except DefinitionError as error:
        raise ValueError(error.what) from None


InSeconds: Final = BeforeValidator(_in_seconds)
"""Lets a parameter be a duration such as `30s`, besides a number of seconds."""
ThePartsOf = Annotated[Parts, Depends(_parts)]
TheService = Annotated[ControllerService, Depends(_service)]
TheBody = Annotated[bytes, Depends(_body)]
"""The request's body, not read as anything yet."""
ThePrincipal = Annotated[Principal, Depends(_principal)]
"""Who sends the request; the door has let them in."""
TheOperationId = Annotated[str | None, Depends(_operation_id)]
"""The request's Idempotency-Key."""
RunId = Annotated[str, Path(description="Run id, or one execution such as `ord-1@2`.", max_length=300)]


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a document as JSON."""
    return Response(_encode(document), status, headers, "application/json")


async def wait_unless_stopping(parts: Parts, awaitable: Awaitable[Value]) -> Value | None:
    """Return what `awaitable` gives; None when the server stops first."""
    waiting = asyncio.ensure_future(awaitable)
    stopping = asyncio.ensure_future(parts.stopping.wait())
    try:
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        for each in (waiting, stopping):
            each.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
