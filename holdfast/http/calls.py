"""One call, from what code asks for to an answer or an error that the engine's retry understands.

Owns: the order - may the host be called now, what is sent along, redirects, time-outs, what is told to the fleet.
Must not know: what contracts say, how states of hosts and contracts are kept, connections.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import httpcore
import httpx

from holdfast.authoring import contract_name
from holdfast.errors import (
    CallFailedError,
    CallRefusedError,
    CircuitOpen,
    ForbiddenTargetError,
    HostBusy,
    LeaseLost,
    StoreError,
)
from holdfast.http.announcements import SILENT, Announcement, read_announcement
from holdfast.http.answers import WAIT_SECONDS, Meaning, meaning_of
from holdfast.http.boards import Board, outbound_here
from holdfast.http.connecting import ForbiddenAddressError
from holdfast.http.contracts import LEARNED, NOTHING, drift, endpoint_of, read_answer
from holdfast.http.keys import KeysOfAttempts, fits_header
from holdfast.http.recordings import keep, recording_here
from holdfast.http.rules import HostRules, RuleBook
from holdfast.http.transport import Transports
from holdfast.http.watching import Watch
from holdfast.observe import logger
from holdfast.ports.hosts import Frozen, HostState, Outcomes, Probe, Probed, Turn
from holdfast.ports.mappings import Step
from holdfast.ports.reach import Reach
from holdfast.ports.task import TaskContext

REDIRECTS_MAX: Final = 5
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest answer taken, decoded."""
EXCERPT_CHARACTERS: Final = 300
"""How much of an answer an error shows."""
MARGIN_SECONDS: Final = 0.2
"""What is left of an attempt's time for it to say what happened, and at most a tenth of it."""
SPREAD_SECONDS: Final = 3.0
"""Those who wait for one host come back within so much time of each other, where it did not say how many it takes."""
TURNS_MAX: Final = 3
"""Whoever was late for so many turns goes when it is late."""
LATE_SHARE: Final = 0.05
"""Of a window: so late a turn may be taken, for which turns leave room."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing: no key is sent along, and redirects are followed to other hosts."""
KEPT_ON_THE_WAY: Final = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})
"""Headers that go along to another host."""

log = logger("holdfast.http")


@dataclass(frozen=True, slots=True)
class Wish:
    """What code asks for."""

    method: str
    url: str
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    content: str | bytes | None = None
    data: Mapping[str, Any] | None = None
    files: Any = None
    json: Any = None
    auth: tuple[str, str] | None = None
    timeout_seconds: float | None = None
    accept: Collection[int] = ()
    """Statuses that are no errors."""
    idempotency_key: str | None = None
    expect: Any = None
    """What the answer is read as; None for the answer itself."""


@dataclass(slots=True)
class _Budget:
    """How long a call may take."""

    connect: float
    read: float
    total: float

    def extensions(self) -> dict[str, Any]:
        """Return what tells the connection."""
        return {"timeout": {"connect": self.connect, "read": self.read, "write": self.read, "pool": self.total}}


@dataclass(slots=True)
class _Counts:
    """Calls that succeeded since a failure was told last, by host."""

    succeeded: dict[str, int] = field(default_factory=dict)


