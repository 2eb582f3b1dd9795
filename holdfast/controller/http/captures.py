"""Routes of captures: what went wrong, as files to take home.

Owns: these paths.
Must not know: where captures are kept, how they are made.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.controller.captures import CAPTURES_MAX
from holdfast.controller.documents import CapturePage
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import TheService, json_response
from holdfast.controller.keys import Scope

router = APIRouter(route_class=ScopedRoute, tags=["captures"])


@router.get("/v1/captures", responses=describes(CapturePage))
@requires(Scope.READ)
async def list_captures(
    service: TheService,
    cursor: Annotated[str | None, Query(max_length=300, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=CAPTURES_MAX)] = 50,
) -> Response:
    """List captures, newest first."""
    return json_response(await service.captures.page(cursor=cursor, limit=limit))


@router.get(
    "/v1/captures/{name}",
    responses={200: {"description": "The capture's file.", "content": {"application/json": {"schema": {}}}}},
)
@requires(Scope.READ)
async def get_capture(
    service: TheService,
    name: Annotated[str, Path(max_length=300, description="A capture's name, or a run id: its newest capture.")],
) -> Response:
    """Return a capture: the history of a run, without its secrets, as `load_history` reads it."""
    found, content = await service.captures.read(name)
    headers = {"Content-Disposition": f'attachment; filename="{found}.json"'}
    return Response(content, media_type="application/json", headers=headers)
