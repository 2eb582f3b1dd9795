"""A store with a run in it whose tasks and fan-outs workers serve.

Owns: the store, the bus, the run that queues and reads its mail.
Must not know: what any test is about.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.history import (
    ROOT,
    CancelRequested,
    RetryPolicy,
    TaskCompleted,
    TaskFailed,
    TaskOptions,
    TaskTimedOut,
    seal,
)
from holdfast.ports.operations import (
    Append,
    FanOutSummary,
    Join,
    Membership,
    QueueFanOut,
    QueueTask,
    StartRun,
)
from holdfast.stores import GroupCommit, SQLiteStore
from holdfast.worker import LocalRunner, PoolWorker
from tests.unit.worker.rig import Definitions, WallClock, pause, wait_until

FAST = RetryPolicy(attempts=3, initial=0.01, maximum=0.01)


class Bell:
    """A bus inside this process."""

    reaches = False

    def __init__(self) -> None:
        """Begin without listeners."""
        self._listeners: list[Callable[[frozenset[str]], None]] = []
        self.deaf = False

    def ring(self, topics: Iterable[str]) -> None:
        """Call every listener, soon."""
        rung = frozenset(topics)
        if rung and not self.deaf:
            asyncio.get_running_loop().call_soon(self._call, rung)

    def listen(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Add a listener; return what removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def _call(self, topics: frozenset[str]) -> None:
        for listener in list(self._listeners):
            listener(topics)


NOBODY_LEAVES = pytest.mark.undisturbed("a worker leaves that does not know what it has claimed, but not here")
"""For tests in which workers claim."""


class Yard:
    """A store, a run, and the workers of a test."""

    def __init__(self, store: Any, bus: Bell) -> None:
        """Use `yard_at`."""
        self.store = store
        self.bus = bus
        self.clock = WallClock()
        self.owner = Membership(0, 0)
        self.execution_id = 0
        self._number = 0

    async def begin(self) -> None:
        """Start the run."""
        self.owner = await self.join("owner")
        page = seal([CancelRequested(0.0, -1, "")], 1, ROOT, {})  # to the store one event is as good as another
        start = StartRun(run_id="r", workflow="W", input_digest=b"", page=page, own=True)
        (started,) = await self.store.write([start], self.owner)
        self.execution_id = started.execution_id

    async def join(self, name: str, lease_seconds: float = 1e6) -> Membership:
        """Make a member."""
        (membership,) = await self.store.write(
            [Join(name=name, kind="worker", host="here", pid=1, lease_seconds=lease_seconds)]
        )
        assert isinstance(membership, Membership)
        return membership

    async def queue(self, fn: Callable[..., Any], *args: Any, step: str = "", **options: Any) -> str:
        """Queue a call of `fn`; return its step."""
        self._number += 1
        step = step or f"{fn.__name__}#{self._number}"
        task = Definitions(fn).task(fn.__name__)
        item = QueueTask(
            step=step,
            task=fn.__name__,
            input=task.signature.encode_call(args, {}),
            pool=options.pop("pool", "default"),
            priority=options.get("priority", 0),
            options=encode_options(**options),
            queued_at=self.clock.now(),
            limits=options.get("limits"),
        )
        await self.append(queue=(item,))
        return step

    async def fan_out(
        self,
        fn: Callable[..., Any],
        items: Iterable[Any],
        *,
        chunk_items: int = 256,
        failures_max: int = 0,
        **options: Any,
    ) -> str:
        """Map `fn` over `items`; return the step."""
        self._number += 1
        step = f"map#{self._number}"
        signature = Definitions(fn).task(fn.__name__).signature
        fan_out = QueueFanOut(
            step=step,
            task=fn.__name__,
            pool="default",
            priority=0,
            options=encode_options(**options),
            failures_max=failures_max,
            items=tuple(signature.encode_call((item,), {}) for item in items),
            chunk_items=chunk_items,
        )
        await self.append(fan_outs=(fan_out,))
        return step

    async def append(self, **changes: Any) -> None:
        """Change the run's parts."""
        (result,) = await self.store.write([Append(self.execution_id, None, **changes)], self.owner)
        assert result is True, result

    async def mail(self, kind: str, name: str, seconds: float = 20.0) -> bytes:
        """Wait for a message of the run."""
        found: list[bytes] = []

        async def look() -> bool:
            rows = await self.store.execution_inbox(self.execution_id)
            found[:] = [row.body for row in rows if row.kind == kind and row.name == name]
            return bool(found)

        async with asyncio.timeout(seconds):
            while not await look():
                await pause()
        assert len(found) == 1
        return found[0]

    async def outcome(self, step: str) -> TaskCompleted | TaskFailed | TaskTimedOut:
        """Wait for the outcome of a queued task."""
        body = await self.mail("outcome", step)
        return msgspec.msgpack.decode(body, type=TaskCompleted | TaskFailed | TaskTimedOut)

    async def summary(self, step: str, seconds: float = 20.0) -> FanOutSummary:
        """Wait for the end of a fan-out."""
        return msgspec.msgpack.decode(await self.mail("fan_out", step, seconds), type=FanOutSummary)

    async def outcomes(self, step: str) -> list[Any]:
        """Return the outcomes of a fan-out's items: values, or names of exceptions."""
        (fan_out,) = [each for each in await self.store.fan_outs(self.execution_id) if each.step == step]
        recorded = await self.store.outcomes(fan_out.fan_out_id, 0, fan_out.count)
        return [
            msgspec.json.decode(each.body) if each.ok else msgspec.msgpack.decode(each.body)[0] for each in recorded
        ]

    async def rows(self) -> dict[str, Any]:
        """Return the queue's rows by step."""
        return {row.step: row for row in await self.store.queue(self.execution_id)}

    @asynccontextmanager
    async def worker(
        self,
        *functions: Callable[..., Any],
        slots: int = 8,
        lease_seconds: float = 1e6,
        drain_seconds: float = 0.0,
        fenced: Callable[[], None] | None = None,
        poll_seconds: float = 0.2,
        pools: dict[str, int] | None = None,
        holdings: Callable[[], dict[str, float]] = dict,
    ) -> AsyncIterator[Worker]:
        """Give a worker that knows `functions`, and close it."""
        membership = await self.join("worker", lease_seconds)
        registry = Definitions(*functions)
        runner = LocalRunner(registry, self.clock)
        worker = PoolWorker(
            self.store,
            membership,
            registry,
            runner,
            self.bus,
            pools or {"default": slots},
            self.clock,
            random.Random(7).random,
            name="worker-1",
            fenced=fenced,
            holdings=holdings,
            poll_seconds=poll_seconds,
        )
        await worker.open()
        try:
            yield Worker(worker, runner, membership)
        finally:
            await worker.close(drain_seconds)
            await runner.close()


class Worker:
    """A worker of a test."""

    def __init__(self, pool: PoolWorker, runner: LocalRunner, membership: Membership) -> None:
        """Keep its parts together."""
        self.pool = pool
        self.runner = runner
        self.membership = membership


def encode_options(**options: Any) -> bytes:
    """Return options as they are queued."""
    options.setdefault("retry", FAST)
    return msgspec.msgpack.encode(TaskOptions(**options))


@asynccontextmanager
async def yard_at(folder: Path) -> AsyncIterator[Yard]:
    """Open a fresh store in `folder`, with a run in it."""
    bus = Bell()
    store = GroupCommit(SQLiteStore(folder / "store.db", clock=WallClock(), bus=bus, synchronous="NORMAL"))
    await store.open()
    yard = Yard(store, bus)
    await yard.begin()
    try:
        yield yard
    finally:
        await store.close()


__all__ = ["FAST", "NOBODY_LEAVES", "Bell", "Worker", "Yard", "wait_until", "yard_at"]
