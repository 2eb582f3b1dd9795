"""Captures, and histories that somebody brings: against the code that is loaded.

Owns: these pages; replays of them, one at a time.
Must not know: how a replay is made, where captures are kept.

A replay runs the code of workflows, with recorded outcomes and no effects. It runs beside the event loop, and one at a
time: whoever opens ten captures waits for ten replays, and nobody else does.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from holdfast.authoring import Registry
from holdfast.controller import Scope
from holdfast.controller.http import RefusalError, TheService, requires
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.run import EVENTS, shown_events
from holdfast.dashboard.sources import lines_of
from holdfast.dashboard.timeline import draw_timeline
from holdfast.errors import HoldfastError
from holdfast.history import History
from holdfast.replay import ReplayResult, WorkflowReplayer, load_history
from holdfast.replay.captures import write_test

PAGE: Final = 50
REPLAYED_EVENTS_MAX: Final = 20_000
"""Longer histories are replayed on the command line: `holdfast replay`."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=300)]


@router.get("/replay")
@requires(Scope.READ)
async def list_captures(request: Request, service: TheService, cursor: str = "") -> Response:
    """Show captures, newest first, and take a history that somebody brings."""
    page = await service.captures.page(cursor=cursor or None, limit=PAGE)
    return show(request, "captures.html", captures=page.captures, following=page.next)


@router.get("/replay/{name}")
@requires(Scope.READ)
async def replay_capture(request: Request, service: TheService, name: Name) -> Response:
    """Replay a capture against the code that is loaded, and show what came of it."""
    found, content = await service.captures.read(name)
    return await _page(request, service, content, name=found)


@router.get("/replay/{name}/file")
@requires(Scope.READ)
async def download_capture(service: TheService, name: Name) -> Response:
    """Hand out a capture's file."""
    found, content = await service.captures.read(name)
    headers = {"Content-Disposition": f'attachment; filename="{found}.json"'}
    return Response(content, media_type="application/json", headers=headers)


@router.post("/replay")
@requires(Scope.READ)
async def replay_file(request: Request, service: TheService, form: TheForm) -> Response:
    """Replay a history that somebody brings. Nothing of it is kept."""
    content = form.files.get("file", b"")
    if not content:
        raise RefusalError(400, "choose a file that `holdfast runs export` or a capture wrote")
    return await _page(request, service, content, name="")


async def _page(request: Request, service: Any, content: bytes, name: str) -> Response:
    history = await asyncio.to_thread(load_history, content)
    events = service.captures.events(history)
    result, problem = await _replay(service.registry, history)
    try:
        test = write_test(history, file=f"histories/{name}.json").text if name else ""
    except HoldfastError:
        test = ""  # nobody knows the place of its code
    return show(
        request,
        "replay.html",
        name=name,
        history=history,
        result=result,
        problem=problem,
        test=test,
        drawn=draw_timeline(events[:EVENTS], 0.0, is_open=False),
        events=shown_events(events[:EVENTS]),
        count=len(events),
        line_at=lines_of(service.registry),
    )


_ONE_AT_A_TIME: Final = asyncio.Semaphore(1)


async def _replay(registry: Registry, history: History) -> tuple[ReplayResult | None, str]:
    """Return what came of a replay, or why there was none."""
    if len(history.events) > REPLAYED_EVENTS_MAX:
        return (
            None,
            f"It has {len(history.events):,} events: replay it on the command line, holdfast replay FILE MODULE",
        )
    if history.started.workflow not in registry.workflows:
        return None, f"This controller does not know the code of workflow {history.started.workflow!r}."
    replayer = WorkflowReplayer(registry.workflow(history.started.workflow))
    async with _ONE_AT_A_TIME:
        try:
            return await asyncio.to_thread(replayer.replay, history), ""
        except HoldfastError as error:
            return None, error.message()
