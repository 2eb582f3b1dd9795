"""The list of runs, and what is done to many of them.

Owns: the filter's form, pages of the list, the preview before many runs are touched.
Must not know: how runs are found, how they are operated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.documents import STATUSES, Bulk, BulkFork, ForkBody, Where
from holdfast.controller.http import About, RefusalError, ThePrincipal, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.live import live
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import segment
from holdfast.errors import InputError, RunNotFoundError

PAGE: Final = 50
"""How many runs stand on one page."""
PART: Final = 500
"""How many runs one press of a button is carried out on; the page then asks to go on."""
FORK_PART: Final = 100
VERBS: Final = ("cancel", "terminate", "pause", "resume", "fork")
FILTER: Final = ("workflow", "status", "after", "before", "attribute", "error")
"""What a filter is made of, as it stands in an address."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/runs")
@requires(Scope.READ, About.SELECTION)
async def list_runs(  # noqa: PLR0913, PLR0917 - one for each field of the filter
    request: Request,
    service: TheService,
    principal: ThePrincipal,
    workflow: str = "",  # noqa: ARG001 - these are read together, from the query
    status: str = "",  # noqa: ARG001
    after: str = "",  # noqa: ARG001
    before: str = "",  # noqa: ARG001
    attribute: str = "",  # noqa: ARG001
    error: str = "",  # noqa: ARG001
    run: str = "",
    cursor: str = "",
) -> Response:
    """Show runs, newest first."""
    if run:
        return await _found(service, principal, run)
    given = {name: request.query_params.get(name, "") for name in FILTER}
    where = read_where(given)
    page = await service.runs.page(where, cursor=cursor or None, limit=PAGE, payloads=True, only=principal.workflows)
    return show(
        request,
        "runs.html",
        runs=page.runs,
        given=given,
        is_filtered=any(given.values()),
        address=lambda **changed: _address({**given, **changed}),
        following=page.next,
        is_first=not cursor,
        statuses=sorted(STATUSES),
        workflows=[each for each in sorted(service.registry.workflows) if principal.may_see(each)],
        verbs=VERBS,
    )


async def _found(service: Any, principal: Any, text: str) -> Response:
    """Go to the run that is called so; where there is none, to those that failed or are parked with such words."""
    try:
        if principal.may_see(await service.runs.workflow_of(text)):
            return RedirectResponse(f"/runs/{segment(text)}", 303)
    except (RunNotFoundError, InputError):
        pass
    return RedirectResponse(_address({"error": text}), 303)


@router.get("/runs/live")
@requires(Scope.READ, About.SELECTION)
async def follow_runs(request: Request, service: TheService) -> Response:
    """Say when the list would look another way."""
    return live(request, "runs", service.runs.newest)


@router.post("/runs/bulk")
@requires(Scope.OPERATE, About.SELECTION)
async def operate_many(request: Request, service: TheService, principal: ThePrincipal, form: TheForm) -> Response:
    """Say how many runs are meant; when that was seen and wanted, do it to the next of them."""
    verb = form["verb"]
    if verb not in VERBS:
        raise RefusalError(400, f"expected one of {', '.join(VERBS)}")
    given = {name: form[name] for name in FILTER}
    where = read_where(given)
    is_preview = form["sure"] != "yes"
    cursor = form["cursor"] or None
    only, actor = principal.workflows, principal.actor
    answer: Any
    if verb == "fork":
        fork = ForkBody(at=form["at"] or "start")
        many = BulkFork(where=where, fork=fork, preview=is_preview, cursor=cursor, limit=FORK_PART)
        answer = await service.forks.fork_many(many, form["operation"] or None, only, actor)
    else:
        bulk = Bulk(verb=verb, where=where, reason=form["reason"], preview=is_preview, cursor=cursor, limit=PART)  # type: ignore[arg-type]  # it is one of VERBS
        answer = await service.operating.bulk(bulk, principal.name, form["operation"] or None, only, actor)
    return show(
        request,
        "bulk.html",
        verb=verb,
        given=given,
        is_filtered=any(given.values()),
        is_preview=is_preview,
        answer=answer,
        reason=form["reason"],
        at=form["at"],
        operation=form["operation"] or uuid4().hex,
        address=_address(given),
    )


def read_where(given: dict[str, str]) -> Where:
    """Return the filter that the fields of an address say. Raises InputError."""
    attributes = {}
    for pair in given["attribute"].split():
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise InputError("the filter", (("/attribute", "expected name=value, several with spaces between them"),))
        attributes[name] = value
    return Where(
        workflow=given["workflow"] or None,
        status=given["status"].split(),
        created_from=_moment("after", given["after"]),
        created_before=_moment("before", given["before"]),
        error=given["error"],
        attributes=attributes,
    )


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError("the filter", ((f"/{name}", "expected a time such as 2026-11-30T08:00"),)) from None


def _address(given: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in given.items() if value})
    return f"/runs?{query}" if query else "/runs"
