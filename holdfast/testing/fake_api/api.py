"""The fake API itself: a small HTTP server in a thread, which any process on this machine may call.

Owns: its life, connections, routes, what is played at which request, and what drifts from when on.
Must not know: who calls.

What changes something (POST, PUT, PATCH, DELETE) has an effect, once for each Idempotency-Key: whoever comes again with
the same key is given the answer from the first time, as the better APIs do. So a test asks at the end what was done,
rather than what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, assert_never

from holdfast.testing.fake_api.acts import (
    Act,
    Answer,
    Behave,
    Hang,
    Redirect,
    ResetAfter,
    ResetBefore,
    SlowBody,
    TooMany,
    Truncate,
    WrongType,
)
from holdfast.testing.fake_api.drift import DRIFTS, Drift
from holdfast.testing.fake_api.records import Effect, Limit, Request, busiest

Handler: TypeAlias = Callable[[Request], Any]
"""What a route answers: JSON values, or an `Answer` with a status of its own, which has no effect."""

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class _Drifting:
    """What has changed about a route's answers."""

    drift: Drift
    field: str
    after: int
    """How many more answers are as they were."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer on its way."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def encoded(self) -> bytes:
        """Return it as it goes over the line."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Whatever')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


_REASONS: Final = {200: "OK", 201: "Created", 302: "Found", 404: "Not Found", 429: "Too Many Requests"}


