"""Steps that are undone when a later one fails: `Saga`.

Owns: what is to be undone, in which order, and that nothing gets in between.
Must not know: engines, how a run is parked.

Theory of operation
===================

Compensations run in a task of their own, which the cancellation under way does not reach, and whoever left the block
waits for it, whatever else happens. They run one after the other, the last one added first: each may need what the
ones before it still hold.

A compensation that fails for good is not skipped and not hidden. The run parks itself and says what has been undone and
what has not; when somebody resumes it, the same compensation is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, ParamSpec, Self

from holdfast.authoring.inside import running
from holdfast.authoring.places import calling_place
from holdfast.authoring.task import TaskDefinition
from holdfast.errors import DefinitionError, TaskError

P = ParamSpec("P")

REASON_CHARACTERS_MAX: Final = 2_000
"""How long the reason of a parked run may be."""


class Saga:
    """Undoes what was done when its block is left by an exception or a cancellation.

    ```python
    async with Saga() as saga:
        saga.add(cancel_flight, trip.id)  # before the step: whether it went through is not known when it fails
        await book_flight(trip.id)
        saga.add(cancel_hotel, trip.id)
        await book_hotel(trip.id)
    ```

    A block that ends well undoes nothing. One that does not undoes everything that was added, in reverse, before the
    exception goes on. A run that is terminated, or times out, undoes nothing: its code is not asked.
    """

    __slots__ = ("_added", "_pending", "_undone")

    def __init__(self) -> None:
        """Have nothing to undo yet."""
        self._added = 0
        self._pending: list[_Compensation] = []
        self._undone: list[str] = []

    def add(self, compensation: Callable[P, Awaitable[Any]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a task, or an async function, with these arguments when the saga is undone.

        A compensation may run more than once, and for a step that never went through: it has to be one that can be
        repeated.

        Args:
            compensation: a task, or an async function that may use everything a workflow may.
            args: what it is called with.
            kwargs: what it is called with.

        Raises:
            DefinitionError: it cannot be called.
            OutsideWorkflowError: no workflow is running here.
        """
        running("Saga.add()", "A saga is part of a workflow.")
        if not callable(compensation):
            raise DefinitionError(
                f"saga.add() was given {compensation!r}, which cannot be called",
                calling_place(),
                "Give it the task, and then its arguments: saga.add(refund, order_id)",
            )
        self._added += 1
        self._pending.append(_Compensation(self._added, compensation, args, kwargs))

    async def compensate(self) -> None:
        """Undo everything that was added so far, now. Waits until it is done, also when it is cancelled meanwhile.

        Raises:
            asyncio.CancelledError: once all is undone, when a cancellation came in the meantime.
        """
        if not self._pending:
            return
        undoing = asyncio.create_task(self._undo(), name="saga")
        cancelled: asyncio.CancelledError | None = None
        while not undoing.done():
            try:
                await asyncio.wait([undoing])  # which leaves it alone when this is cancelled
            except asyncio.CancelledError as error:
                cancelled = error
        undoing.result()
        if cancelled is not None:
            raise cancelled

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo everything if the block did not end well."""
        # Anything else ends a run that leaves memory: nothing failed, and nothing it asked for would be granted.
        if isinstance(error, Exception | asyncio.CancelledError):
            await self.compensate()

    async def _undo(self) -> None:
        while self._pending:
            compensation = self._pending[-1]
            failure = await compensation.attempt()
            if failure is None:
                self._undone.append(str(self._pending.pop()))
            else:
                runtime = running("Saga", "A saga is part of a workflow.")
                await runtime.park(self._reason(compensation, failure))

    def _reason(self, compensation: _Compensation, failure: BaseException) -> str:
        # Without arguments and messages: a reason is shown to whoever may see that there is a run, and is stored plain.
        words = (
            f"{failure.step} ended with {failure.type}" if isinstance(failure, TaskError) else type(failure).__name__
        )
        undone = ", ".join(self._undone) or "nothing"
        left = ", ".join(map(str, reversed(self._pending)))
        reason = (
            f"COMPENSATION {compensation} failed: {words}. "
            f"Undone: {undone}. Not undone: {left}. Resuming the run tries {compensation} again."
        )
        return reason if len(reason) <= REASON_CHARACTERS_MAX else reason[: REASON_CHARACTERS_MAX - 3] + "..."


class _Compensation:
    """One call that undoes one thing."""

    __slots__ = ("_args", "_call", "_kwargs", "_number")

    def __init__(
        self, number: int, call: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._number = number
        self._call = call
        self._args = args
        self._kwargs = kwargs

    async def attempt(self) -> BaseException | None:
        """Make the call; return why it failed, if it did."""
        try:
            await self._call(*self._args, **self._kwargs)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the run is over, and so is its clean-up
            return error
        except Exception as error:  # noqa: BLE001 - why it failed is for a person to read
            return error
        return None

    def __str__(self) -> str:
        """Return what is called, and as how manieth it was added."""
        name = self._call.name if isinstance(self._call, TaskDefinition) else getattr(self._call, "__name__", "")
        return f"{name or type(self._call).__name__} ({self._number})"
