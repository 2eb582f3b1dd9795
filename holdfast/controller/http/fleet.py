"""Routes of the fleet: who works, what waits, what is locked.

Owns: these paths.
Must not know: runs.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import (
    BrokenLock,
    LimitChange,
    LimitList,
    LockList,
    LockName,
    Pool,
    PoolChange,
    PoolLimit,
    PoolList,
    WorkerList,
)
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import (
    InSeconds,
    TheBody,
    ThePartsOf,
    ThePrincipal,
    TheService,
    json_response,
    wait_unless_stopping,
)
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json


def _lock_name(body: LockName) -> None:
    """Describe the body of break."""


def _pool_change(body: PoolChange) -> None:
    """Describe the body of pause."""


def _pool_limit(body: PoolLimit) -> None:
    """Describe the body of limit."""


def _limit_change(body: LimitChange) -> None:
    """Describe the body of set."""


PoolName = Annotated[str, Path(min_length=1, max_length=200, description="A pool's name.")]
_POOL_CHANGE: Final = CallSignature(_pool_change, name="the request")
_POOL_LIMIT: Final = CallSignature(_pool_limit, name="the request")
_LIMIT_CHANGE: Final = CallSignature(_limit_change, name="the request")
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


@router.post("/v1/pools/{name}/pause", responses=describes(Pool), openapi_extra=takes(reference(PoolChange)))
@requires(Scope.OPERATE)
async def pause_pool(name: PoolName, service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Let nothing of a pool be taken until it is resumed; what is under way goes on to its end."""
    read_json(body or b"{}", "the request")
    (change,), _ = _POOL_CHANGE.decode_call(body or b"{}")
    return json_response(await service.fleet.pause_pool(name, change.reason, principal.actor))


@router.post("/v1/pools/{name}/resume", responses=describes(Pool))
@requires(Scope.OPERATE)
async def resume_pool(name: PoolName, service: TheService, principal: ThePrincipal) -> Response:
    """Let a pool be served again."""
    return json_response(await service.fleet.resume_pool(name, principal.actor))


@router.post("/v1/pools/{name}/limit", responses=describes(Pool), openapi_extra=takes(reference(PoolLimit)))
@requires(Scope.OPERATE)
async def limit_pool(name: PoolName, service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Let so many tasks of a pool be under way at once, in the whole fleet; null lifts the limit."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _POOL_LIMIT.decode_call(body or b"null")
    return json_response(await service.fleet.limit_pool(name, wanted.limit, principal.actor))


@router.post(
    "/v1/pools/{name}/drain",
    responses=describes(Pool, words="Nothing of it is under way.") | describes(Pool, 202, "Some of it still is."),
)
@requires(Scope.OPERATE)
async def drain_pool(
    name: PoolName,
    parts: ThePartsOf,
    principal: ThePrincipal,
    wait: Annotated[float, InSeconds, Query(ge=0, le=300, description="How long to wait until nothing is.")] = 0,
) -> Response:
    """Pause a pool, and wait until nothing of it is under way; it stays paused either way."""
    fleet = parts.service.fleet
    paused = await fleet.pause_pool(name, "drain", principal.actor)
    pool = await wait_unless_stopping(parts, fleet.wait_drained(name, wait)) or paused
    return json_response(pool, 202 if pool.in_flight else 200)


@router.get("/v1/locks", responses=describes(LockList))
@requires(Scope.READ)
async def list_locks(service: TheService) -> Response:
    """List who holds which lock, and who waits for it."""
    return json_response(await service.fleet.locks())


@router.get("/v1/limits", responses=describes(LimitList))
@requires(Scope.READ)
async def list_limits(service: TheService) -> Response:
    """List limits: who has a place, how much of a rate is used, who waits, what is frozen, which hosts fail."""
    return json_response(await service.fleet.limits())


@router.post("/v1/limits/set", responses=describes(LimitList), openapi_extra=takes(reference(LimitChange)))
@requires(Scope.OPERATE)
async def set_limit(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Let a limit have so many places, or a rate so many units, whatever tasks say; null lifts it."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _LIMIT_CHANGE.decode_call(body or b"null")
    return json_response(await service.fleet.set_limit(wanted.kind, wanted.name, wanted.limit, principal.actor))


@router.post("/v1/locks/break", responses=describes(BrokenLock), openapi_extra=takes(reference(LockName)))
@requires(Scope.OPERATE)
async def break_lock(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Take a lock from its holder by force; the next in line gets it, and the old holder's token is refused."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _LOCK_NAME.decode_call(body or b"null")
    return json_response(await service.fleet.break_lock(wanted.name, principal.actor))
