"""Routes of drifts: answers of hosts that are not as code expects them.

Owns: these paths.
Must not know: how a drift is found.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.controller.documents import DriftList, ResolvedDrift
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope

RESUMED_MAX: Final = 1_000
"""How many runs one request lets go on."""

router = APIRouter(route_class=ScopedRoute, tags=["fleet"])


@router.get("/v1/drifts", responses=describes(DriftList))
@requires(Scope.READ)
async def list_drifts(service: TheService) -> Response:
    """List answers that are not as code expects them, the newest first, and how many runs are parked under each."""
    return json_response(await service.fleet.drifts())


@router.post("/v1/drifts/{id}/resolve", responses=describes(ResolvedDrift))
@requires(Scope.OPERATE)
async def resolve_drift(
    service: TheService,
    id: Annotated[int, Path(ge=1, le=2**63 - 1, description="A report's number.")],
    principal: ThePrincipal,
    limit: Annotated[int, Query(ge=1, le=RESUMED_MAX, description="How many runs go on now, at most.")] = RESUMED_MAX,
) -> Response:
    """Say that the code, or the host, was mended: calls are made again, and parked runs go on, so many at a time."""
    return json_response(await service.fleet.resolve_drift(id, limit, principal.actor))
