"""`http`: how tasks and scripts call outside systems.

Owns: the verbs, asynchronous and blocking, and `http.host`.
Must not know: what makes a call safe.

Nothing of a client is loaded before the first call: whoever imports this pays for what it uses.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, TypeVar, overload

from holdfast.authoring import calling_place, parse_duration
from holdfast.errors import NondeterminismError, OutsideWorkflowError
from holdfast.http.rules import (
    FENCING_HEADER,
    IDEMPOTENCY_HEADER,
    LEARNED_FROM,
    HostRules,
    RuleBook,
    check_host,
    check_terms,
)
from holdfast.ports.reach import Reach
from holdfast.ports.runtime import current_runtime
from holdfast.ports.task import TaskContext, current_task

if TYPE_CHECKING:
    from typing import Unpack

    import httpx

    from holdfast.http.calls import Caller, Wish
    from holdfast.http.transport import Transports

AGENT: Final = "holdfast"
Expected = TypeVar("Expected")
Result = TypeVar("Result")
Duration = str | float | timedelta


class CallOptions(TypedDict, total=False):
    """What a call may be given besides its URL."""

    params: Mapping[str, Any] | None
    """Becomes the URL's query."""
    headers: Mapping[str, str] | None
    content: str | bytes | None
    """The body as it is."""
    data: Mapping[str, Any] | None
    """The body as a form."""
    files: Any
    """The body as a form with files, as httpx takes them."""
    json: Any
    """The body as JSON."""
    auth: tuple[str, str] | None
    """Name and password."""
    timeout: Duration | None
    """For the whole call, "20s"; never more than what is left of the attempt's time."""
    accept: Collection[int]
    """Statuses that are returned rather than raised: `accept=[404]`."""
    idempotency_key: str | None
    """Another key than the one that is made of the attempt's; it has to be the same in every attempt."""


