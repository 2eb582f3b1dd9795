"""API keys, and the audit log.

Owns: these pages, and showing a key's secret once.
Must not know: how keys are made or checked.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.documents import key_document
from holdfast.controller.http import ThePrincipal, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.errors import InputError
from holdfast.ports.operations import AuditFilter

PAGE = 100

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=300)]


@router.get("/keys")
@requires(Scope.ADMIN)
async def list_keys(request: Request, service: TheService) -> Response:
    """Show the API keys, without their secrets."""
    return await _keys(request, service)


@router.post("/keys")
@requires(Scope.ADMIN)
async def create_key(request: Request, service: TheService, principal: ThePrincipal, form: TheForm) -> Response:
    """Make an API key, and show it this once."""
    try:
        scopes = [Scope(each) for each in form.all("scope")]
    except ValueError:
        raise InputError("the key", (("/scopes", f"expected {', '.join(Scope)}"),)) from None
    workflows = form["workflows"].replace(",", " ").split()
    issued = await service.keys.create(
        form["name"].strip(), scopes, workflows=workflows, rate_limit=form["rate"].strip(), by=principal.actor
    )
    return await _keys(request, service, made=(issued.stored.name, issued.secret))


@router.post("/keys/{name}/rotate")
@requires(Scope.ADMIN)
async def rotate_key(
    request: Request,
    service: TheService,
    name: Name,
    principal: ThePrincipal,
    form: TheForm,  # noqa: ARG001 - its stamp was looked at
) -> Response:
    """Give a key another secret, and show it this once; the one it has stays good for an hour."""
    renewed = await service.keys.rotate(name, by=principal.actor)
    return await _keys(request, service, made=(name, renewed.secret))


@router.post("/keys/{name}/revoke")
@requires(Scope.ADMIN)
async def revoke_key(service: TheService, name: Name, principal: ThePrincipal, form: TheForm) -> Response:  # noqa: ARG001 - its stamp was looked at
    """Make a key invalid for good."""
    await service.keys.revoke(name, principal.actor)
    return RedirectResponse("/keys", 303)


@router.get("/audit")
@requires(Scope.ADMIN)
async def read_audit(
    request: Request, service: TheService, actor: str = "", action: str = "", target: str = "", cursor: str = ""
) -> Response:
    """Show who did what, newest first."""
    where = AuditFilter(actor=actor or None, action=action or None, target=target or None)
    page = await service.audit.page(where, cursor=cursor or None, limit=PAGE)
    given = {"actor": actor, "action": action, "target": target}
    following = f"/audit?{urlencode({**given, 'cursor': page.next})}" if page.next else ""
    return show(request, "audit.html", entries=page.entries, given=given, following=following)


async def _keys(request: Request, service: TheService, made: tuple[str, str] | None = None) -> Response:
    keys = [key_document(each) for each in await service.keys.records()]
    return show(request, "keys.html", keys=keys, made=made, scopes=list(Scope))