class Caller:
    """Makes calls."""

    def __init__(self, book: RuleBook, transports: Transports, agent: str) -> None:
        """Call by the rules in `book`, and be called `agent`."""
        self._book = book
        self._transports = transports
        self._keys = KeysOfAttempts()
        self._counts = _Counts()
        self._watch = Watch()
        self._defaults = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": agent}

    async def call(self, wish: Wish, context: TaskContext | None) -> Any:
        """Make a call, and return its answer: read to its end, or as what is expected of it.

        Args:
            wish: what is asked for.
            context: the running attempt, if there is one.

        Raises:
            HostBusy: the host wants to be left alone for a while.
            CircuitOpen: it fails, and is left alone for a while.
            CallFailedError: there is no answer, or one that says to try again.
            CallRefusedError: it says that the same call never succeeds.
            ApiDrift: the answer is not what is expected of it, or others have found so.
            ForbiddenTargetError: it leads to where it may not go.
            LeaseLost: the attempt that calls has been given up.
        """
        if context is not None and getattr(context, "over", False):
            raise LeaseLost(context.info.idempotency_key)
        url = _parse(wish)
        host = host_of(url)
        rules = self._book.of(host)
        # Finding it may open a store, in a child process.
        here = outbound_here(is_task=context is not None)
        board = here.board
        budget = _budget(wish, rules, context, board.now())
        request = self._request(wish, url, rules, context)
        recording = recording_here.get(None)
        if recording is not None and context is not None:
            recorded = recording.answer(context, request, shown(url))
            if recorded is not None:  # nobody is to learn anything of it
                announced = _announced(recorded, board)
                meaning = _meaning(wish, recorded, announced)
                return _outcome(wish, recorded, meaning, announced, host, url, recording.mappings)
        by = "" if context is None else f"{context.info.execution}/{context.info.step}"
        state = await board.look(host)
        probes = False
        if state is not None and not state.is_plain(board.now()):
            _refuse_drifting(state, wish, rules, host, url)
            probes = await self._pass_gate(board, host, by, state, budget)
        began = board.now()
        try:
            answer = await self._send(request, rules, here.reach, budget)
        except CallFailedError as error:
            if context is not None:
                keep(context, request, None, error.reason)
            await self._tell_failed(board, host, by, began, error.reason, probes=probes)
            raise
        except ForbiddenTargetError:
            if probes:
                await _tell(board, host, Probed(by, succeeded=False, reason="it leads to where it may not"))
            raise
        if context is not None:
            keep(context, request, answer)
        announced = _announced(answer, board)
        meaning = _meaning(wish, answer, announced)
        if meaning is Meaning.FAILED:
            await self._tell_failed(board, host, by, began, f"it answered {answer.status_code}", probes=probes)
        elif probes:
            await _tell(board, host, Probed(by, succeeded=True))
        else:
            self._counts.succeeded[host] = self._counts.succeeded.get(host, 0) + 1
        wait = announced.wait_seconds
        if meaning is Meaning.BUSY or (wait is not None and wait > 0.0 and meaning is not Meaning.FAILED):
            await _tell(board, host, Frozen(_wait(announced), by, announced.amount, announced.per))
        if meaning is Meaning.SUCCEEDED and answer.status_code not in wish.accept:
            answer = await self._watch.look(board, host, answer, rules.terms, state, context, expect=wish.expect)
        return _outcome(wish, answer, meaning, announced, host, url, NOTHING if state is None else state.mappings)

    # --- May it be called now? ---------------------------------------------------------------------------------------

    async def _pass_gate(self, board: Board, host: str, by: str, state: HostState, budget: _Budget) -> bool:
        """Wait for a turn where that is soon; say whether this call finds out if the host is back."""
        now = board.now()
        if state.frozen_until > now and not state.is_paced(now):
            left = state.frozen_until - now
            raise HostBusy(retry_after=left + _draw(left), host=host, reason=_left_alone(state))
        probes = False
        match state.circuit(now):
            case "closed":
                pass
            case "open":
                left = state.open_until - now
                raise CircuitOpen(retry_after=left + _draw(left), host=host, reason=state.reason)
            case _:
                reply = await board.tell(host, Probe(by))
                if not reply.granted:
                    left = max(0.0, reply.at - now)
                    raise CircuitOpen(retry_after=left + _draw(left), host=host, reason=reply.state.reason)
                probes = reply.state.circuit(now) != "closed"
        if state.is_paced(now):
            await self._wait_turn(board, host, budget)
        return probes

    async def _wait_turn(self, board: Board, host: str, budget: _Budget) -> None:
        """Wait until it is this call's turn; of a frozen host, one after it. Raises HostBusy where that is not soon."""
        for _ in range(TURNS_MAX):
            reply = await board.tell(host, Turn())
            asked = board.now()
            state, left = reply.state, reply.at - asked
            # Half of the time has to be left for the call itself.
            if not reply.granted or left > budget.total / 2:
                takes = f"it takes {state.amount:g} calls in {state.per:g} s, and others come first"
                reason = _left_alone(state) if state.frozen_until > asked else takes
                raise HostBusy(retry_after=max(0.0, left), host=host, reason=reason)
            if left > 0.0:
                await asyncio.sleep(left)
                budget.total -= left
            # Of a process that stood still, or was told late of its turns, all would go at once whose turns have
            # passed: they take others. So does whoever waited while the host was heard to want to be left alone.
            found, now = await board.look(host), board.now()
            if now - reply.at <= state.per * LATE_SHARE and (found is None or found.frozen_until <= now):
                return

    # --- What is sent ------------------------------------------------------------------------------------------------

    def _request(self, wish: Wish, url: httpx.URL, rules: HostRules, context: TaskContext | None) -> httpx.Request:
        headers = httpx.Headers(self._defaults)
        headers.update(dict(rules.headers))
        if wish.method not in SAFE:
            key = wish.idempotency_key
            if key is None and context is not None:
                key = self._keys.key(context, wish.method, url)
            if key is not None and rules.idempotency_header is not None:
                headers[rules.idempotency_header] = fits_header(key)
            if context is not None and rules.fencing_header is not None and context.info.fencing_token:
                headers[rules.fencing_header] = str(context.info.fencing_token)
        if wish.auth is not None:
            headers["authorization"] = _basic(*wish.auth)
        elif url.userinfo:
            headers["authorization"] = _basic(url.username, url.password)
        if wish.headers is not None:
            headers.update(dict(wish.headers))
        return httpx.Request(
            wish.method,
            url.copy_with(username=None, password=None) if url.userinfo else url,
            headers=headers,
            content=wish.content,
            data=wish.data,
            files=wish.files,
            json=wish.json,
        )

    async def _send(self, request: httpx.Request, rules: HostRules, reach: Reach, budget: _Budget) -> httpx.Response:
        try:
            async with asyncio.timeout(budget.total):
                first, private = request.url, rules.private
                for _ in range(REDIRECTS_MAX + 1):
                    transport = await self._transports.here(None if private else reach)
                    request.extensions = budget.extensions()
                    answer = await _exchange(transport, request)
                    following = _redirected(request, answer)
                    if following is None:
                        return answer
                    request = following
                    # Nobody is sent home by an outside host, whatever the rules of the one that it names.
                    private = rules.private and host_of(request.url) == host_of(first)
        except TimeoutError:
            raise CallFailedError(
                request.method, shown(request.url), f"it took longer than {budget.total:.3g} s"
            ) from None
        raise ForbiddenTargetError(
            request.method, shown(request.url), f"it was redirected more than {REDIRECTS_MAX} times (REDIRECTS_MAX)"
        )

    # --- What the fleet learns ---------------------------------------------------------------------------------------

    async def _tell_failed(self, board: Board, host: str, by: str, began: float, reason: str, *, probes: bool) -> None:
        if probes:
            await _tell(board, host, Probed(by, succeeded=False, reason=reason))
        else:
            await _tell(board, host, Outcomes(1, self._counts.succeeded.pop(host, 0), reason, began))


