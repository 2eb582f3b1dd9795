"""Routes of events that wait for one another.

Owns: these paths.
Must not know: when a run begins.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.authoring import Batch, Debounce, Gathering, read_gathering
from holdfast.controller.gatherings.documents import GatheredEvent, GatheringDocument, GatheringPage
from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.openapi import describes, takes
from holdfast.controller.http.parts import TheBody, TheOperationId, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.errors import DefinitionError, InputError

router = APIRouter(route_class=ScopedRoute, tags=["gatherings"])

GatheringId = Annotated[int, Path(ge=1, le=2**53 - 1, description="Number of the gathering.")]


@router.post(
    "/v1/workflows/{name}/events",
    status_code=202,
    responses=describes(GatheredEvent, 202),
    openapi_extra=takes({"description": "The event: the input of the workflow, or with `batch` an element of it."}),
)
@requires(Scope.START, About.WORKFLOW)
async def add_event(  # noqa: PLR0913, PLR0917 - one for each parameter of the query
    service: TheService,
    principal: ThePrincipal,
    name: str,
    body: TheBody,
    operation_id: TheOperationId,
    key: Annotated[str, Query(max_length=200, description="Events of one key become one run.")] = "",
    debounce: Annotated[
        str, Query(max_length=40, description="Begin when no event came for so long, such as `30s`, with the last one.")
    ] = "",
    at_most: Annotated[
        str, Query(max_length=40, description="With `debounce`: begin so long after the first event at the latest.")
    ] = "",
    batch: Annotated[int, Query(ge=0, description="Begin when there are so many events, with all of them.")] = 0,
    within: Annotated[
        str, Query(max_length=40, description="With `batch`: begin so long after the first event at the latest.")
    ] = "",
) -> Response:
    """Let an event wait for others, which become one run. Once this answers it cannot be lost."""
    gathering = _gathering(debounce, at_most, batch, within)
    added = await service.gatherings.add(name, body, gathering, key, key=operation_id, by=principal.actor)
    return json_response(added, 202)


@router.get("/v1/gatherings", responses=describes(GatheringPage))
@requires(Scope.READ)
async def list_gatherings(
    service: TheService,
    cursor: Annotated[str | None, Query(max_length=40, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 50,
) -> Response:
    """List the events that wait for one another, newest first, and those that became runs."""
    return json_response(await service.gatherings.page(cursor, limit))


@router.get("/v1/gatherings/{gathering}", responses=describes(GatheringDocument))
@requires(Scope.READ)
async def show_gathering(service: TheService, gathering: GatheringId) -> Response:
    """Read a gathering."""
    return json_response(await service.gatherings.read(gathering))


@router.post("/v1/gatherings/{gathering}/begin", status_code=202, responses=describes(GatheringDocument, 202))
@requires(Scope.OPERATE)
async def begin_gathering(service: TheService, gathering: GatheringId, principal: ThePrincipal) -> Response:
    """Let the run of a gathering begin now, also one that was refused; one that has begun stays as it is."""
    return json_response(await service.gatherings.hurry(gathering, principal.actor), 202)


def _gathering(debounce: str, at_most: str, batch: int, within: str) -> Gathering:
    try:
        waits = Debounce(debounce, at_most or None) if debounce else None
        gathering = read_gathering(waits, Batch(batch, within) if batch else None, "an event")
    except DefinitionError as error:
        raise InputError("how events gather", (("", error.what),)) from None
    if gathering is None:
        raise InputError("how events gather", (("", "give debounce, or batch and within"),))
    return gathering
