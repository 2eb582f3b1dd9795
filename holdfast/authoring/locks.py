"""Locks and semaphores, as code that holds them sees them.

Owns: `lock`, `semaphore`, and leaving the queue or the place on every way out of the block.
Must not know: queues, owners, leases. In a workflow the runtime grants places; elsewhere a `Places` does.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol

from holdfast.authoring.places import calling_place
from holdfast.errors import DefinitionError, OutsideWorkflowError
from holdfast.ports.runtime import WorkflowRuntime, current_runtime

SLOTS_MAX: Final = 1_000_000
LOCK_NAME_CHARACTERS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A place that is held."""

    name: str
    token: int
    """Fencing token: higher than every one granted before. Hand it to receivers that refuse older ones."""


class Places(Protocol):
    """Grants places to tasks and scripts, which hold them by a lease."""

    def hold(self, name: str, slots: int) -> AbstractAsyncContextManager[HeldLock]:
        """Return a block that holds one of `slots` places of `name`."""


current_places: ContextVar[Places] = ContextVar("holdfast_lock_places")
"""Set where code outside workflows may take locks."""


def lock(name: str) -> AbstractAsyncContextManager[HeldLock]:
    """Hold a lock for the length of a block; whoever comes later waits in line.

    ```python
    async with lock(f"account:{account}") as held:
        await charge(account, fence=held.token)
    ```

    In a workflow the lock belongs to the run: it does not expire, survives the death of any process, and is given back
    at the end of the block or of the run, whichever way it ends.

    Args:
        name: names the lock, for everybody who uses the same store.

    Raises:
        DefinitionError: it is no name.
        OutsideWorkflowError: on entering, when nobody grants locks here.
    """
    return semaphore(name, 1)


def semaphore(name: str, slots: int) -> AbstractAsyncContextManager[HeldLock]:
    """Hold one of `slots` places for the length of a block; whoever comes when all are taken waits in line.

    Args:
        name: names the semaphore, for everybody who uses the same store.
        slots: how many may hold it at once. All users have to agree.

    Raises:
        DefinitionError: it is no name, or no number of places.
        OutsideWorkflowError: on entering, when nobody grants locks here.
    """
    given: Any = name  # whatever the annotation says
    if not isinstance(given, str) or not name or len(name) > LOCK_NAME_CHARACTERS_MAX:
        raise DefinitionError(
            f"{name!r} is no name of a lock: it takes 1 to {LOCK_NAME_CHARACTERS_MAX} characters", calling_place()
        )
    if type(slots) is not int or not 1 <= slots <= SLOTS_MAX:
        raise DefinitionError(f"semaphore({name!r}, {slots!r}): slots go from 1 to {SLOTS_MAX:,}", calling_place())
    return _Block(name, slots)


class _Block:
    """`async with lock(...)`. One object may be entered by several coroutines, each with a place of its own."""

    __slots__ = ("_entered", "_name", "_slots")

    def __init__(self, name: str, slots: int) -> None:
        self._name = name
        self._slots = slots
        self._entered: dict[Any, list[_Place]] = {}

    async def __aenter__(self) -> HeldLock:
        place = self._place()
        try:
            held = await place.take()
        except BaseException as error:  # cancelled while in line, or just as the place was granted
            await place.leave(error)
            raise
        self._entered.setdefault(asyncio.current_task(), []).append(place)
        return held

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task not in self._entered:  # left by another task than entered it, as an AsyncExitStack may
            task = next(iter(self._entered))
        places = self._entered[task]
        place = places.pop()
        if not places:
            del self._entered[task]
        await place.leave(error)

    def _place(self) -> _Place:
        runtime = current_runtime.get(None)
        if runtime is not None:
            return _RunPlace(runtime, self._name, self._slots)
        places = current_places.get(None)
        if places is not None:
            return _LeasedPlace(places.hold(self._name, self._slots))
        raise OutsideWorkflowError(
            f"lock {self._name!r} was wanted outside a workflow",
            calling_place(),
            "Take it in workflow code, around the call of the task, and hand the task its token.",
        )


class _Place(Protocol):
    async def take(self) -> HeldLock: ...

    async def leave(self, error: BaseException | None) -> None: ...


class _RunPlace:
    """A place that belongs to a run."""

    __slots__ = ("_acquired", "_name", "_runtime", "_slots")

    def __init__(self, runtime: WorkflowRuntime, name: str, slots: int) -> None:
        self._runtime = runtime
        self._name = name
        self._slots = slots
        self._acquired: Future[int] | None = None

    async def take(self) -> HeldLock:
        self._acquired = self._runtime.acquire_lock(self._name, self._slots)
        return HeldLock(self._name, await self._acquired)

    async def leave(self, error: BaseException | None) -> None:  # noqa: ARG002 - given back on any end
        if self._acquired is not None:
            self._runtime.release_lock(self._acquired)
            self._acquired = None


class _LeasedPlace:
    """A place that a task or a script holds by a lease."""

    __slots__ = ("_block", "_taken")

    def __init__(self, block: AbstractAsyncContextManager[HeldLock]) -> None:
        self._block = block
        self._taken = False

    async def take(self) -> HeldLock:
        held = await self._block.__aenter__()
        self._taken = True
        return held

    async def leave(self, error: BaseException | None) -> None:
        if self._taken:
            self._taken = False
            await self._block.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)
