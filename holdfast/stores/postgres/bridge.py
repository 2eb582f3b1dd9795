"""Handlers are plain functions; the database is asked by coroutines. This lets the one wait for the other.

Owns: the switch between the two. The door to greenlet.
Must not know: handlers, databases.

Theory of operation
===================

`across(function)` calls a plain function in a greenlet, a stack of its own. Where it has to wait for the database it
calls `wait(coroutine)`, which leaves that stack as it is and hands the coroutine to `across`; that awaits it as any
coroutine does, and goes back to the function with what came of it. There is one thread, one event loop, and nothing
runs beside anything that would not have without it. A switch costs about a microsecond, a query a hundred.

A function that is cancelled while it waits gets the CancelledError there, as a coroutine does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from holdfast.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


async def across(function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    """Call a plain function, inside of which `wait` may be called; return what it returns.

    Raises:
        MissingExtraError: the extra `postgres` is not installed.
    """
    other = _door()(function)
    awaited: Any = other.switch(*args, **kwargs)
    while not other.dead:
        try:
            value = await awaited
        except BaseException as error:  # noqa: BLE001 - it is the function's, which may handle it
            awaited = other.throw(error)
        else:
            awaited = other.switch(value)
    return cast("Result", awaited)


def wait(awaitable: Awaitable[Result]) -> Result:
    """Wait for `awaitable`, in a function that `across` called; return its result."""
    return cast("Result", _current()().parent.switch(awaitable))


@cache
def _door() -> Callable[..., Any]:
    try:
        from greenlet import greenlet  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        raise MissingExtraError("The store on PostgreSQL", "postgres") from None
    return cast("Callable[..., Any]", greenlet)


@cache
def _current() -> Callable[[], Any]:
    from greenlet import getcurrent

    return cast("Callable[[], Any]", getcurrent)
