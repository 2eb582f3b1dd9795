"""Live updates: pages that move while somebody looks at them.

Owns: who watches what, and when they are told to look again.
Must not know: what changed, what a page shows.

Theory of operation
===================

A page that is open has a stream of events, and each event says no more than that the page is not what it would be
now. The browser then fetches the page again and takes over what is different (`assets/live.js`): there is one way in
which a page is made, and what is live is what a reload would show.

All who watch the same thing share one look at it: two hundred open pages of runs cost one question every second. A
look returns a mark - any value - and everybody is told when it is another than before. Who has just come is told in any
case, after the first look that began since: the page it has was made earlier. Nobody watches, nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller.http import Doorkeeper, EventStream, RefusalError, parts_of
from holdfast.errors import HoldfastError
from holdfast.observe import logger

LOOK_SECONDS: Final = 1.0
"""How often a thing is looked at."""
STREAMS_MAX: Final = 1_000
"""How many pages are kept up to date at a time; those beyond have to be loaded again by hand."""

Look = Callable[[], Awaitable[object]]

log = logger("holdfast.dashboard")


class Watch:
    """One thing that is watched, for all who watch it."""

    def __init__(self, look: Look, seconds: float) -> None:
        """Look at it every `seconds`, from the first listener on."""
        self._look = look
        self._seconds = seconds
        self._listeners: set[asyncio.Event] = set()
        self._fresh: set[asyncio.Event] = set()
        """Those who came since the last look began."""
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def join(self, listener: asyncio.Event) -> None:
        """Tell `listener` from now on."""
        self._listeners.add(listener)
        self._fresh.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name="holdfast dashboard watch")

    async def leave(self, listener: asyncio.Event) -> None:
        """Tell `listener` no more."""
        self._listeners.discard(listener)
        self._fresh.discard(listener)
        if not self._listeners and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self) -> None:
        known: object = None
        while True:
            fresh, self._fresh = self._fresh, set()
            try:
                mark = await self._look()
            except HoldfastError as error:
                mark = repr(error)  # the page says it, too
            for each in self._listeners if mark != known else fresh & self._listeners:
                each.set()
            known = mark
            await asyncio.sleep(self._seconds)


class Watches:
    """Everything that is watched in this process."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._watches: dict[str, Watch] = {}
        self.streams = 0
        """How many pages are kept up to date now."""

    async def follow(self, name: str, look: Look, seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Yield an event each time a thing is other than it was."""
        watch = self._watches.setdefault(name, Watch(look, seconds))
        listener = asyncio.Event()
        watch.join(listener)
        number = 0
        try:
            while True:
                await listener.wait()
                listener.clear()
                number += 1
                yield {"id": number, "type": "change"}
        finally:
            await watch.leave(listener)
            if not watch.listeners:
                self._watches.pop(name, None)


class LiveStream(EventStream):
    """A stream that takes one of the places for pages that are kept up to date."""

    def __init__(self, request: Request, name: str, look: Look, seconds: float = LOOK_SECONDS) -> None:
        """Tell the page of `request` about what is called `name`. Raises RefusalError: there is no place."""
        parts = parts_of(request.app)
        self._watches = watches_of(request.app)
        if self._watches.streams >= STREAMS_MAX:
            detail = f"{STREAMS_MAX} pages are kept up to date already (STREAMS_MAX)"
            raise RefusalError(503, detail, {"Retry-After": "10"})
        doorkeeper = cast("Doorkeeper", request.app.state.doorkeeper)
        source = self._watches.follow(name, look, seconds)

        async def wait_shut(_: object) -> None:
            await doorkeeper.wait_shut(request)

        super().__init__(source, parts.settings.keep_alive_seconds, parts.stopping, lambda: "0", wait_shut)

    async def __call__(self, *asgi: Any) -> None:
        """Send the stream."""
        self._watches.streams += 1
        try:
            await super().__call__(*asgi)
        finally:
            self._watches.streams -= 1


def watches_of(app: Any) -> Watches:
    """Return what is watched in an application."""
    state = app.state
    if not hasattr(state, "watches"):
        state.watches = Watches()
    return cast("Watches", state.watches)


def live(request: Request, name: str, look: Look, seconds: float = LOOK_SECONDS) -> Response:
    """Return the stream that keeps a page up to date."""
    return LiveStream(request, name, look, seconds)
