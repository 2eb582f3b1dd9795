"""`wait_for` and `as_completed`, alike on every Python and independent of addresses.

Owns: the two functions as workflows see them, and how they take the place of asyncio's.
Must not know: history, steps.

Why: `asyncio.wait_for` starts its coroutine in another order on 3.11 than on 3.12,
`asyncio.as_completed` iterates a set of coroutines, which hash by address, and so
does the future that `asyncio.gather` returns. Each replacement asks which loop is
running and leaves every other loop to asyncio's own code.
"""

from __future__ import annotations

import asyncio
from asyncio import events, tasks
from collections.abc import Iterable, Iterator
from typing import Any

from holdfast.engine.loop import WorkflowLoop

_asyncio_wait_for = asyncio.wait_for
_asyncio_as_completed = asyncio.as_completed
_GatheringFuture: Any = tasks._GatheringFuture  # type: ignore[attr-defined]  # not in the type stubs


async def wait_for(fut: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncio's own signature
    """Wait for `fut` for at most `timeout` seconds; as Python 3.12's `asyncio.wait_for`."""
    if not isinstance(events._get_running_loop(), WorkflowLoop):
        return await _asyncio_wait_for(fut, timeout)
    if timeout is not None and timeout <= 0:
        fut = asyncio.ensure_future(fut)
        if fut.done():
            return fut.result()
        fut.cancel()
        try:
            return await fut
        except asyncio.CancelledError as error:
            raise TimeoutError from error
    async with asyncio.timeout(timeout):
        return await fut


def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    """Yield awaitables in the order in which `fs` complete; as `asyncio.as_completed`, without a set."""
    if not isinstance(events._get_running_loop(), WorkflowLoop):
        return _asyncio_as_completed(fs, timeout=timeout)
    if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        raise TypeError(f"expect an iterable of futures, not {type(fs).__name__}")
    return _Completions([asyncio.ensure_future(each) for each in dict.fromkeys(fs)], timeout)


class _Completions:
    """The iterator of `as_completed`: plain on every Python, asynchronous as from 3.13."""

    def __init__(self, futures: list[asyncio.Future[Any]], timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        self._left = len(futures)
        self._futures = dict.fromkeys(futures)
        self._timer = self._loop.call_later(timeout, self._expire) if timeout is not None and futures else None
        for each in futures:
            each.add_done_callback(self._completed)

    def __iter__(self) -> Iterator[Any]:
        while self._left:
            self._left -= 1
            yield self._next_result()

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


class _OrderedGathering(_GatheringFuture):  # type: ignore[misc]  # an undocumented class
    """What `gather` returns, hashed by its place where a workflow's loop runs it."""

    def __hash__(self) -> int:
        loop = self.get_loop()
        if not isinstance(loop, WorkflowLoop):
            return object.__hash__(self)
        order: int | None = getattr(self, "_order", None)
        if order is None:
            order = self._order = loop.next_order()
        return order


def install(namespace: dict[str, Any] | None = None) -> None:
    """Put the replacements in place in asyncio, and in a module that imported asyncio's own by name.

    Args:
        namespace: globals of a module with workflows in it.
    """
    for module in (asyncio, tasks):
        module.wait_for = wait_for  # type: ignore[assignment]
        module.as_completed = as_completed
    tasks._GatheringFuture = _OrderedGathering  # type: ignore[attr-defined]
    if namespace is not None:
        for name, value in list(namespace.items()):
            if value is _asyncio_wait_for:
                namespace[name] = wait_for
            elif value is _asyncio_as_completed:
                namespace[name] = as_completed
