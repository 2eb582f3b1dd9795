"""Locks and semaphores, as code that holds them sees them.

Owns: the blocks of `lock` and `semaphore`, and leaving the queue or the place on every way out of the block.
Must not know: queues, owners, leases. In a workflow the runtime grants places; elsewhere a `Places` does.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol

from holdfast.authoring.places import calling_place
from holdfast.errors import DefinitionError, OutsideWorkflowError
from holdfast.history import identifier_problem
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

    def hold_blocking(self, name: str, slots: int) -> AbstractContextManager[HeldLock]:
        """Return the same for code that is not asynchronous."""


current_places: ContextVar[Places] = ContextVar("holdfast_lock_places")
"""Set where code outside workflows takes locks from somebody in particular."""


def lock(name: str) -> LockBlock:
    """Hold a lock for the length of a block; whoever comes later waits in line.

    This is the workflow's half; `holdfast.lock` is the whole.

    Args:
        name: names the lock, for everybody who uses the same store.

    Raises:
        DefinitionError: it is no name.
        OutsideWorkflowError: on entering, when nobody grants locks here.
    """
    return semaphore(name, 1)


def semaphore(name: str, slots: int) -> LockBlock:
    """Hold one of `slots` places for the length of a block; whoever comes when all are taken waits in line.

    This is the workflow's half; `holdfast.semaphore` is the whole.

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
    if problem := identifier_problem(name):
        raise DefinitionError(f"the name of a lock {problem}", calling_place())
    if type(slots) is not int or not 1 <= slots <= SLOTS_MAX:
        raise DefinitionError(f"semaphore({name!r}, {slots!r}): slots go from 1 to {SLOTS_MAX:,}", calling_place())
    return LockBlock(name, slots)


class LockBlock:
    """`async with lock(...)`, and in tasks and scripts `with lock(...)` too.

    One object may be entered by several coroutines and threads, each with a place of its own.
    """

    __slots__ = ("_elsewhere", "_entered", "_name", "_slots")

    def __init__(self, name: str, slots: int, elsewhere: Places | None = None) -> None:
        """Use `lock` or `semaphore`."""
        self._name = name
        self._slots = slots
        self._elsewhere = elsewhere
        self._entered: dict[Any, list[Any]] = {}

    def granted_elsewhere_by(self, places: Places) -> LockBlock:
        """Return this block with somebody who grants places outside workflows."""
        return LockBlock(self._name, self._slots, places)

    async def __aenter__(self) -> HeldLock:
        """Wait for a place."""
        place = self._place()
        try:
            held = await place.take()
        except BaseException as error:  # cancelled while in line, or just as the place was granted
            await place.leave(error)
            raise
        self._note(asyncio.current_task(), place)
        return held

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        place: _Place = self._forget(asyncio.current_task())
        await place.leave(error)

    def __enter__(self) -> HeldLock:
        """Wait for a place; the thread is blocked meanwhile."""
        if current_runtime.get(None) is not None or _has_loop():
            raise DefinitionError(
                f"`with lock({self._name!r})` would block the event loop that runs this code",
                calling_place(),
                "Whoever has the lock may need that loop to give it back. Write: async with lock(...)",
            )
        block = self._grantor().hold_blocking(self._name, self._slots)
        held = block.__enter__()
        self._note(threading.get_ident(), block)
        return held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        block: AbstractContextManager[HeldLock] = self._forget(threading.get_ident())
        block.__exit__(kind, error, trace)

    def _note(self, who: Any, entered: Any) -> None:
        self._entered.setdefault(who, []).append(entered)

    def _forget(self, who: Any) -> Any:
        if who not in self._entered:  # left by another task or thread than entered it, as an ExitStack may
            who = next(iter(self._entered))
        entered = self._entered[who]
        last = entered.pop()
        if not entered:
            del self._entered[who]
        return last

    def _place(self) -> _Place:
        runtime = current_runtime.get(None)
        if runtime is not None:
            return _RunPlace(runtime, self._name, self._slots)
        return _LeasedPlace(self._grantor().hold(self._name, self._slots))

    def _grantor(self) -> Places:
        places = current_places.get(self._elsewhere)
        if places is None:
            raise OutsideWorkflowError(
                f"lock {self._name!r} was wanted outside a workflow, where nobody grants it",
                calling_place(),
                "Import it by `from holdfast import lock`.",
            )
        return places


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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
