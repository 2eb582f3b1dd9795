"""Routes of what steps of a run say while they are at it.

Owns: these paths.
Must not know: who says it, where it is kept.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from holdfast.controller.documents import StreamList
from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import RunId, ThePartsOf, TheService, json_response
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.stream import CountedStream, check_place
from holdfast.controller.keys import Scope
from holdfast.controller.streams import BEGINNING, read_place
from holdfast.errors import InputError

router = APIRouter(route_class=ScopedRoute, tags=["ai"])


@router.get("/v1/runs/{run_id}/streams", responses=describes(StreamList))
@requires(Scope.READ, About.RUN)
async def list_streams(service: TheService, run_id: RunId) -> Response:
    """List what steps of a run say while they are at it, such as the words of a language model."""
    return json_response(await service.streams.of(run_id))


@router.get(
    "/v1/runs/{run_id}/stream",
    responses={
        200: {"description": "What is said, as server-sent events.", "content": {"text/event-stream": {}}},
        204: {"description": "Nothing is left to come."},
    },
)
@requires(Scope.READ, About.RUN)
async def follow_stream(
    parts: ThePartsOf,
    run_id: RunId,
    name: Annotated[
        str, Query(max_length=700, description="Which one, such as `write#1`; the one that began last when empty.")
    ] = "",
    after: Annotated[
        str | None, Query(max_length=40, description="Only what comes behind this place, such as `2-140`.")
    ] = None,
    last_event_id: Annotated[str | None, Header(description="Id of the last event seen.")] = None,
) -> Response:
    """Follow what a step says. `began` voids what came before, `text` comes behind it, `ended` says how."""
    check_place(parts)
    said = last_event_id or after
    try:
        place = read_place(said) if said else BEGINNING
    except InputError as error:
        if last_event_id:
            raise RefusalError(400, "Last-Event-ID is none of ours: expected a place such as 2-140") from error
        raise
    source = await parts.service.streams.follow(run_id, name, place)
    if source is None:
        return Response(status_code=204)
    return CountedStream(parts, source)
