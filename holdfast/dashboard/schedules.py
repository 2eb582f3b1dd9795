"""Schedules: when what is started, and what came of it.

Owns: these pages and their buttons.
Must not know: when anything is due.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.http import RefusalError, ThePrincipal, TheService, requires
from holdfast.controller.schedules import BackfillRequest
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import segment

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=300)]


@router.get("/schedules")
@requires(Scope.READ)
async def list_schedules(request: Request, service: TheService) -> Response:
    """Show all schedules."""
    return show(request, "schedules.html", schedules=(await service.schedules.all()).schedules)


@router.get("/schedules/{name}")
@requires(Scope.READ)
async def read_schedule(request: Request, service: TheService, name: Name) -> Response:
    """Show a schedule: its next times, and what came of the last ones."""
    return show(request, "schedule.html", schedule=await service.schedules.show(name))


@router.post("/schedules/{name}/run")
@requires(Scope.START)
async def run_schedule(service: TheService, name: Name, principal: ThePrincipal, form: TheForm) -> Response:  # noqa: ARG001 - its stamp was looked at
    """Start a run of a schedule now."""
    wanted = await service.schedules.acting_as(principal.actor).run_now(name)
    return RedirectResponse(f"/runs/{segment(wanted.run_id)}" if wanted.started else f"/schedules/{segment(name)}", 303)


@router.post("/schedules/{name}/do/{verb}")
@requires(Scope.OPERATE)
async def change_schedule(
    service: TheService, name: Name, verb: str, principal: ThePrincipal, form: TheForm
) -> Response:
    """Pause a schedule, resume it, or have runs started for times that are over."""
    acting = service.schedules.acting_as(principal.actor)
    match verb:
        case "pause":
            await acting.pause(name, principal.name, form["reason"])
        case "resume":
            await acting.resume(name)
        case "backfill":
            await acting.backfill(name, BackfillRequest(start=form["start"], end=form["end"]))
        case _:
            raise RefusalError(404, "expected pause, resume or backfill")
    return RedirectResponse(f"/schedules/{segment(name)}", 303)