def _meaning(wish: Wish, answer: httpx.Response, announced: Announcement) -> Meaning:
    return Meaning.SUCCEEDED if answer.status_code in wish.accept else meaning_of(answer.status_code, announced)


def _wait(announced: Announcement) -> float:
    """Return how long a host is left alone that wants to be."""
    return WAIT_SECONDS if announced.wait_seconds is None else announced.wait_seconds


def _outcome(
    wish: Wish,
    answer: httpx.Response,
    meaning: Meaning,
    announced: Announcement,
    host: str,
    url: httpx.URL,
    mappings: Mapping[str, tuple[Step, ...]],
) -> Any:
    """Return what a call comes to, or raise it."""
    match meaning:
        case Meaning.SUCCEEDED:
            if wish.expect is None or answer.status_code in wish.accept:
                return answer
            return read_answer(answer, wish.expect, host, (wish.method, shown(url)), mappings)
        case Meaning.BUSY:
            reason = f"it answered {answer.status_code} and wants to be left alone"
            raise HostBusy(retry_after=_spread(_wait(announced), announced), host=host, reason=reason)
        case Meaning.FAILED:
            raise CallFailedError(*_about(answer))
        case Meaning.REFUSED:
            raise CallRefusedError(*_about(answer))
        case _:
            assert_never(meaning)


