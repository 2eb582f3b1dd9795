"""Route of what happens to all runs, as it happens.

Owns: this path.
Must not know: where changes come from.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.parts import ThePartsOf, ThePrincipal
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.stream import CountedStream, check_place
from holdfast.controller.keys import Scope
from holdfast.errors import InputError

router = APIRouter(route_class=ScopedRoute, tags=["runs"])


@router.get(
    "/v1/events",
    responses={200: {"description": "Changes, as server-sent events.", "content": {"text/event-stream": {}}}},
)
@requires(Scope.READ, About.SELECTION)
async def stream_changes(
    parts: ThePartsOf,
    principal: ThePrincipal,
    workflow: Annotated[str | None, Query(description="Only runs of this workflow.")] = None,
    status: Annotated[
        list[str] | None, Query(description="Only changes to this status, such as FAILED. Repeatable.")
    ] = None,
    after: Annotated[
        str | None, Query(max_length=40, description="Only changes after this id; `0-0` is from the beginning.")
    ] = None,
    last_event_id: Annotated[str | None, Header(description="Id of the last event seen.")] = None,
) -> Response:
    """Follow how runs change: begin, end, are parked, paused and set going again. From now on, or after an id."""
    check_place(parts)
    try:
        source = await parts.service.runs.changes(
            last_event_id or after, workflow=workflow, statuses=status or (), only=principal.workflows
        )
    except InputError as error:
        if last_event_id:
            raise RefusalError(
                400, "Last-Event-ID is none of ours: expected the id of an event, such as 1042-7"
            ) from error
        raise
    return CountedStream(parts, source, lambda: source.position)
