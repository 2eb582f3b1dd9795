"""Drifts: hosts that answer otherwise than code expects, and the runs that are parked because of it.

Owns: these pages, resolving a report, accepting a mapping that is proven.
Must not know: how a drift is found, how a mapping is proven. Proving one replays runs with the code on disk, which is
no work for whoever serves pages: the page says what to type, and shows what came of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.http import ThePrincipal, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.errors import InputError

PART: Final = 1_000
"""How many parked runs go on at one press of the button, at most."""
SHOWN_MAX: Final = 100
"""How many reports, or differences of one, a page shows."""

_decode_mapping = msgspec.json.Decoder(list[dict[str, Any]]).decode

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/drifts")
@requires(Scope.READ)
async def list_drifts(request: Request, service: TheService) -> Response:
    """Show the reports: those that are open first, the newest first."""
    drifts = sorted((await service.drifts.newest()).drifts, key=lambda each: each.state != "open")
    opened = sum(each.state == "open" for each in drifts)
    return show(
        request,
        "drifts.html",
        drifts=drifts[:SHOWN_MAX],
        counts={"drifts": len(drifts), "open": opened},
    )


@router.get("/drifts/{number}")
@requires(Scope.READ)
async def read_drift(
    request: Request, service: TheService, number: Number, went_on: Annotated[int | None, Query(ge=0, le=PART)] = None
) -> Response:
    """Show one report: what is called, what was expected and what was found, and how many runs wait."""
    drift = await service.drifts.one(number)
    return show(
        request,
        "drift.html",
        drift=drift,
        proposals=[(each, msgspec.json.encode(each.mapping).decode()) for each in drift.proposals],
        went_on=went_on,
        part=PART,
        shown_max=SHOWN_MAX,
    )


@router.post("/drifts/{number}/resolve")
@requires(Scope.OPERATE)
async def resolve_drift(service: TheService, number: Number, principal: ThePrincipal, form: TheForm) -> Response:
    """Let calls be made again, and the next parked runs go on."""
    resolved = await service.drifts.resolve(number, _limit(form["limit"].strip()), principal.actor)
    return RedirectResponse(f"/drifts/{number}?went_on={resolved.resumed}", 303)


@router.post("/drifts/{number}/accept")
@requires(Scope.OPERATE)
async def accept_mapping(service: TheService, number: Number, principal: ThePrincipal, form: TheForm) -> Response:
    """Read answers by a mapping that was shown, and let the next parked runs go on."""
    limit = _limit(form["limit"].strip())
    accepted = await service.drifts.accept(number, _mapping(form["mapping"]), limit, principal.actor)
    return RedirectResponse(f"/drifts/{number}?went_on={accepted.resumed}", 303)


def _mapping(text: str) -> list[dict[str, Any]]:
    try:
        return _decode_mapping(text)
    except msgspec.DecodeError as error:
        raise InputError("the mapping", (("/mapping", str(error)),)) from None


def _limit(text: str) -> int:
    if not text:
        return PART
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:8]) <= PART:
        raise InputError(
            "the limit", (("/limit", f"expected a number from 1 to {PART:,}, or nothing for all of them"),)
        )
    return int(text)
