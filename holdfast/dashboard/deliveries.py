"""Deliveries: what webhooks were sent, and what came of it.

Owns: these pages, and carrying a delivery out again.
Must not know: signatures, what a delivery means.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.http import ThePrincipal, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import pretty
from holdfast.errors import InputError
from holdfast.ports.operations import DeliveryFilter

PAGE = 50
STATES = ("accepted", "ignored", "failed", "refused")

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Number = Annotated[int, Path(ge=0, le=2**63 - 1)]


@router.get("/deliveries")
@requires(Scope.READ)
async def list_deliveries(
    request: Request, service: TheService, webhook: str = "", state: str = "", cursor: str = ""
) -> Response:
    """Show deliveries, newest first."""
    if state and state not in STATES:
        raise InputError("the filter", (("/state", f"expected one of {', '.join(STATES)}"),))
    where = DeliveryFilter(webhook or None, state or None, None, None, None)
    page = await service.inbox.page(where, cursor=cursor or None, limit=PAGE)
    return show(
        request,
        "deliveries.html",
        deliveries=page.deliveries,
        webhook=webhook,
        state=state,
        states=STATES,
        following=f"/deliveries?{urlencode({'webhook': webhook, 'state': state, 'cursor': page.next})}"
        if page.next
        else "",
    )


@router.get("/deliveries/{delivery}")
@requires(Scope.READ)
async def read_delivery(request: Request, service: TheService, delivery: Number) -> Response:
    """Show a delivery with its headers and its body, without secrets."""
    found = await service.inbox.delivery(delivery)
    return show(
        request,
        "delivery.html",
        delivery=found,
        headers={} if found.headers is UNSET else found.headers,
        body=None if found.body is UNSET or found.body is None else pretty(found.body),
    )


@router.post("/deliveries/{delivery}/redeliver")
@requires(Scope.OPERATE)
async def redeliver(service: TheService, delivery: Number, principal: ThePrincipal, form: TheForm) -> Response:  # noqa: ARG001 - its stamp was looked at
    """Carry out a delivery again, by what is declared now."""
    await service.inbox.redeliver(delivery, principal.actor)
    return RedirectResponse(f"/deliveries/{delivery}", 303)
