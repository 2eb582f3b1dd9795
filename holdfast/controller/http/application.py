"""The application: routes, doors and error answers put together.

Owns: which routers there are, and the order of what stands before them.
Must not know: what routes do, how the application is served.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from holdfast.controller.http import (
    audit,
    callbacks,
    captures,
    contracts,
    drifts,
    events,
    fleet,
    front,
    gatherings,
    health,
    hooks,
    keys,
    messages,
    metrics,
    notices,
    runs,
    schedules,
    spending,
    streams,
    workflows,
)
from holdfast.controller.http.access import Doorkeeper, ScopedRoute, check_routes
from holdfast.controller.http.body import BodyLimit
from holdfast.controller.http.entrance import HookEntrance
from holdfast.controller.http.limits import HeadLimit
from holdfast.controller.http.observing import Observer
from holdfast.controller.http.origin import OriginCheck
from holdfast.controller.http.parts import Parts
from holdfast.controller.http.problems import HANDLERS, CatchAll
from holdfast.controller.http.settings import HttpSettings
from holdfast.controller.service import ControllerService

OWN_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""The framework's own would record paths, queries and the words of errors as soon as a program has an SDK: tokens of
callbacks are in paths. What is recorded instead is `observing`'s business."""

ROUTERS = (
    hooks.hook,  # first: nothing else is asked for as often
    runs.router,
    events.router,
    messages.router,
    callbacks.router,
    hooks.router,
    workflows.router,
    fleet.router,
    contracts.router,
    drifts.router,
    spending.router,
    streams.router,
    schedules.router,
    gatherings.router,
    captures.router,
    notices.router,
    keys.router,
    audit.router,
    health.router,
    metrics.router,
    front.router,
)


def create_app(
    service: ControllerService, *, settings: HttpSettings | None = None, routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """Return the HTTP side of `service` as an ASGI application.

    Args:
        service: what the routes do.
        settings: see HttpSettings; `host` decides whether an API without keys is open.
        routers: further routes, each declaring its scope by `requires` on a `ScopedRoute`.

    Raises:
        DefinitionError: a route does not declare who may use it.
    """
    settings = settings or HttpSettings()
    every = (*ROUTERS, *routers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check_routes(app)  # again: routes may have been added since
        async with AsyncExitStack() as open_routers:
            for each in every:
                await open_routers.enter_async_context(each.lifespan_context(app))
            yield

    app = FastAPI(
        title="Holdfast",
        openapi_url=None,  # described by a route of our own, which has a scope
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # each resource has one path
        telemetry=OWN_TELEMETRY,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    app.router.route_class = ScopedRoute
    app.state.parts = Parts(service, settings)
    app.state.doorkeeper = Doorkeeper(service.keys, settings, service.runs.workflow_of)
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(CatchAll)
    app.add_middleware(HeadLimit, bytes_max=settings.head_bytes_max)
    app.add_middleware(
        OriginCheck, doorkeeper=app.state.doorkeeper, allowed_hosts=frozenset(map(str.lower, settings.allowed_hosts))
    )
    app.add_middleware(Observer, meters=service.publisher.meters)
    app.add_middleware(HookEntrance, parts=app.state.parts, doorkeeper=app.state.doorkeeper)
    for each in every:
        # As they are: `include_router` would add a prefix and dependencies, of which there are none, and take apart the
        # function of each route once more for it, a quarter of a second for every application that is made.
        app.router.routes.extend(each.routes)
    check_routes(app)
    return app
