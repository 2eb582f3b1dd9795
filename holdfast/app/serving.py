"""A process that serves until it is told to stop.

Owns: signals (the first drains, the second stops at once), and the order of stack and HTTP server.
Must not know: command lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from holdfast.app.garbage import tune_gc
from holdfast.app.settings import Settings
from holdfast.app.stack import Stack
from holdfast.authoring import Registry
from holdfast.observe import Publisher

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Serving:
    """What has started."""

    stack: Stack
    url: str
    """Where the controller listens; empty without one."""
    metrics_url: str = ""
    """Where a process without HTTP API shows its metrics; empty where nobody asked for that."""


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, registry: Registry, roles: Iterable[str], *, http: bool
) -> AsyncIterator[Serving]:
    """Run a stack, and the controller's HTTP server with `http`, while the block lasts.

    Raises:
        SettingsError: the address may not be served like this, or a port is taken.
        StoreError: the store cannot be opened.
    """
    stack = Stack(settings, registry, roles)
    await stack.open()
    try:
        if not http:
            async with _metrics(stack, settings.metrics_port) as url:
                yield Serving(stack, "", url)
            return
        # Imported here, so that a worker without HTTP does not load a web framework.
        from holdfast.app.web import open_server

        server = await open_server(stack, settings)
        if settings.tune_gc:
            tune_gc()  # whatever else this process is, by now it has loaded what it needs
        try:
            yield Serving(stack, server.url)
        finally:
            await server.stop()
    finally:
        await stack.close()


async def serve(
    settings: Settings,
    registry: Registry,
    roles: Iterable[str],
    *,
    http: bool,
    announce: Callable[[Serving], None],
    replaceable: bool = False,
) -> bool:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        settings: see Settings.
        registry: the workflows and tasks this process knows.
        roles: what the process does.
        http: whether it also is a controller.
        announce: called once everything has started.
        replaceable: also stop when the process holds abandoned work, because a supervisor starts another one.

    Returns:
        Whether the process is worn and wants to be replaced.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()

    def stopping() -> None:
        if stop.is_set():
            os._exit(130)  # the second signal: whatever is held is told from our lease
        stop.set()
        if starting is not None:
            starting.cancel()  # it may be waiting for a database, and nothing is to be drained yet

    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stopping)
    try:
        async with serving(settings, registry, roles, http=http) as started:
            starting = None
            announce(started)
            if replaceable:
                await _first_of(stop.wait(), started.stack.worn.wait())
            else:
                await stop.wait()
            return started.stack.worn.is_set() and not stop.is_set()
    except asyncio.CancelledError:
        if starting is None or not stop.is_set():
            raise
        starting.uncancel()
        return False
    finally:
        for each in STOP_SIGNALS:
            loop.remove_signal_handler(each)


@contextlib.asynccontextmanager
async def _metrics(stack: Stack, port: int | None) -> AsyncIterator[str]:
    if port is None:
        yield ""
        return
    from holdfast.app.metrics_port import MetricsPort  # here, as few processes serve them

    served = MetricsPort(Publisher(stack.meters), port)
    try:
        yield served.url
    finally:
        # It takes up to half a second to end. The loop has to turn meanwhile: one that stands still loses its lease.
        await asyncio.to_thread(served.close)


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