class FakeApi:
    """Somebody else's API, for tests.

    ```python
    with FakeApi() as api:
        api.route("POST", "/charges", lambda request: {"id": "ch-1", "status": "paid"})
        api.play("/charges", TooMany(), ResetAfter())
        ...
        assert [effect.value for effect in api.effects("/charges")] == [{"amount": 5}]
    ```

    Methods may be called from any thread.
    """

    def __init__(self) -> None:
        """Describe it; entering starts it."""
        self._guard = threading.RLock()
        self._routes: dict[tuple[str, str], Handler] = {}
        self._acts: dict[str, list[Act]] = {}
        self._limits: dict[str, Limit] = {}
        self._drifting: dict[str, list[_Drifting]] = {}
        self._requests: list[Request] = []
        self._effects: dict[str, Effect] = {}
        self._made_up = count(1)
        self._connections = count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake api", daemon=True)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def host(self) -> str:
        """Return its name and port: 127.0.0.1:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return where it is, without a slash at the end."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        """Start it on a free port."""
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; connections are closed."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- What it does ------------------------------------------------------------------------------------------------

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Answer requests of a path, or below it, by what `handler` returns. The longest path that fits counts."""
        with self._guard:
            self._routes[method, path] = handler

    def play(self, path: str, *acts: Act) -> None:
        """Do these with the next requests of a path, or below it, one each."""
        with self._guard:
            self._acts.setdefault(path, []).extend(acts)

    def limit(self, path: str, limit: Limit | None) -> None:
        """Take only so many requests of a path, or below it; None takes any number again."""
        with self._guard:
            if limit is None:
                self._limits.pop(path, None)
            else:
                self._limits[path] = limit

    def drift(self, path: str, drift: Drift, field: str = "", *, after: int = 0) -> None:
        """Change what is answered at a path, or below it, from now on.

        Args:
            path: whose answers.
            drift: how: see `DRIFTS`.
            field: the name in the answer's object that changes.
            after: how many more answers are as they were.
        """
        with self._guard:
            self._drifting.setdefault(path, []).append(_Drifting(drift, field, after))

    def mend(self, path: str) -> None:
        """Answer as before at a path; what was to be played there is left out."""
        with self._guard:
            self._drifting.pop(path, None)
            self._acts.pop(path, None)

    # --- What it saw -------------------------------------------------------------------------------------------------

    def requests(self, path: str = "/") -> list[Request]:
        """Return the requests of a path, or below it, in the order in which they came."""
        with self._guard:
            return [each for each in self._requests if _is_below(each.path, path)]

    def effects(self, path: str = "/") -> list[Effect]:
        """Return what was done at a path, or below it, each once, in order."""
        with self._guard:
            return [each for each in self._effects.values() if _is_below(each.path, path)]

    def busiest(self, seconds: float, path: str = "/", since: float = 0.0) -> int:
        """Return how many requests came within the busiest window of so many seconds.

        Args:
            seconds: length of the window.
            path: of which path, or below it.
            since: only those from this time of the monotonic clock on.
        """
        return busiest((each.at for each in self.requests(path) if each.at >= since), seconds)

    # -----------------------------------------------------------------------------------------------------------------

    def _call(self, body: Any) -> None:
        asyncio.run_coroutine_threadsafe(body, self._loop).result()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for each in list(self._serving):
            each.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._connections)
        # Whoever goes in the middle of a request is not missed.
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while (request := await _read(reader, number)) is not None:
                    if not await self._handle(request, reader, writer):
                        break
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _handle(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do something with a request; say whether the connection goes on."""
        with self._guard:
            act, announced, let_in = self._decide(request)
            self._requests.append(replace(request, let_in=let_in))
        match act:
            case Answer() | TooMany() | Redirect():
                reply = _plain(act)
            case ResetBefore():
                _reset(writer)
                return False
            case _:
                with self._guard:
                    reply = self._perform(request)
        match act:
            case ResetAfter():
                _reset(writer)
                return False
            case Hang():
                await reader.read()
                return False
            case SlowBody():
                data = reply.encoded()
                writer.write(data[: len(data) - max(1, len(reply.body) // 2)])
                await writer.drain()
                await reader.read()
                return False
            case Truncate():
                data = reply.encoded()
                writer.write(data[: len(data) - max(1, len(reply.body) // 2)])
                await writer.drain()
                return False
            case WrongType():
                reply = _Reply(200, act.body.encode(), {"Content-Type": act.content_type})
            case None | Answer() | Behave() | TooMany() | Redirect() | ResetBefore():
                pass
            case _:
                assert_never(act)
        reply = _Reply(reply.status, reply.body, {**reply.headers, **announced})
        writer.write(reply.encoded())
        await writer.drain()
        return True

    def _decide(self, request: Request) -> tuple[Act | None, dict[str, str], bool]:
        """Return what is done with a request, None for what is proper; what a limit says, and whether it lets it in."""
        announced: dict[str, str] = {}
        for path, limit in self._limits.items():
            if _is_below(request.path, path):
                is_let_in = limit.take(request.at)
                announced |= limit.headers(request.at)
                if not is_let_in:
                    return TooMany(None), announced, False
        for path, acts in self._acts.items():
            if acts and _is_below(request.path, path):
                act = acts.pop(0)
                return None if isinstance(act, Behave) else act, announced, True
        return None, announced, True

    def _perform(self, request: Request) -> _Reply:
        handler = self._handler(request)
        if handler is None:
            return _json_reply(404, {"error": f"there is no {request.method} {request.path}"})
        known = None if request.key is None else self._effects.get(request.key)
        if known is not None and (known.method, known.path) != (request.method, request.path):
            return _json_reply(422, {"error": f"the key was used for {known.method} {known.path}"})
        value = handler(request) if known is None else known.answer
        if isinstance(value, Answer):
            return _plain(value)
        if known is None and request.method in CHANGING:
            key = request.key or f"without a key {next(self._made_up)}"
            self._effects[key] = Effect(key, request.method, request.path, _json_of(request.body), value)
        return _json_reply(200, self._drifted(request.path, value))

    def _handler(self, request: Request) -> Handler | None:
        fitting = [
            (len(path), handler)
            for (method, path), handler in self._routes.items()
            if method == request.method and _is_below(request.path, path)
        ]
        return max(fitting, key=lambda each: each[0])[1] if fitting else None

    def _drifted(self, path: str, value: Any) -> Any:
        for below, drifts in self._drifting.items():
            if not _is_below(path, below) or not isinstance(value, dict):
                continue
            for each in drifts:
                if each.after > 0:
                    each.after -= 1
                else:
                    value = DRIFTS[each.drift](value, each.field)
        return value


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    """Return the next request, None where the connection ends."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = [line.partition(":") for line in lines if line]
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = int(headers.get("content-length", "0"))
    if length > BODY_BYTES_MAX:
        raise asyncio.LimitOverrunError(f"a body of more than {BODY_BYTES_MAX:,} bytes (BODY_BYTES_MAX)", 0)
    body = await _read_chunks(reader) if "chunked" in headers.get("transfer-encoding", "") else b""
    body = body or await reader.readexactly(length)
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body, time.monotonic(), headers.get("idempotency-key"), connection)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = bytearray()
    while (size := int((await reader.readline()).split(b";")[0], 16)) > 0:
        parts += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return bytes(parts)


def _plain(act: Answer | TooMany | Redirect) -> _Reply:
    match act:
        case Answer():
            reply = _json_reply(act.status, act.body)
            return _Reply(reply.status, reply.body, {**reply.headers, **act.headers})
        case TooMany():
            said = {} if act.retry_after is None else {"Retry-After": act.retry_after}
            reply = _json_reply(429, {"error": "too many requests"})
            return _Reply(429, reply.body, {**reply.headers, **said, **act.headers})
        case Redirect():
            return _Reply(act.status, b"", {"Location": act.to})
        case _:
            assert_never(act)


def _json_reply(status: int, value: Any) -> _Reply:
    if isinstance(value, str):
        return _Reply(status, value.encode(), {"Content-Type": "text/plain; charset=utf-8"})
    return _Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


def _is_below(path: str, parent: str) -> bool:
    return parent in {"/", path} or path.startswith(parent.rstrip("/") + "/")


def _reset(writer: asyncio.StreamWriter) -> None:
    # Without this it would be closed in good order.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
