"""Routes of the fleet: who works, what waits, what is locked.

Owns: these paths.
Must not know: runs.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import BrokenLock, LimitList, LockList, LockName, PoolList, WorkerList
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json


def _lock_name(body: LockName) -> None:
    """Describe the body of break."""


_LOCK_NAME: Final = CallSignature(_lock_name, name="the request")

router = APIRouter(route_class=ScopedRoute, tags=["fleet"])


@router.get("/v1/workers", responses=describes(WorkerList))
@requires(Scope.READ)
async def list_workers(service: TheService) -> Response:
    """List the members of the fleet, newest first."""
    return json_response(await service.fleet.workers())


@router.get("/v1/pools", responses=describes(PoolList))
@requires(Scope.READ)
async def list_pools(service: TheService) -> Response:
    """List the pools with their load."""
    return json_response(await service.fleet.pools())


@router.get("/v1/locks", responses=describes(LockList))
@requires(Scope.READ)
async def list_locks(service: TheService) -> Response:
    """List who holds which lock, and who waits for it."""
    return json_response(await service.fleet.locks())


@router.get("/v1/limits", responses=describes(LimitList))
@requires(Scope.READ)
async def list_limits(service: TheService) -> Response:
    """List limits of tasks: who has a place, how much of a rate is used, how many wait, what is frozen."""
    return json_response(await service.fleet.limits())


@router.post("/v1/locks/break", responses=describes(BrokenLock), openapi_extra=takes(reference(LockName)))
@requires(Scope.OPERATE)
async def break_lock(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Take a lock from its holder by force; the next in line gets it, and the old holder's token is refused."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _LOCK_NAME.decode_call(body or b"null")
    return json_response(await service.fleet.break_lock(wanted.name, principal.actor))
