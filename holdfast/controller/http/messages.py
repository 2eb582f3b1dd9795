"""Routes of messages: signals, queries and updates to a run.

Owns: these paths.
Must not know: who answers.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.client import ANSWER_SECONDS
from holdfast.controller.documents import Accepted, Answer
from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.openapi import describes, takes
from holdfast.controller.http.parts import (
    InSeconds,
    RunId,
    TheBody,
    TheOperationId,
    ThePartsOf,
    ThePrincipal,
    TheService,
    json_response,
)
from holdfast.controller.keys import Scope

router = APIRouter(route_class=ScopedRoute, tags=["messages"])

MessageName = Annotated[str, Path(description="Name of the handler.", max_length=300)]
Seconds = Annotated[
    float,
    InSeconds,
    Query(
        gt=0,
        le=86400,
        allow_inf_nan=False,
        description="How long to wait for the answer, at most: seconds, or such as `2m`.",
    ),
]

_ARGUMENTS = {"description": "Nothing, the one argument, or an object of the arguments by name."}


@router.post(
    "/v1/runs/{run_id}/signals/{name}",
    status_code=202,
    responses=describes(Accepted, 202),
    openapi_extra=takes(_ARGUMENTS),
)
@requires(Scope.SIGNAL, About.RUN)
async def send_signal(
    service: TheService,
    run_id: RunId,
    name: MessageName,
    body: TheBody,
    operation_id: TheOperationId,
    principal: ThePrincipal,
) -> Response:
    """Send a signal. Once this answers it cannot be lost."""
    return json_response(await service.messages.signal(run_id, name, body, operation_id, principal.actor), 202)


@router.post("/v1/runs/{run_id}/updates/{name}", responses=describes(Answer), openapi_extra=takes(_ARGUMENTS))
@requires(Scope.SIGNAL, About.RUN)
async def send_update(
    parts: ThePartsOf,
    run_id: RunId,
    name: MessageName,
    body: TheBody,
    operation_id: TheOperationId,
    principal: ThePrincipal,
    timeout: Seconds = ANSWER_SECONDS,
) -> Response:
    """Send an update and wait for its answer, which is durable by then."""
    seconds = min(timeout, parts.settings.wait_seconds_max)
    return json_response(
        await parts.service.messages.update(run_id, name, body, seconds, operation_id, principal.actor)
    )


@router.get("/v1/runs/{run_id}/queries/{name}", responses=describes(Answer))
@requires(Scope.READ, About.RUN)
async def ask_query(
    parts: ThePartsOf,
    run_id: RunId,
    name: MessageName,
    args: Annotated[
        str, Query(description="JSON: nothing, the one argument, or an object of the arguments by name.")
    ] = "",
    timeout: Seconds = ANSWER_SECONDS,
) -> Response:
    """Ask a query; runs that have ended answer too."""
    seconds = min(timeout, parts.settings.wait_seconds_max)
    return json_response(await parts.service.messages.query(run_id, name, args.encode("utf-8", "replace"), seconds))


@router.post("/v1/runs/{run_id}/queries/{name}", responses=describes(Answer), openapi_extra=takes(_ARGUMENTS))
@requires(Scope.READ, About.RUN)
async def ask_query_with_body(
    parts: ThePartsOf, run_id: RunId, name: MessageName, body: TheBody, timeout: Seconds = ANSWER_SECONDS
) -> Response:
    """Ask a query whose arguments are too long for a query string."""
    seconds = min(timeout, parts.settings.wait_seconds_max)
    return json_response(await parts.service.messages.query(run_id, name, body, seconds))
