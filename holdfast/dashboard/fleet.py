"""The fleet: who works, what waits, what is locked, what is limited.

Owns: this page and its buttons.
Must not know: how a fleet is kept together.
"""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.http import RefusalError, ThePrincipal, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.live import live
from holdfast.dashboard.pages import show
from holdfast.errors import InputError

LOOK_SECONDS: Final = 3.0
SHOWN_MAX: Final = 200
"""How many of each kind one page shows."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/fleet")
@requires(Scope.READ)
async def read_fleet(request: Request, service: TheService) -> Response:
    """Show workers, pools, locks and limits."""
    fleet = service.fleet
    workers = (await fleet.workers()).workers
    locks = (await fleet.locks()).locks
    queues = [(name, list(places)) for name, places in groupby(locks, key=lambda each: each.name)]
    return show(
        request,
        "fleet.html",
        workers=workers[:SHOWN_MAX],
        pools=(await fleet.pools()).pools[:SHOWN_MAX],
        queues=queues[:SHOWN_MAX],
        limits=(await fleet.limits()).limits[:SHOWN_MAX],
        shown_max=SHOWN_MAX,
        counts={"workers": len(workers), "locks": len(queues)},
    )


@router.get("/fleet/live")
@requires(Scope.READ)
async def follow_fleet(request: Request, service: TheService) -> Response:
    """Say when the page of the fleet would look another way."""

    async def look() -> object:
        fleet = service.fleet
        # When a lease runs out changes all the time and is not shown.
        workers = [
            (each.name, each.state, each.runs, each.tasks, each.refused) for each in (await fleet.workers()).workers
        ]
        pools: list[Any] = [
            (each.pool, each.backlog, each.in_flight, each.slots, each.paused, each.limit)
            for each in (await fleet.pools()).pools
        ]
        return workers, pools, (await fleet.locks()).locks, (await fleet.limits()).limits

    return live(request, "fleet", look, LOOK_SECONDS)


@router.post("/fleet/pools/{name}/{verb}")
@requires(Scope.OPERATE)
async def change_pool(
    service: TheService,
    name: Annotated[str, Path(max_length=200)],
    verb: str,
    principal: ThePrincipal,
    form: TheForm,
) -> Response:
    """Pause a pool, resume it, or say how many of its tasks may be under way at once."""
    match verb:
        case "pause":
            await service.fleet.pause_pool(name, form["reason"], principal.actor)
        case "resume":
            await service.fleet.resume_pool(name, principal.actor)
        case "limit":
            await service.fleet.limit_pool(name, _limit(form["limit"].strip()), principal.actor)
        case _:
            raise RefusalError(404, "expected pause, resume or limit")
    return RedirectResponse("/fleet", 303)


@router.post("/fleet/locks/break")
@requires(Scope.OPERATE)
async def break_lock(service: TheService, principal: ThePrincipal, form: TheForm) -> Response:
    """Take a lock from its holder by force."""
    await service.fleet.break_lock(form["name"], principal.actor)
    return RedirectResponse("/fleet", 303)


def _limit(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:8]) <= 1_000_000:
        raise InputError("the limit", (("/limit", "expected a number from 1 to 1,000,000, or nothing for no limit"),))
    return int(text)
