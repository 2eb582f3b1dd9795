"""The first page: how everything is.

Owns: what stands on it.
Must not know: how it is counted.

The numbers of the last hours are looked at all the time, whether or not somebody looks at the page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller import ControllerService, Scope
from holdfast.controller.documents import Run, Where
from holdfast.controller.http import TheService, parts_of, requires
from holdfast.dashboard.ai import added
from holdfast.dashboard.charts import draw_chart
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.live import live
from holdfast.dashboard.pages import show
from holdfast.errors import HoldfastError
from holdfast.ports.engine import Cluster
from holdfast.ports.operations import FAILED, PARKED, PAUSED, TIMED_OUT

HOUR: Final = (60, 60)
"""Seconds of one bar, and how many there are."""
DAY: Final = (1800, 48)
LOOK_SECONDS: Final = 15.0
"""How often the numbers are looked at."""
SAVED_DAYS: Final = 30
"""Over how many days it is told what caches of language models saved."""
ATTENTION: Final = (PARKED, FAILED, TIMED_OUT, PAUSED)
ATTENTION_SHOWN: Final = 8


@contextlib.asynccontextmanager
async def remembering(app: FastAPI) -> AsyncIterator[None]:
    """Look at the numbers while the application is served."""
    glance = parts_of(app).service.glance

    async def look() -> None:
        while True:
            with contextlib.suppress(HoldfastError):  # the page says so, too
                await glance.overview()
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look(), name="holdfast dashboard numbers")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


router = APIRouter(route_class=PageRoute, include_in_schema=False, lifespan=remembering)


@router.get("/")
@requires(Scope.READ)
async def read_overview(request: Request, service: TheService) -> Response:
    """Show how everything is, and what wants somebody's attention."""
    if service.cluster is not None:
        return await _show_elsewhere(request, service, service.cluster)
    overview = await service.glance.overview()
    attention = await _wanting_attention(service)
    pools = (await service.fleet.pools()).pools
    workers = (await service.fleet.workers()).workers
    return show(
        request,
        "overview.html",
        overview=overview,
        hour=draw_chart(service.glance.lately(*HOUR)),
        day=draw_chart(service.glance.lately(*DAY)),
        attention=attention,
        warnings=[each for each in pools if each.warning or each.paused],
        asked=added((await service.spending.usage("model", SAVED_DAYS)).usage),
        saved_days=SAVED_DAYS,
        odd=[each for each in workers if each.state != "alive"],
    )


async def _wanting_attention(service: ControllerService) -> list[Run]:
    found = [
        each
        for status in ATTENTION  # one after the other: each is found by its index, all at once by looking at every run
        for each in (await service.runs.page(Where(status=[status]), limit=ATTENTION_SHOWN, payloads=True)).runs
    ]
    return sorted(found, key=lambda each: each.created_at, reverse=True)[:ATTENTION_SHOWN]


async def _show_elsewhere(request: Request, service: ControllerService, cluster: Cluster) -> Response:
    """Show what there is to be told of runs that are on a cluster of others."""
    return show(
        request,
        "elsewhere.html",
        cluster=cluster,
        orchestrators=await cluster.orchestrators(),
        attention=await _wanting_attention(service),
    )


@router.get("/live")
@requires(Scope.READ)
async def follow_overview(request: Request, service: TheService) -> Response:
    """Say when the first page, or a list of runs, would look another way."""
    return live(request, "runs", service.runs.newest)
