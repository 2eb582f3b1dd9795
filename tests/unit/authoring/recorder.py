"""A workflow runtime that writes down what it is asked, and answers when a test says so.

Owns: the port's double for functions called inside workflows. It stores nothing and drives nothing.
Must not know: engines.
"""

# ruff: noqa: D102 - the methods are the port's, and documented there

from __future__ import annotations

import asyncio
import functools
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, NoReturn
from uuid import UUID

import msgspec

from holdfast.history import Failure, TaskOptions
from holdfast.ports.runtime import ChildCall, FanOutOutcome, RunInfo, current_runtime

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Issued:
    """One task or fan-out that was asked for, with the future its asker holds."""

    name: str
    payloads: list[bytes]
    options: TaskOptions
    key: str | None
    decode: Callable[[Any], Any]
    future: Future[Any]
    failures_max: int = 0

    def resolve(self, outcome: Any) -> None:
        """Let the task end: with JSON text, or the outcome of a fan-out."""
        self.future.set_result(self.decode(outcome))


class Continues(BaseException):
    """The code wants to go on as a new execution: (args, kwargs)."""


class Recorder:
    """See the module."""

    def __init__(self) -> None:
        self.issued: list[Issued] = []
        self.acquired: list[tuple[str, int, Future[int]]] = []
        self.released: list[Future[int]] = []
        self.signals: list[tuple[str, Future[bytes]]] = []
        self.patches: list[str] = []
        self.effects: list[tuple[Callable[[], bytes | Awaitable[bytes]], Callable[[bytes], Any], Future[Any]]] = []
        self.parked: list[tuple[str, Future[None]]] = []
        self.children: list[ChildCall] = []
        self.sent: list[tuple[str, str, bytes]] = []
        self.cancelled: list[tuple[str, str]] = []
        self.attributes: dict[str, str] = {}
        self.finished = True
        self._random = Random(7)

    def issue_task(
        self, name: str, payload: bytes, options: TaskOptions, key: str | None, decode: Callable[[bytes], Any]
    ) -> Future[Any]:
        self.issued.append(Issued(name, [payload], options, key, decode, _future()))
        return self.issued[-1].future

    def issue_fan_out(
        self,
        name: str,
        payloads: Sequence[bytes],
        options: TaskOptions,
        key: str | None,
        failures_max: int,
        decode: Callable[[FanOutOutcome], Any],
    ) -> Future[Any]:
        self.issued.append(Issued(name, list(payloads), options, key, decode, _future(), failures_max))
        return self.issued[-1].future

    def acquire_lock(self, name: str, slots: int) -> Future[int]:
        future = _future()
        self.acquired.append((name, slots, future))
        return future

    def release_lock(self, acquired: Future[int]) -> None:
        self.released.append(acquired)

    def start_child(self, call: ChildCall) -> Future[Any]:
        self.children.append(call)
        return _future()

    def signal_run(self, run_id: str, name: str, payload: bytes) -> Future[None]:
        self.sent.append((run_id, name, payload))
        return _future()

    def cancel_run(self, run_id: str, reason: str) -> Future[None]:
        self.cancelled.append((run_id, reason))
        return _future()

    def continue_as_new(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NoReturn:
        raise Continues(args, kwargs)

    def wait_signal(self, name: str) -> Future[bytes]:
        future = _future()
        self.signals.append((name, future))
        return future

    def now(self) -> datetime:
        return MOMENT

    def random(self) -> Random:
        return self._random

    def uuid4(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def patched(self, patch_id: str, *, deprecated: bool = False) -> bool:
        self.patches.append(f"{patch_id} deprecated" if deprecated else patch_id)
        return True

    def side_effect(
        self, function: Callable[[], bytes | Awaitable[bytes]], decode: Callable[[bytes], Any]
    ) -> Future[Any]:
        future = _future()
        self.effects.append((function, decode, future))
        return future

    def open_callback(self, seconds: float) -> str:
        return f"http://localhost/v1/callbacks/{seconds:g}.signature"

    def set_attributes(self, changes: Mapping[str, str]) -> None:
        self.attributes.update(changes)

    def park(self, reason: str) -> Future[None]:
        future = _future()
        self.parked.append((reason, future))
        return future

    def handlers_finished(self) -> bool:
        return self.finished

    def info(self) -> RunInfo:
        return RunInfo("r-1", "r-1", "Flow", MOMENT, 3, should_continue_as_new=False)


@dataclass
class Outcomes:
    """The outcomes of a fan-out, each a JSON text or a Failure; counts how often one is read."""

    items: list[bytes | Failure]
    reads: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def failed(self) -> int:
        return sum(isinstance(each, Failure) for each in self.items)

    def get(self, index: int) -> tuple[bool, bytes]:
        self.reads.append(index)
        item = self.items[index]
        return (False, msgspec.msgpack.encode(item)) if isinstance(item, Failure) else (True, item)


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@contextmanager
def inside_workflow() -> Iterator[Recorder]:
    """Run the block as workflow code; gives the recorder it runs on."""
    recorder = Recorder()
    token = current_runtime.set(recorder)
    try:
        yield recorder
    finally:
        current_runtime.reset(token)


def _future() -> Future[Any]:
    return asyncio.get_running_loop().create_future()
