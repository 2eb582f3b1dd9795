"""What the worker's tests share: an event loop per test, tasks without decorators, and outcomes to wait for.

Owns: the smallest definitions and registries that executors accept.
Must not know: stores.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from holdfast.authoring import task
from holdfast.errors import UnknownNameError
from holdfast.history import TaskOptions
from holdfast.ports.task import AttemptOutcome, RunningAttempt, TaskCall

LOOK_AGAIN_SECONDS = 0.005

Value = TypeVar("Value")


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def guarded() -> None:
            complaints: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            await test(*args, **kwargs)
            assert complaints == [], "the event loop had something to complain about"

        asyncio.run(guarded())

    return run


class PlainCodec:
    """JSON in, JSON out; the input is a list of positional arguments."""

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments."""
        return tuple(msgspec.json.decode(payload)), {}

    def encode_result(self, value: Any) -> bytes:
        """Return JSON text."""
        return msgspec.json.encode(value)


@dataclass(frozen=True)
class PlainTask:
    """A task without a decorator."""

    fn: Callable[..., Any]
    timeout_set: bool = False

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return self.fn.__name__

    @property
    def module(self) -> str:
        """Module of the function."""
        return self.fn.__module__

    @property
    def qualname(self) -> str:
        """Name of the function in its module."""
        return self.fn.__qualname__

    @property
    def is_async(self) -> bool:
        """Whether it has to be awaited."""
        return inspect.iscoroutinefunction(self.fn)

    @property
    def signature(self) -> PlainCodec:
        """How its payloads are written."""
        return PlainCodec()


class Functions:
    """A registry of plain functions."""

    def __init__(self, *functions: Callable[..., Any], timeout_set: bool = False) -> None:
        """Register `functions` under their names."""
        self.tasks: dict[str, Any] = {fn.__name__: PlainTask(fn, timeout_set) for fn in functions}

    def task(self, name: str) -> Any:
        """Return a definition."""
        try:
            return self.tasks[name]
        except KeyError:
            raise UnknownNameError("task", name, tuple(self.tasks)) from None


class Definitions(Functions):
    """A registry of real task definitions, made of plain functions."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        """Register `functions` under their names."""
        self.tasks = {fn.__name__: task(fn) for fn in functions}


class WallClock:
    """The machine's time."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


def call_defined(fn: Callable[..., Any], *args: Any, **changes: Any) -> TaskCall:
    """As `call`, for a task of `Definitions`."""
    return msgspec.structs.replace(call(fn, **changes), input=task(fn).signature.encode_call(args, {}))


def call(fn: Callable[..., Any], *args: Any, isolation: str = "auto", **changes: Any) -> TaskCall:
    """Return a call of `fn`; `changes` are fields of TaskOptions or TaskCall."""
    option_names = {field.name for field in msgspec.structs.fields(TaskOptions)}
    options = {name: value for name, value in changes.items() if name in option_names}
    rest = {name: value for name, value in changes.items() if name not in option_names}
    return TaskCall(
        run_id="r-1",
        execution="r-1",
        step=f"{fn.__name__}#1",
        task=fn.__name__,
        input=msgspec.json.encode(args),
        options=TaskOptions(isolation=isolation, **options),
        idempotency_key=f"r-1/{fn.__name__}#1",
        **rest,
    )


class Started:
    """An attempt that was started, and its outcome once it has one."""

    def __init__(self, runner: Any, task_call: TaskCall) -> None:
        """Start `task_call` on `runner`."""
        self.outcomes: list[AttemptOutcome] = []
        self._future: asyncio.Future[AttemptOutcome] = asyncio.get_running_loop().create_future()
        self.attempt: RunningAttempt | None = runner.start(task_call, self._done)

    def _done(self, _: TaskCall, outcome: AttemptOutcome) -> None:
        self.outcomes.append(outcome)
        if not self._future.done():
            self._future.set_result(outcome)

    async def outcome(self, seconds: float = 20.0) -> AttemptOutcome:
        """Wait for the outcome."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._future)


async def pause() -> None:
    """Let the loop turn for a moment before looking again at what cannot ring, such as the end of a process."""
    moment = asyncio.Event()
    asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, moment.set)
    await moment.wait()


async def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until `condition()` is true; it depends on something that no future stands for."""
    async with asyncio.timeout(seconds):
        while not condition():
            await pause()


async def wait_for(look: Callable[[], Awaitable[Value | None]], seconds: float = 20.0) -> Value:
    """Return what `look` finds, once it finds something."""
    async with asyncio.timeout(seconds):
        while (found := await look()) is None:
            await pause()
    return found
