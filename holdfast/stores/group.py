"""One transaction for everything in this process that waits to be written.

Owns: which writes share a transaction, and who gets which result.
Must not know: what is written.

Group commit: a write that finds the store idle goes at once; those that arrive
while one is in flight form the next. A durable commit costs one fsync whether it
carries one operation or a thousand.

A write that failed may have been carried out. Whoever repeats it under its name is
safe. But what a member claimed has no name that it could be found by again: it would
be owned by somebody who does not know. So that is told, as a doubt about the member.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

from holdfast.errors import FencedError, StoreError, StoreFullError
from holdfast.observe import Meters
from holdfast.ports.operations import (
    ClaimChunks,
    ClaimRuns,
    ClaimTasks,
    Membership,
    Operation,
    ReleaseRuns,
    StartRun,
    TakeRequests,
)
from holdfast.ports.store import Store

GROUP_OPERATIONS_MAX: Final = 4_000
"""A transaction takes no further writes once it holds this many operations."""

_OWNING: Final = frozenset({ClaimChunks, ClaimRuns, ClaimTasks, ReleaseRuns, StartRun, TakeRequests})
"""After these a member owns something or not; without an answer it does not know."""


class GroupCommit:
    """A store whose writes are carried out together. Reads go straight through."""

    def __init__(
        self, store: Store, meters: Meters | None = None, doubted: Callable[[Membership], None] | None = None
    ) -> None:
        """Group the writes to `store`.

        Args:
            store: where they go.
            meters: counts its transactions.
            doubted: called when nobody knows any more what a member owns.
        """
        self._store = store
        self._doubted = doubted
        self._meters = meters if meters is not None else Meters()
        self._waiting: list[_Write] = []
        self._wanted = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the store, and begin to take writes."""
        await self._store.open()
        self._runner = asyncio.create_task(self._run(), name="holdfast group commit")

    async def close(self) -> None:
        """Write what is waiting, and close the store."""
        runner, self._runner = self._runner, None
        if runner is not None:
            while self._waiting:
                await self._commit()
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
        await self._store.close()

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations` in the next transaction. See `Store.write`."""
        write = _Write(operations, membership)
        self._waiting.append(write)
        self._wanted.set()
        return await write.done

    def __getattr__(self, name: str) -> Any:
        """Pass every read on to the store itself."""
        return getattr(self._store, name)

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                await self._commit()
                # Whoever was resumed by the commit may have the next write ready within this iteration.
                await asyncio.sleep(0)

    async def _commit(self) -> None:
        taken = self._take()
        memberships = {each.membership for each in taken if each.membership is not None}
        if len(memberships) <= 1:
            await self._write(taken, next(iter(memberships), None))
            return
        for membership in sorted(memberships, key=lambda each: each.member):
            await self._write([each for each in taken if each.membership == membership], membership)
        await self._write([each for each in taken if each.membership is None], None)

    def _take(self) -> list[_Write]:
        count = 0
        for index, each in enumerate(self._waiting, 1):
            count += len(each.operations)
            if count >= GROUP_OPERATIONS_MAX:
                taken, self._waiting = self._waiting[:index], self._waiting[index:]
                return taken
        taken, self._waiting = self._waiting, []
        return taken

    async def _write(self, writes: list[_Write], membership: Membership | None) -> None:
        if not writes:
            return
        operations = writes[0].operations if len(writes) == 1 else [op for each in writes for op in each.operations]
        began = perf_counter()
        try:
            results = await self._store.write(operations, membership)
        except FencedError as error:
            # Only those who wrote as the member are refused; the rest never needed it.
            for each in writes:
                if each.membership is not None or membership is None:
                    each.fail(error)
            if membership is not None:
                await self._write([each for each in writes if each.membership is None], None)
        except Exception as error:  # noqa: BLE001 - every waiting writer has to hear of it
            for each in writes:
                each.fail(error)
            self._doubt(operations, membership, error)
        else:
            self._meters.committed(len(operations), perf_counter() - began)
            start = 0
            for each in writes:
                stop = start + len(each.operations)
                each.succeed(results[start:stop])
                start = stop

    def _doubt(self, operations: Sequence[Operation], membership: Membership | None, error: Exception) -> None:
        """Tell that a member may own what it does not know of; a full disk took nothing, for sure."""
        if self._doubted is None or membership is None:
            return
        is_unknown = isinstance(error, StoreError) and not isinstance(error, StoreFullError)
        if is_unknown and any(type(each) in _OWNING for each in operations):
            self._doubted(membership)


class _Write:
    __slots__ = ("done", "membership", "operations")

    def __init__(self, operations: Sequence[Operation], membership: Membership | None) -> None:
        self.operations = operations
        self.membership = membership
        self.done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def succeed(self, results: list[Any]) -> None:
        if not self.done.done():
            self.done.set_result(results)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
