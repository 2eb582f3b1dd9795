"""What asyncio's waiting functions do on a workflow's loop, alike on every Python and independent of addresses.

Owns: `wait_for`, `as_completed` and `gather` as workflows see them, and how all of these stand-ins take their places.
Must not know: history, steps.

Why: `asyncio.wait_for` starts its coroutine in another order on 3.11 than on 3.12, `as_completed` iterates a set of
coroutines, which hash by address, and `gather` looks at futures that are already done at once or in their turn, as the
release has it. Each stand-in asks which loop is running and leaves every other loop to asyncio's own code.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import events, tasks
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any, Final

from holdfast.engine import groups, primitives
from holdfast.engine.futures import OrderedFuture
from holdfast.engine.loop import WorkflowLoop


async def wait_for(fut: Any, timeout: float | None) -> Any:
    """Wait for `fut` for at most `timeout` seconds; as Python 3.12's `asyncio.wait_for`."""
    if timeout is not None and timeout <= 0:
        future = asyncio.ensure_future(fut)
        if future.done():
            return future.result()
        future.cancel()
        await asyncio.wait([future])
        try:
            return future.result()
        except asyncio.CancelledError as error:
            raise TimeoutError from error
    try:
        async with asyncio.timeout(timeout):
            return await fut
    finally:
        if asyncio.iscoroutine(fut):
            fut.close()  # it has ended, or was never begun because there may be no more timers


def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    """Yield awaitables in the order in which `fs` complete; as `asyncio.as_completed`, without a set."""
    if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        raise TypeError(f"expect an iterable of futures, not {type(fs).__name__}")
    return _Completions(list(_start_all(fs).values()), timeout)


class _Completions:
    """The iterator of `as_completed`: plain on every Python, asynchronous as from 3.13."""

    def __init__(self, futures: list[asyncio.Future[Any]], timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        self._left = len(futures)
        self._futures = dict.fromkeys(futures)
        self._timer = self._loop.call_later(timeout, self._expire) if timeout is not None and futures else None
        for each in self._futures:
            each.add_done_callback(self._completed)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._left:
            raise StopIteration
        self._left -= 1
        return self._next_result()

    def __aiter__(self) -> _Completions:
        return self

    async def __anext__(self) -> asyncio.Future[Any]:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return await self._next()

    async def _next(self) -> asyncio.Future[Any]:
        future = await self._done.get()
        if future is None:
            raise TimeoutError
        return future

    async def _next_result(self) -> Any:
        return (await self._next()).result()

    def _completed(self, future: asyncio.Future[Any]) -> None:
        if self._futures.pop(future, self) is self:
            return  # it completed after the time-out
        self._done.put_nowait(future)
        if not self._futures and self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        for each in self._futures:
            each.remove_done_callback(self._completed)
            self._done.put_nowait(None)
        self._futures.clear()


def gather(*coros_or_futures: Any, return_exceptions: bool = False) -> asyncio.Future[list[Any]]:
    """Return a future of all results, in the order of the arguments; as `asyncio.gather`."""
    loop = asyncio.get_running_loop()
    members = _start_all(coros_or_futures)
    for each, member in members.items():
        if member is not each:
            member._log_destroy_pending = False  # type: ignore[attr-defined]  # the caller cannot reach it
    gathered = _Gathered(loop, [members[each] for each in coros_or_futures], return_exceptions=return_exceptions)
    for member in dict.fromkeys(members.values()):
        member.add_done_callback(gathered.on_done)
    return gathered


def _start_all(awaitables: Iterable[Any]) -> dict[Any, asyncio.Future[Any]]:
    """Return each awaitable's future, in the given order; where one cannot be started, those after it are closed."""
    started: dict[Any, asyncio.Future[Any]] = {}
    given = list(awaitables)
    try:
        for each in given:
            if each not in started:
                started[each] = asyncio.ensure_future(each)
    except BaseException:
        for each in given:
            if each not in started and asyncio.iscoroutine(each):
                each.close()  # or it would complain that it was never awaited
        raise
    return started


class _Gathered(OrderedFuture):
    """What `gather` returns. Cancelling it cancels every member."""

    __slots__ = ("_collects", "_is_cancelled", "_left", "_members")

    def __init__(self, loop: Any, members: list[asyncio.Future[Any]], *, return_exceptions: bool) -> None:
        super().__init__(loop=loop)
        self._members = members
        self._left = len(set(members))
        self._collects = return_exceptions
        self._is_cancelled = False
        if not members:
            self.set_result([])

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel every member; the future itself ends when they have."""
        if self.done():
            return False
        for member in dict.fromkeys(self._members):
            if member.cancel(msg):
                self._is_cancelled = True
        return self._is_cancelled

    def on_done(self, member: asyncio.Future[Any]) -> None:
        """Count a member that is done, and end with the last one, or with the first that failed."""
        self._left -= 1
        if self.done():
            if not member.cancelled():
                member.exception()  # seen, and too late to matter
            return
        if not self._collects:
            error = _error_of(member)
            if error is not None:
                self.set_exception(error)
                return
        if self._left:
            return
        if self._is_cancelled:
            # Every member may have gone its own way; whoever cancelled the whole must not miss it.
            self.set_exception(_cancellation_of(member))
            return
        self.set_result([error if (error := _error_of(each)) is not None else each.result() for each in self._members])


def _error_of(future: asyncio.Future[Any]) -> BaseException | None:
    if future.cancelled():
        return _cancellation_of(future)
    return future.exception()


def _cancellation_of(future: Any) -> asyncio.CancelledError:
    error: asyncio.CancelledError = future._make_cancelled_error()  # which keeps the message
    return error


# --- Taking their places -----------------------------------------------------------------------------------------

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"wait_for": wait_for, "as_completed": as_completed, "gather": gather}
"""Functions of asyncio that workflows see another way."""

METHODS: Final[dict[type, dict[str, Callable[..., Any]]]] = {
    asyncio.TaskGroup: {
        "__aenter__": groups.enter,
        "__aexit__": groups.leave,
        "create_task": groups.create_task,
    },
    asyncio.Semaphore: {
        "acquire": primitives.acquire,
        "release": primitives.release,
        "locked": primitives.locked,
    },
    asyncio.Condition: {"wait": primitives.wait, "notify": primitives.notify},
}
"""Methods of asyncio's classes that workflows see another way."""

_choices: dict[int, tuple[Any, Any]] = {}
"""(asyncio's own, what stands in its place), by `id` of asyncio's own."""


def install() -> None:
    """Put the stand-ins in their places, once per process, also in modules that imported asyncio's own by name."""
    if _choices:
        return
    for kind, methods in METHODS.items():
        for name, here in methods.items():
            setattr(kind, name, _choice(getattr(kind, name), here))
    choices = {}
    for name, here in FUNCTIONS.items():
        original = getattr(tasks, name)
        choices[id(original)] = (original, _choice(original, here))
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            _rebind(vars(module), choices)
    _choices.update(choices)


def _rebind(namespace: dict[str, Any], choices: dict[int, tuple[Any, Any]]) -> None:
    for name, value in list(namespace.items()):
        found = choices.get(id(value))
        if found is not None and found[0] is value:
            namespace[name] = found[1]


def _choice(elsewhere: Callable[..., Any], here: Callable[..., Any]) -> Callable[..., Any]:
    running = events._get_running_loop

    @functools.wraps(elsewhere)
    def choose(*args: Any, **kwargs: Any) -> Any:
        return (here if isinstance(running(), WorkflowLoop) else elsewhere)(*args, **kwargs)

    return choose
