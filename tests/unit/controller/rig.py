"""An API on a real store that nobody works on: what is accepted stays as it was accepted.

Owns: some workflows, a clock that tests move, requests byte by byte.
Must not know: what any test is about.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import httpx
import msgspec
from fastapi import FastAPI
from pydantic import BaseModel

from holdfast.app import load_settings
from holdfast.app.address import FileAddress
from holdfast.app.ringing import bus_of
from holdfast.authoring import Registry, query, signal, task, update, workflow
from holdfast.client import EmbeddedEngine
from holdfast.controller import ControllerService, Scope
from holdfast.controller.backlog import BACKLOG_MAX
from holdfast.controller.http import HttpSettings, create_app
from holdfast.dashboard import ROUTERS
from holdfast.ports.bus import Bus
from holdfast.ports.store import Store
from holdfast.replay.captures import CaptureFolder
from holdfast.stores import PostgresStore, SQLiteStore
from tests.backends import store_of

START = 1_700_000_000.0


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    time: float = START

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.time


class Line(BaseModel):
    """One thing ordered."""

    name: str
    count: int = 1


class Order(BaseModel):
    """What is ordered."""

    account: str
    lines: list[Line] = []


@workflow
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"hello {name}"


@workflow
async def idle() -> None:
    """Take nothing, do nothing."""


@workflow
class Review:
    """Wait for an approval."""

    def __init__(self) -> None:
        self.approved = asyncio.Event()

    async def run(self, order: Order, note: str = "") -> Order:  # noqa: ARG002 - its type is what counts
        """Wait."""
        await self.approved.wait()
        return order

    @signal
    def approve(self, by: str) -> None:  # noqa: ARG002
        """Approve it."""
        self.approved.set()

    @query
    def progress(self, detail: bool = False) -> int:  # noqa: ARG002
        """Tell how far it is."""
        return 0

    @update
    async def add(self, line: Line) -> int:
        """Add a line."""
        return line.count


@task
async def fetch(url: str) -> str:
    """Fetch something."""
    return url


DEFINITIONS = (greet, idle, Review, fetch)


@dataclass
class Api:
    """An application, and what is behind it."""

    app: FastAPI
    service: ControllerService
    engine: EmbeddedEngine
    store: Store
    clock: Clock
    http: httpx.AsyncClient
    secrets: dict[str, str] = field(default_factory=dict)
    """Secrets of keys by name."""

    async def make_keys(self) -> dict[str, str]:
        """Make one key for each scope, named after it; return their secrets."""
        for scope in Scope:
            issued = await self.service.keys.create(scope.value, [scope])
            self.secrets[scope.value] = issued.secret
        return self.secrets

    async def raw(self, method: str, path: bytes, **headers: str) -> Reply:
        """Send a request whose path nobody tidies up; of a stream, read the beginning."""
        leave = asyncio.Event()
        named = [("host", "localhost"), *headers.items()]
        return await raw_request(self.app, method, path, headers=named, on_chunk=lambda _: leave.set(), leave=leave)


def open_store(folder: Path, clock: Clock) -> tuple[Store, Bus]:
    """Return a store that goes by `clock`, and its bus, not open yet: on the test's backend, or a file in `folder`."""
    settings = load_settings(store=store_of(folder))
    bus = bus_of(settings, lambda: store)
    address = settings.address()
    if isinstance(address, FileAddress):
        store = cast("Store", SQLiteStore(address.path, clock=clock, bus=bus))
    else:
        store = cast("Store", PostgresStore(address.text, clock=clock, bus=bus))
    return store, bus


@asynccontextmanager
async def serving(folder: Path, *, definitions: Iterable[Any] = DEFINITIONS, **options: Any) -> AsyncIterator[Api]:
    """Give an API on a store of its own. `options` are HttpSettings, `routers` and `backlog_max`."""
    routers = options.pop("routers", ROUTERS)
    backlog_max = options.pop("backlog_max", BACKLOG_MAX)
    clock = Clock()
    store, bus = open_store(folder, clock)
    await store.open()
    await bus.open()
    try:
        engine = EmbeddedEngine(store, bus, clock, lambda: 7)
        captures = CaptureFolder(folder / "captures")
        service = ControllerService(
            engine, Registry(*definitions), store, clock, captures=captures, backlog_max=backlog_max
        )
        app = create_app(service, settings=HttpSettings(**options), routers=routers)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            yield Api(app, service, engine, store, clock, http)
    finally:
        await bus.close()
        await store.close()


# --- Requests byte by byte ---------------------------------------------------------------------------------------


@dataclass
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    received: int = 0
    """How many pieces of the body were asked for."""

    def json(self) -> Any:
        """Return the body as JSON."""
        return msgspec.json.decode(self.body)


async def raw_request(
    app: Any,
    method: str,
    path: bytes,
    *,
    headers: Iterable[tuple[str, str]] = (("host", "localhost"),),
    body: Iterable[bytes] | None = (),
    on_chunk: Callable[[bytes], None] = lambda _: None,
    leave: asyncio.Event | None = None,
) -> Reply:
    """Send a request as a server would, without a client that tidies it up.

    Args:
        app: an ASGI application.
        method: GET, POST, ...
        path: as it stands in the request line, with its query.
        headers: name and value pairs.
        body: its pieces; None is a body that never comes.
        on_chunk: called with each piece of the answer.
        leave: when it is set, the client goes away.
    """
    bare, _, query_string = path.partition(b"?")
    reply = Reply()
    pieces = None if body is None else iter(body)
    ended = False

    async def receive() -> dict[str, Any]:
        nonlocal ended
        if pieces is None:
            await asyncio.Event().wait()
        if not ended:
            reply.received += 1
            piece = next(pieces, None)
            ended = piece is None
            return {"type": "http.request", "body": piece or b"", "more_body": not ended}
        await (leave or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")
            on_chunk(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(bare).decode("utf-8", "replace"),
        "raw_path": bare,
        "query_string": query_string,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return reply


def check_problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """Assert that a response is problem+json of this status, and return it."""
    found = response.json()
    headers = response.headers
    assert (getattr(response, "status", None) or response.status_code) == status, found
    assert headers["content-type"] == "application/problem+json"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["instance"].startswith("/")
    assert found["type"] == (f"/errors/{found['code']}" if "code" in found else "about:blank")
    assert code is None or found["code"] == code
    return found