def _refuse_drifting(state: HostState, wish: Wish, rules: HostRules, host: str, url: httpx.URL) -> None:
    """Make no call whose answer is known not to be what is expected. Raises ApiDrift."""
    if state.drifting and (wish.expect is not None or rules.terms is not None):
        endpoint = endpoint_of(wish.method, url.path)
        if endpoint in state.drifting:
            name = LEARNED if wish.expect is None else contract_name(wish.expect)
            raise drift((wish.method, shown(url)), host, endpoint, name, ())


async def _tell(board: Board, host: str, fact: Outcomes | Frozen | Probed) -> None:
    try:
        await board.tell(host, fact)
    except StoreError as error:  # what the call came to matters more
        log.warning("the fleet could not be told about a host", host=host, error=str(error))


async def _exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """Send a request and read its answer to the end. Raises CallFailedError, ForbiddenTargetError."""
    try:
        answer = await transport.handle_async_request(request)
        try:
            parts = bytearray()
            async for part in answer.aiter_bytes():
                parts += part
                if len(parts) > BODY_BYTES_MAX:
                    raise ForbiddenTargetError(
                        *_where(request), f"its answer is larger than {BODY_BYTES_MAX:,} bytes (BODY_BYTES_MAX)"
                    )
        finally:
            await answer.aclose()
    except ForbiddenAddressError as error:
        raise ForbiddenTargetError(*_where(request), str(error)) from None
    except (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol) as error:
        raise ForbiddenTargetError(*_where(request), str(error)) from None
    except (httpcore.TimeoutException, httpx.TimeoutException) as error:
        raise CallFailedError(*_where(request), f"time-out ({type(error).__name__})") from error
    except _BROKEN as error:
        raise CallFailedError(*_where(request), f"{type(error).__name__}: {error}".rstrip(": ")) from error
    # What was decoded is not decoded again.
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _OF_THE_CODING]
    return httpx.Response(answer.status_code, headers=headers, content=bytes(parts), request=request)


def _where(request: httpx.Request) -> tuple[str, str]:
    return request.method, shown(request.url)


_OF_THE_CODING: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
_BROKEN: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpx.TransportError,
    httpx.DecodingError,
    OSError,
)


