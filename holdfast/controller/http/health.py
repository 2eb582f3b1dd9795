"""Routes for whoever watches this process.

Owns: what "healthy" and "ready" mean.
Must not know: runs.

Healthy: the process answers. Ready: it also reaches the store, and there is room in it, so that what it accepts is
durable. Without an orchestrator runs are accepted all the same and go on when there is one: that is told, and is no
reason to take the controller away.
"""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.controller.documents import Health
from holdfast.controller.http.access import Public, ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import ThePartsOf, json_response
from holdfast.errors import HoldfastError, StoreFullError

STORE_SECONDS_MAX: Final = 2.0
"""How long the store may take to answer."""

router = APIRouter(route_class=ScopedRoute, tags=["health"])


@router.get("/healthz", responses=describes(Health))
@requires(Public.YES)
async def read_health() -> Response:
    """Say that this process answers."""
    return json_response(Health(status="ok"))


@router.get(
    "/readyz",
    responses=describes(Health)
    | describes(Health, 503, "The store cannot be reached or is full, or the server stops."),
)
@requires(Public.YES)
async def read_readiness(parts: ThePartsOf) -> Response:
    """Say whether what this process accepts is durable, and whether anybody carries it out."""
    try:
        async with asyncio.timeout(STORE_SECONDS_MAX):
            orchestrators = await parts.service.fleet.orchestrators()
            await parts.service.fleet.check_room()
    except StoreFullError:
        return json_response(Health(status="unavailable", checks={"store": "full"}), 503)
    except (TimeoutError, HoldfastError):
        missing = "store" if parts.service.cluster is None else "store or cluster"
        return json_response(Health(status="unavailable", checks={missing: "not reached"}), 503)
    checks = {"store": "ok", "orchestrators": f"{orchestrators} alive"}
    if parts.stopping.is_set():
        return json_response(Health(status="unavailable", checks=checks | {"server": "stopping"}), 503)
    return json_response(Health(status="ok", checks=checks))
