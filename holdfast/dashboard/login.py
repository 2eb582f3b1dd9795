"""Logging in and out.

Owns: turning an API key into a session's cookie, and taking it away again.
Must not know: how keys are checked.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller.http import Doorkeeper, Public, TheService, requires
from holdfast.dashboard.doors import COOKIE, PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.observe import logger

router = APIRouter(route_class=PageRoute, include_in_schema=False)
log = logger("holdfast.dashboard")


@router.get("/login")
@requires(Public.YES)
async def read_login(request: Request) -> Response:
    """Ask for a key; where none is needed, go on."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    if await doorkeeper.is_open():
        return RedirectResponse("/", 303)
    return show(request, "login.html", why="", goal=_local(request.query_params.get("goal", "/")))


@router.post("/login")
@requires(Public.YES)
async def log_in(request: Request, service: TheService, form: TheForm) -> Response:
    """Begin a session."""
    goal = _local(form["goal"])
    token = await service.sessions.begin(form["key"].strip())
    if token is None:
        return show(request, "login.html", 401, why="This is no key that is valid.", goal=goal)
    response = RedirectResponse(goal, 303)
    # Whoever stands in front of us may speak TLS where we do not: the browser knows.
    secure = request.headers.get("origin", "").startswith("https:")
    lifetime = int(service.sessions.seconds)
    response.set_cookie(COOKIE, token, lifetime, httponly=True, samesite="strict", secure=secure, path="/")
    return response


@router.post("/logout")
@requires(Public.YES)
async def log_out(form: TheForm) -> Response:  # noqa: ARG001 - its stamp was looked at
    """Forget the session."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _local(goal: str) -> str:
    """Return where to go afterwards: a path here, never an address elsewhere."""
    plain = goal.startswith("/") and not goal.startswith(("//", "/\\")) and goal.isprintable()
    return goal if plain else "/"