def _redirected(request: httpx.Request, answer: httpx.Response) -> httpx.Request | None:
    """Return the request that a redirect leads to, None where there is none. Raises ForbiddenTargetError."""
    location = answer.headers.get("location")
    if answer.status_code not in {301, 302, 303, 307, 308} or location is None:
        return None
    where = _where(request)
    try:
        url = request.url.join(location)
    except httpx.InvalidURL as error:
        raise ForbiddenTargetError(*where, f"it was redirected to no address: {error}") from None
    target = shown(url)
    if url.scheme not in {"http", "https"} or (request.url.scheme == "https" and url.scheme == "http"):
        raise ForbiddenTargetError(*where, f"it was redirected to {target}, by another scheme")
    same = (url.scheme, host_of(url)) == (request.url.scheme, host_of(request.url))
    method = request.method
    if method not in SAFE:
        if answer.status_code == 303:
            method = "GET"  # what was asked for was done, and the answer is over there
        elif not same:
            raise ForbiddenTargetError(
                *where, f"it was redirected to {target}; what changes something stays at its host"
            )
        elif answer.status_code in {301, 302}:
            raise ForbiddenTargetError(*where, f"it was redirected to {target} by a {answer.status_code}: not as what")
    headers = httpx.Headers(
        [
            (name, value)
            for name, value in request.headers.raw
            if name.lower() != b"host" and (same or name.lower().decode("ascii", "replace") in KEPT_ON_THE_WAY)
        ]
    )
    if method != request.method:
        for name in ("content-length", "content-type", "transfer-encoding"):
            headers.pop(name, None)
        return httpx.Request(method, url, headers=headers)
    headers.pop("content-length", None)
    return httpx.Request(method, url, headers=headers, content=request.content if method not in SAFE else None)


# --- Small parts -------------------------------------------------------------------------------------------------


def host_of(url: httpx.URL) -> str:
    """Return how a URL's host is known: its name, and its port where that is not its scheme's own."""
    name = url.host.rstrip(".")
    name = f"[{name}]" if ":" in name else name
    return name if url.port is None else f"{name}:{url.port}"


def shown(url: httpx.URL) -> str:
    """Return a URL for people: without what may be secret in it."""
    return f"{url.scheme}://{host_of(url)}{url.path}" + ("?…" if url.query else "")


def _parse(wish: Wish) -> httpx.URL:
    try:
        url = httpx.URL(wish.url, params=dict(wish.params)) if wish.params else httpx.URL(wish.url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ForbiddenTargetError(wish.method, wish.url[:200], f"it is no address: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ForbiddenTargetError(wish.method, shown(url), "it is no address that begins with http:// or https://")
    return url


def _budget(wish: Wish, rules: HostRules, context: TaskContext | None, now: float) -> _Budget:
    total = rules.total_seconds if wish.timeout_seconds is None else wish.timeout_seconds
    read = rules.read_seconds if wish.timeout_seconds is None else wish.timeout_seconds
    deadline = None if context is None else context.info.deadline
    if deadline is not None:
        left = deadline.timestamp() - now
        left -= min(MARGIN_SECONDS, left / 10)
        if left <= 0.0:
            raise CallFailedError(wish.method, wish.url.partition("?")[0], "nothing is left of the attempt's time")
        total = min(total, left)
    return _Budget(min(rules.connect_seconds, total), min(read, total), total)


def _announced(answer: httpx.Response, board: Board) -> Announcement:
    headers = answer.headers
    if answer.status_code < 400 and not any("ratelimit" in name or "rate-limit" in name for name in headers):
        return SILENT  # nearly every answer
    return read_announcement(headers, board.now())


def _about(answer: httpx.Response) -> tuple[str, str, str, int, str]:
    request = answer.request
    text = " ".join(answer.text[: EXCERPT_CHARACTERS * 2].split())
    excerpt = "".join(each if each.isprintable() else "?" for each in text[:EXCERPT_CHARACTERS])
    words = f"it answered {answer.status_code} {answer.reason_phrase}".rstrip()
    return request.method, shown(request.url), words, answer.status_code, excerpt


def _left_alone(state: HostState) -> str:
    return f"it wants to be left alone, as {state.frozen_by or 'this process'} was told"


def _spread(seconds: float, announced: Announcement) -> float:
    return seconds if announced.amount else seconds + _draw(seconds)


def _draw(seconds: float) -> float:
    return random.random() * min(SPREAD_SECONDS, 0.5 + seconds / 4)  # noqa: S311 - it keeps no secret


def _basic(name: str, password: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{name}:{password}".encode()).decode("ascii")
