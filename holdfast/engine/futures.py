"""Tasks and futures whose order in a set does not depend on their address.

Owns: the counter hash, and the future that stands for one step.
Must not know: history, what a step does.

asyncio keeps tasks in sets (`wait`), and a set iterates by hash. The default hash
is the object's address, which no replay repeats. Here the hash is a number drawn
from the execution's own counter. Tasks and steps draw it when they are made,
other futures when they are first hashed: asyncio makes more of them on one Python
version than on another, but users' code hashes the same ones on all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from holdfast.engine.machines import State, Table
from holdfast.history import Command


class Dropping(Protocol):
    """Is told of steps that are not wanted any more."""

    def drop(self, future: StepFuture) -> None:
        """Forget a step."""

    def stop(self, future: ChildFuture, reason: str) -> bool:
        """Ask a child to stop; say whether it is gone already."""


class OrderedTask(asyncio.Task[Any]):
    """A task that hashes by its place in the execution, and counts its cancellations itself.

    From 3.13 on Python's own count, as it comes down to zero, takes back a cancellation that has not been delivered.
    """

    __slots__ = ("_owed", "_requests", "order")

    order: int

    def __init__(self, coroutine: Any, *, loop: Any, name: str, context: Context | None) -> None:
        """Run `coroutine` on `loop`."""
        super().__init__(coroutine, loop=loop, name=name, context=context)
        self.order = loop.next_order()
        self._requests = 0
        self._owed = False

    def __hash__(self) -> int:
        """Return the task's place.

        While the task is being made it has none: asyncio puts it into one set for all loops of the process, where the
        first task of a thousand executions must not be a thousand equal hashes (8,000 took 1.1 s, measured).
        """
        try:
            return self.order
        except AttributeError:
            return object.__hash__(self)

    def cancel(self, msg: Any | None = None) -> bool:
        """Ask the task to end: its code sees CancelledError."""
        if self.done():
            return False
        self._requests += 1
        self._owed = False
        return super().cancel(msg)

    def cancelling(self) -> int:
        """Return how many requests to end were made and not taken back."""
        return self._requests

    def uncancel(self) -> int:
        """Take one request back; return how many are left."""
        if self._requests:
            self._requests -= 1
        return self._requests

    def recancel(self) -> None:
        """Let the code see its cancellation once more when it next waits, unless the requests are taken back first."""
        self._owed = True
        self.get_loop().call_soon(self._pay)

    def _pay(self) -> None:
        if self._owed and self._requests and not self.done():
            self._owed = False
            super().cancel()


class OrderedFuture(asyncio.Future[Any]):
    """A future that hashes by when it was first hashed, and whose failure the loop knows of."""

    __slots__ = ("order",)

    order: int

    def __hash__(self) -> int:
        """Return the future's place."""
        try:
            return self.order
        except AttributeError:
            self.order = self.get_loop().next_order()  # type: ignore[attr-defined]  # only a workflow's loop makes these
            return self.order

    def set_exception(self, exception: BaseException | type[BaseException], /) -> None:
        """Fail. Python itself would notice that nobody looked only when the memory is given back, whenever that is."""
        super().set_exception(exception)
        self.get_loop().failed.append(self)  # type: ignore[attr-defined]  # as above


class StepFuture(asyncio.Future[Any]):
    """The outcome of one step: a task, timer, lock or fan-out that workflow code asked for."""

    __slots__ = ("_steps", "cause", "command", "decode", "order", "ordinal", "state", "step", "table", "where")

    outlives_run = False
    """Whether what was asked for happens although the run ends before it has heard of it."""

    def __init__(
        self,
        loop: Any,
        steps: Dropping,
        order: int,
        step: str,
        table: Table,
        command: Command,
        decode: Callable[[Any], Any] | None,
    ) -> None:
        """Stand for `step`, which `command` asks for; `decode` turns its recorded outcome into a value."""
        self.order = order
        super().__init__(loop=loop)
        self._steps = steps
        self.step = step
        self.table = table
        self.state = State.ISSUED
        self.command = command
        self.decode = decode
        self.cause = 0
        self.ordinal = 0
        self.where: str = ""

    def __hash__(self) -> int:
        """Return the step's place."""
        return self.order

    def cancel(self, msg: Any | None = None) -> bool:
        """Drop the step, and say so in history where it is recorded."""
        if self.done():
            return False
        self._steps.drop(self)
        return super().cancel(msg)

    # What TaskGroup and create_task ask of a task.

    def get_name(self) -> str:
        """Return the step's name."""
        return self.step

    def set_name(self, value: object) -> None:
        """Keep the step's own name: it is what history knows."""

    def cancelling(self) -> int:
        """Return 0: a step is cancelled at once."""
        return 0

    def uncancel(self) -> int:
        """Return 0: a step that was cancelled stays so."""
        return 0


class MessageFuture(StepFuture):
    """The delivery of a message to another run. What is sent stays sent, also when the run ends in the same drain."""

    __slots__ = ()

    outlives_run = True


class ChildFuture(StepFuture):
    """The outcome of a child: a run of its own.

    Like a task of asyncio it is asked to stop by `cancel()`, and is done when it has.
    """

    __slots__ = ("_execution", "_send", "_started", "run_id")

    outlives_run = True

    run_id: str
    """The child's run id."""
    _send: Callable[..., asyncio.Future[None]]
    _execution: str
    _started: asyncio.Future[str] | None

    def begin(self, run_id: str, send: Callable[..., asyncio.Future[None]]) -> None:
        """Know the child's run id, and what sends signals to it."""
        self.run_id = run_id
        self._send = send
        self._execution = ""
        self._started = None

    @property
    def started(self) -> asyncio.Future[str]:
        """A future of the child's execution, such as `ord-1:pay#1`, which is durable by then."""
        if self._started is None:
            self._started = self.get_loop().create_future()
            if self._execution:
                self._started.set_result(self._execution)
            elif self.cancelled():
                self._started.cancel()
            elif self.done():
                self._started.set_exception(self._exception)  # type: ignore[arg-type]  # it failed before it began
        return self._started

    def note_started(self, execution: str) -> None:
        """Tell who waits for the start."""
        self._execution = execution
        if self._started is not None and not self._started.done():
            self._started.set_result(execution)

    def note_not_started(self, error: BaseException) -> None:
        """Raise in who waits for the start."""
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)

    def signal(self, signal: Any, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        """Send a signal to the child; awaited, it is in the child's inbox.

        Args:
            signal: a handler such as `Pay.approve`, or its name.
            args: the handler's arguments.
            kwargs: the handler's arguments.
        """
        return self._send(self.run_id, signal, args, kwargs)

    def cancel(self, msg: Any | None = None) -> bool:
        """Ask the child to stop; it is awaited until it has, and cleans up meanwhile."""
        if self.done():
            return False
        if self._steps.stop(self, str(msg or "")):
            return asyncio.Future.cancel(self, msg)
        return True

    def note_cancelled(self) -> None:
        """Raise `CancelledError` in who waits: the child has stopped, as it was asked to."""
        asyncio.Future.cancel(self)
