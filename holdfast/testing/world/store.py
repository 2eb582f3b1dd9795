"""A store that can be cut off, as if its process had been killed, and whose histories can be replayed as they grow.

Owns: what a dead process's writes come to, and the replay of each history after each page.
Must not know: which store it is, time, tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.engine import Execution, recover
from holdfast.errors import DivergenceError, FencedError
from holdfast.ports.operations import Append, Leave, Membership, Operation
from holdfast.ports.program import Guard, Program
from holdfast.ports.store import Store
from holdfast.replay.captures import read_run


class SeveredStore:
    """A store whose writes fail from a moment on. Reads go straight through."""

    def __init__(self, store: Store) -> None:
        """Write to `store`."""
        self._store = store
        self._severed = False

    def sever(self) -> None:
        """Let no write through any more, not even a farewell."""
        self._severed = True

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations`. See `Store.write`."""
        if self._severed:
            if all(isinstance(each, Leave) for each in operations):
                return [True] * len(operations)
            raise FencedError(f"a write of {len(operations)} operations by a process that has crashed")
        return await self._store.write(operations, membership)

    def __getattr__(self, name: str) -> Any:
        """Pass every read on to the store itself."""
        return getattr(self._store, name)


class ReplayingStore:
    """A store that replays each history, from its first event, whenever a page was added to it."""

    def __init__(
        self, store: Store, programs: Callable[[str], Program], guard: Guard, divergences: list[DivergenceError]
    ) -> None:
        """Write to `store`, replay with the code that `programs` finds, and put what departs into `divergences`."""
        self._store = store
        self._programs = programs
        self._guard = guard
        self._divergences = divergences

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations`, and replay what they added to. See `Store.write`."""
        results = await self._store.write(operations, membership)
        for operation, result in zip(operations, results, strict=True):
            if isinstance(operation, Append) and operation.page is not None and result is True:
                await self._replay(operation.execution_id)
        return results

    async def _replay(self, execution_id: int) -> None:
        history = await read_run(self._store, execution_id)
        program = self._programs(history.started.workflow)
        execution = Execution(program, self._guard, history.open_fan_out, trace=True)
        try:
            recover(execution, history.events)
        except DivergenceError as error:
            self._divergences.append(error)
        finally:
            execution.evict()

    def __getattr__(self, name: str) -> Any:
        """Pass every read on to the store itself."""
        return getattr(self._store, name)
