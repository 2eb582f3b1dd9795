"""Routes of the fleet: who works, what waits, what is locked.

Owns: these paths.
Must not know: runs.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.controller.documents import LockList, PoolList, WorkerList
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import TheService, json_response
from holdfast.controller.keys import Scope

router = APIRouter(route_class=ScopedRoute, tags=["fleet"])


@router.get("/v1/workers", responses=describes(WorkerList))
@requires(Scope.READ)
async def list_workers(service: TheService) -> Response:
    """List the members of the fleet, newest first."""
    return json_response(await service.workers())


@router.get("/v1/pools", responses=describes(PoolList))
@requires(Scope.READ)
async def list_pools(service: TheService) -> Response:
    """List the pools with their load."""
    return json_response(await service.pools())


@router.get("/v1/locks", responses=describes(LockList))
@requires(Scope.READ)
async def list_locks(service: TheService) -> Response:
    """List who holds which lock, and who waits for it."""
    return json_response(await service.locks())