class Http:
    """Calls hosts, asynchronously: `await http.get(url)`; blocking ones are `http.sync.get(url)`.

    In a task, a call sends the attempt's idempotency key and fencing token, takes no longer than the attempt has left,
    and looks at what the whole fleet knows of the host: whether it wants to be left alone, how many calls it takes,
    whether it fails. See docs/how-to/outbound-calls.md.
    """

    def __init__(self) -> None:
        """Use `holdfast.http.http`: connections and rules are shared by all code of a process."""
        self._book = RuleBook()
        self._reach = Reach()
        self._parts: tuple[Transports, Caller] | None = None
        self._guard = threading.Lock()
        self._beside: _Beside | None = None
        self.sync = SyncHttp(self)
        """The same verbs for code that blocks."""

    def host(  # noqa: PLR0913 - a list of named settings, each with a default
        self,
        host: str,
        *,
        idempotency_header: str | None = IDEMPOTENCY_HEADER,
        fencing_header: str | None = FENCING_HEADER,
        connect_timeout: Duration = "10s",
        read_timeout: Duration = "30s",
        timeout: Duration = "2m",
        private: bool = False,
        headers: Mapping[str, str] | None = None,
        contract: Literal["learn"] | None = None,
        learn_from: int = LEARNED_FROM,
        matches: Collection[str] = (),
    ) -> None:
        """Say what holds for all calls of a host, once, where a module is imported.

        ```python
        http.host("api.example.com", idempotency_header="X-Request-Id", headers={"Authorization": f"Bearer {token}"})
        ```

        Args:
            host: its name, with a port that is not its scheme's own: "api.example.com", "localhost:8080".
            idempotency_header: which header carries the idempotency key; None for none.
            fencing_header: which header carries the fencing token; None for none.
            connect_timeout: how long connecting may take.
            read_timeout: how long the host may be silent.
            timeout: how long a call may take, with everything that belongs to it.
            private: whether it may be on this machine, or on one that is not public.
            headers: sent with every call of this host, and to no other one.
            contract: "learn" has the fleet learn what its answers are like, one contract for each thing that is called,
                and raises ApiDrift where one breaks it later.
            learn_from: from how many answers, before any is held against it.
            matches: paths of fields on which your code matches, such as "status" or "rooms[].state": a text that was
                never seen there breaks the contract. Elsewhere it is only written down.

        Raises:
            DefinitionError: it is no name of a host, a duration is none, or what is said of contracts cannot be.
        """
        self._book.put(
            HostRules(
                check_host(host),
                idempotency_header,
                fencing_header,
                parse_duration(connect_timeout, "connect_timeout"),
                parse_duration(read_timeout, "read_timeout"),
                parse_duration(timeout, "timeout"),
                private,
                dict(headers or {}),
                check_terms(contract, learn_from, matches),
            )
        )

    def allow(self, targets: Iterable[str]) -> None:
        """Let calls reach these besides public addresses: `10.0.0.0/8`, `crm.internal`. Raises SettingsError."""
        self._reach = Reach.allowing(targets)
        if self._parts is not None:
            self._parts[0].reach = self._reach

    @overload
    async def get(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    async def get(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    async def get(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Read something. See `request`."""
        return await self.request("GET", url, expect=expect, **options)

    async def head(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Read what would be said of something. See `request`."""
        return await self.request("HEAD", url, **options)

    @overload
    async def post(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    async def post(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    async def post(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Have something done, under the attempt's idempotency key. See `request`."""
        return await self.request("POST", url, expect=expect, **options)

    @overload
    async def put(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    async def put(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    async def put(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Put something in its place, under the attempt's idempotency key. See `request`."""
        return await self.request("PUT", url, expect=expect, **options)

    @overload
    async def patch(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    async def patch(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    async def patch(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Change something, under the attempt's idempotency key. See `request`."""
        return await self.request("PATCH", url, expect=expect, **options)

    async def delete(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Delete something, under the attempt's idempotency key. See `request`."""
        return await self.request("DELETE", url, **options)

    @overload
    async def request(
        self, method: str, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]
    ) -> Expected: ...
    @overload
    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    async def request(self, method: str, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a call, and return its answer, read to its end.

        ```python
        @task
        async def charge(order: Order) -> str:
            answer = await http.post("https://api.example.com/charges", json={"amount": order.amount})
            return answer.json()["id"]
        ```

        Args:
            method: such as "GET".
            url: an http or https address.
            expect: what the answer is: a Pydantic model, dataclass, Struct, TypedDict or plain type. It is returned as
                a value of it. None returns the answer itself.
            options: see `CallOptions`.

        Raises:
            HostBusy: the host wants to be left alone for a while; the attempt does not count.
            CircuitOpen: it fails, and is left alone for a while; the attempt does not count.
            CallFailedError: there is no answer, or one that says to try again.
            CallRefusedError: the answer says that the same call never succeeds.
            ApiDrift: it is not what is expected, or breaks a contract that was learned; in a task, the run is parked.
            ForbiddenTargetError: it leads to where it may not go.
            NondeterminismError: workflow code called this.
            LeaseLost: the attempt that calls has been given up.
        """
        return await self._call(*self._wish(method, url, expect, options))

    async def close(self) -> None:
        """Close the connections of the running loop; the next call opens others. Loops that end do it themselves."""
        if self._parts is not None:
            await self._parts[0].close_here()

    # -----------------------------------------------------------------------------------------------------------------

    def _wish(self, method: str, url: str, expect: Any, options: CallOptions) -> tuple[Wish, TaskContext | None]:
        if current_runtime.get(None) is not None:
            raise NondeterminismError(
                f"http.{method.lower()}()", calling_place(), "call it in a task: its result is recorded, and replayed."
            )
        from holdfast.http.calls import Wish

        given: dict[str, Any] = dict(options)
        timeout = given.pop("timeout", None)
        seconds = None if timeout is None else parse_duration(timeout, "timeout")
        return Wish(method.upper(), url, timeout_seconds=seconds, expect=expect, **given), current_task.get(None)

    async def _call(self, wish: Wish, context: TaskContext | None) -> Any:
        return await self._loaded()[1].call(wish, context)

    def _loaded(self) -> tuple[Transports, Caller]:
        with self._guard:
            if self._parts is None:
                from holdfast.http.calls import Caller
                from holdfast.http.transport import Transports

                transports = Transports()
                transports.reach = self._reach
                self._parts = transports, Caller(self._book, transports, AGENT)
            return self._parts

    def _block(self, called: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        with self._guard:
            if self._beside is None or self._beside.pid != os.getpid():
                self._beside = _Beside()
                atexit.register(self._beside.close)
            beside = self._beside
        return beside.run(called)

    def _stop_blocking(self) -> None:
        with self._guard:
            beside, self._beside = self._beside, None
        if beside is not None:
            beside.close()


class SyncHttp:
    """Calls hosts, and blocks: for synchronous tasks and scripts."""

    def __init__(self, http: Http) -> None:
        """Use `http.sync`."""
        self._http = http

    @overload
    def get(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    def get(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    def get(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Read something. See `Http.request`."""
        return self.request("GET", url, expect=expect, **options)

    def head(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Read what would be said of something. See `Http.request`."""
        return self.request("HEAD", url, **options)

    @overload
    def post(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    def post(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    def post(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Have something done, under the attempt's idempotency key. See `Http.request`."""
        return self.request("POST", url, expect=expect, **options)

    @overload
    def put(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    def put(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    def put(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Put something in its place, under the attempt's idempotency key. See `Http.request`."""
        return self.request("PUT", url, expect=expect, **options)

    @overload
    def patch(self, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    def patch(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    def patch(self, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Change something, under the attempt's idempotency key. See `Http.request`."""
        return self.request("PATCH", url, expect=expect, **options)

    def delete(self, url: str, **options: Unpack[CallOptions]) -> httpx.Response:
        """Delete something, under the attempt's idempotency key. See `Http.request`."""
        return self.request("DELETE", url, **options)

    @overload
    def request(self, method: str, url: str, *, expect: type[Expected], **options: Unpack[CallOptions]) -> Expected: ...
    @overload
    def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> httpx.Response: ...
    def request(self, method: str, url: str, *, expect: Any = None, **options: Unpack[CallOptions]) -> Any:
        """Make a call, and return its answer, as `Http.request` does.

        Raises:
            OutsideWorkflowError: an event loop runs here, which this would block.
        """
        _refuse_on_a_loop(method)
        wish, context = self._http._wish(method, url, expect, options)  # noqa: SLF001 - its blocking half
        return self._http._block(lambda: self._http._call(wish, context))  # noqa: SLF001 - as above

    def close(self) -> None:
        """Close what blocking calls have left open; the next one opens it again. The end of the process does, too."""
        self._http._stop_blocking()  # noqa: SLF001 - as above


class _Beside:
    """An event loop in a thread, for code that has none."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="holdfast http", daemon=True)
        self._thread.start()

    def run(self, called: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run a coroutine on the loop, and wait for its result."""
        future = asyncio.run_coroutine_threadsafe(called(), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C ends the wait, so it also ends what was waited for
            raise

    def close(self) -> None:
        """End the loop and its connections."""
        if self.pid != os.getpid() or self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _refuse_on_a_loop(method: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    verb = f"http.{method.lower()}(...)"
    raise OutsideWorkflowError(
        f"http.sync was called where an event loop runs, which it would block; write await {verb}", calling_place()
    )


http: Final = Http()
"""Calls outside systems."""


def block_on(called: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine where blocking calls run, and wait for its result; not where an event loop runs."""
    return http._block(called)  # noqa: SLF001 - of this module
