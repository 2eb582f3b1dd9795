"""The controller's HTTP server on a stack. The one module of the application that loads a web framework.

Owns: handing the stack's parts and the settings to the controller.
Must not know: routes.
"""

from __future__ import annotations

from typing import Final

from holdfast.app.capturing import capture_folder
from holdfast.app.inbox import desk_options
from holdfast.app.settings import Settings
from holdfast.app.stack import Stack
from holdfast.controller import ControllerService
from holdfast.controller.http import HttpSettings, Server, create_app, serve
from holdfast.controller.webhooks import Leftovers
from holdfast.dashboard import ROUTERS
from holdfast.ports.reach import Reach

SHARED: Final = (
    "host",
    "port",
    "body_bytes_max",
    "body_seconds_max",
    "head_bytes_max",
    "head_seconds_max",
    "requests_max",
    "streams_max",
    "rate_limit",
)
"""Settings of the HTTP side that are settings of the process, too."""


async def open_server(stack: Stack, settings: Settings) -> Server:
    """Serve the API and the dashboard of `stack`; returns once requests are answered.

    Raises:
        SettingsError: others would reach it without keys, the address cannot be listened on, or a webhook's secret is
            not where it should be.
        DefinitionError, UnknownNameError: a webhook cannot work.
    """
    service = ControllerService(
        stack.engine,
        stack.registry,
        stack.store,
        stack.clock,
        captures=capture_folder(settings),
        callbacks=await stack.callbacks(),
        backlog_max=settings.backlog_max,
        meters=stack.meters,
        webhooks=desk_options(settings),
        keep_seconds=settings.idempotency_seconds,
        reach=Reach.allowing(settings.notify_allow),
        cluster=stack.cluster,
    )
    service.webhooks.check()
    options = HttpSettings(**{name: getattr(settings, name) for name in SHARED})
    server = await serve(create_app(service, settings=options, routers=ROUTERS))
    if stack.cluster is not None:
        await stack.look_for(Leftovers(stack.store, stack.bus, service.webhooks))
    return server
