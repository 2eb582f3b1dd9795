"""The steps of one execution: what its code asked for, and has no outcome of yet.

Owns: the names of steps, their states, and which drain issued what.
Must not know: the workflow's code, what a step does, messages.

Every command goes through `issue`, in the order in which the code asked; every
outcome through `resolve`. A command that is dropped in the drain that issued it
leaves nothing behind but a gap in the ordinals: it was never anybody else's
business.

`issue_step`, `issue`, `resolve` and `settle` are on the path of every task call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any, Final, TypeVar

from holdfast.engine import machines
from holdfast.engine.caller import user_position
from holdfast.engine.closing import Evicted
from holdfast.engine.decisions import Issued
from holdfast.engine.futures import ChildFuture, StepFuture
from holdfast.engine.interrupts import is_of_process
from holdfast.engine.loop import WorkflowLoop
from holdfast.engine.machines import State
from holdfast.errors import DuplicateKeyError, HistoryError, ReadOnlyError
from holdfast.history import (
    AcquireLock,
    CancelChild,
    CancelFanOut,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    Command,
    MarkPatch,
    ReleaseLock,
    RunSideEffect,
    ScheduleTask,
    StartFanOut,
    StartTimer,
)

Made = TypeVar("Made", bound=StepFuture)


class Steps:
    """What the code asked for. See the module's theory of operation."""

    __slots__ = (
        "_counts",
        "_dropped",
        "_keys",
        "_loop",
        "_trace",
        "cause",
        "context",
        "drain",
        "functions",
        "held",
        "is_over",
        "issued",
        "open",
        "ordinal",
        "reader",
        "remedies",
        "where",
    )

    def __init__(self, loop: WorkflowLoop, context: Context, where: Callable[[], str], *, trace: bool) -> None:
        """Hold no steps yet.

        Args:
            loop: the loop on which steps resolve.
            context: the context in which users' types are made from outcomes.
            where: gives `file:line, in function` of the workflow code that runs or waits.
            trace: remember the line of user code that issued each command.
        """
        self._loop = loop
        self._trace = trace
        self.context = context
        self.where = where
        self.open: dict[str, StepFuture] = {}
        """Steps under way, by name."""
        self.held: dict[StepFuture, None] = {}
        """Steps that resolved, and hold a lock until it is given back."""
        self.functions: dict[str, Callable[[], bytes | Awaitable[bytes]]] = {}
        """What a side effect calls, by step, until somebody has called it."""
        self.drain: list[Issued] = []
        """The commands of the drain under way, in order."""
        self.cause = 0
        """Id of the input whose drain is under way."""
        self.ordinal = 0
        self.issued = 0
        """How many commands the code has issued so far."""
        self.reader = ""
        """The query or validator that is running now; it may not ask for anything."""
        self.remedies: dict[str, int] = {}
        """How many remedies of one call led to a step, for steps that one issued."""
        self.is_over = False
        """Nothing is granted any more: the run has ended, or left memory."""
        self._counts: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._dropped: set[str] = set()

    # --- What the code asks for --------------------------------------------------------------------------------

    def check(self, attempted: str) -> None:
        """Raise where nothing may be asked for: in a query, and when all is over."""
        if self.reader:
            raise ReadOnlyError(attempted, self.reader)
        if self.is_over:
            raise Evicted

    def name(self, name: str, key: str | None) -> str:
        """Return the name of the next step called `name`, or of the one with this key.

        Raises:
            DuplicateKeyError: the run has a step with this key.
        """
        if self.reader or self.is_over:
            self.check(f"issue {name}")
        if key is None:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            return f"{name}#{count}"
        step = f"{name}[{key}]"
        if step in self._keys:
            raise DuplicateKeyError(step, self._keys[step], user_position() or "?")
        self._keys[step] = user_position() or "?"
        return step

    def issue_step(
        self,
        command: Command,
        step: str,
        table: machines.Table,
        decode: Callable[[Any], Any] | None,
        make: type[Made] = StepFuture,  # type: ignore[assignment]  # what `Made` is by default
    ) -> Made:
        """Issue a command that has an outcome; return the future of it.

        Args:
            command: what is asked for.
            step: its name.
            table: which states its life may go through.
            decode: turns the recorded outcome into a value.
            make: the class of the future.
        """
        loop = self._loop
        future = make(loop, self, loop.next_order(), step, table, command, decode)
        future.cause = self.cause
        future.ordinal = self.ordinal
        self.issue(command)
        self.open[step] = future
        return future

    def issue(self, command: Command) -> None:
        """Note a command as the next one of this drain."""
        self.drain.append(Issued(self.cause, self.ordinal, command, user_position() if self._trace else ""))
        self.ordinal += 1
        self.issued += 1

    def mark(self, command: MarkPatch) -> None:
        """Note a mark, which is no command: whether it is there or not, commands keep their places and their number."""
        place = -1 - sum(each.ordinal < 0 for each in self.drain)
        self.drain.append(Issued(self.cause, place, command, user_position() if self._trace else ""))

    # --- What becomes of it ------------------------------------------------------------------------------------

    def resolve(self, step: str, move: machines.Step) -> StepFuture | None:
        """Return the future of a step whose outcome was recorded; None when the code had dropped it.

        Raises:
            HistoryError: the code did not ask for it.
        """
        future = self.open.pop(step, None)
        if future is None:
            if step in self._dropped:
                # The outcome and the code's decision to do without it crossed: both stand in history, the
                # decision after the outcome, because it was made in the drain of an input of the same page.
                self._dropped.remove(step)  # which happens once
                return None
            raise HistoryError(f"the outcome of {step} is recorded, but the code did not ask for it", self.where())
        # An owner that has not recorded the decision yet does so in the page of the outcome.
        state = State.OPEN if future.state is State.ISSUED else future.state
        future.state = machines.advance(step, future.table, state, move)
        return future

    def begin_step(self, step: str, move: machines.Step) -> StepFuture:
        """Return the future of a step that something has become of, but not its end.

        Raises:
            HistoryError: the code did not ask for it.
        """
        future = self.open.get(step)
        if future is None:
            raise HistoryError(f"{step} is recorded to have begun, but the code did not ask for it", self.where())
        self._move(future, move)
        return future

    def _move(self, future: StepFuture, move: machines.Step) -> None:
        state = State.OPEN if future.state is State.ISSUED else future.state  # as in `resolve`
        future.state = machines.advance(future.step, future.table, state, move)

    def settle(self, future: StepFuture, outcome: Any) -> None:
        """Hand a recorded outcome to whoever awaits the step, as a value of the user's type."""
        try:
            value = self.context.run(future.decode, outcome)  # type: ignore[arg-type]  # these steps always have one
        except BaseException as error:  # users' types run code of their own when they are made
            if isinstance(error, SystemExit | KeyboardInterrupt) and is_of_process(error):
                raise
            self.fail(future, error)
        else:
            future.set_result(value)

    def fail(self, future: StepFuture, error: BaseException) -> None:
        """Raise `error` in whoever awaits the step."""
        if isinstance(error, StopIteration):  # asyncio refuses it: it would end whoever awaits
            stopped, error = error, RuntimeError("the outcome's type raised StopIteration")
            error.__cause__ = stopped
        future.set_exception(error)
        self._loop.failed.append(future)

    def drop(self, future: StepFuture) -> None:
        """Forget a step its code does not want any more. Called by the step's future, before it is cancelled."""
        if self.is_over:
            return
        if self.reader:
            raise ReadOnlyError(f"cancel {future.step}", self.reader)
        if self.open.pop(future.step, None) is None or self._withdraw(future):
            return
        future.state = machines.advance(future.step, future.table, future.state, machines.Step.CANCEL)
        self._dropped.add(future.step)
        cancellation = _CANCELLATIONS.get(type(future.command))
        if cancellation is not None:
            self.issue(cancellation(future.command))

    def stop(self, future: ChildFuture, reason: str) -> bool:
        """Ask a child to stop, once; say whether it is gone already. Called by the child's future."""
        if self.is_over:
            return True
        if self.reader:
            raise ReadOnlyError(f"cancel {future.step}", self.reader)
        if future.state is State.CANCELLING:
            return False
        if self._withdraw(future):
            del self.open[future.step]
            return True
        self._move(future, machines.Step.CANCEL)
        self.issue(CancelChild(future.step, reason))
        return False

    def _withdraw(self, future: StepFuture) -> bool:
        """Take back what was issued in this very drain, as if it had never been; say whether it was."""
        if future.cause != self.cause or future.state is not State.ISSUED:
            return False
        for index, each in enumerate(self.drain):
            if each.ordinal == future.ordinal:
                del self.drain[index]
                future.state = machines.advance(future.step, future.table, future.state, machines.Step.CANCEL)
                return True
        return False

    def give_back(self, future: StepFuture) -> None:
        """Give back what a lock's step holds, or leave its queue."""
        self.check("give back a lock")
        if future not in self.held:
            future.cancel()
            return
        del self.held[future]
        command = future.command
        assert isinstance(command, AcquireLock)
        future.state = machines.advance(future.step, future.table, future.state, machines.Step.CANCEL)
        self.issue(ReleaseLock(future.step, command.name))

    def was_dropped(self, step: str) -> bool:
        """Say whether the code had dropped a step, and its outcome may still come."""
        return step in self._dropped

    def rename(self, names: Mapping[str, str]) -> None:
        """Call steps under way by other names, those of the history that is being replayed."""
        futures = [(self.open.pop(step), name) for step, name in names.items() if step in self.open]
        for future, name in futures:
            future.step = name
            self.open[name] = future
        for name in names.values():
            kind, _, number = name.rpartition("#")
            if number.isdecimal():  # what is named from here on must be another
                self._counts[kind] = max(self._counts.get(kind, 0), int(number))

    def end(self) -> None:
        """Forget every step that is under way, and give back all that is held.

        Children and messages stay: what becomes of a child is decided by how it was started, and what is sent is sent.
        """
        for future in list(self.open.values()):
            if not future.outlives_run:
                future.cancel()
        for future in list(self.held):
            self.give_back(future)

    # --- What the loop asks for --------------------------------------------------------------------------------

    def start_timer(self, when: float, seconds: float, fire: Callable[[], None]) -> StepFuture:
        """Issue a timer. Called by the loop."""
        step = self.name("sleep", None)
        return self.issue_step(StartTimer(step, float(seconds), float(when)), step, machines.TIMER, lambda _: fire())

    def begin(self) -> None:
        """Let a task be started. Called by the loop."""
        self.check("start a task")


_CANCELLATIONS: Final[dict[type, Callable[[Any], Command]]] = {
    ScheduleTask: lambda command: CancelTask(command.step),
    StartTimer: lambda command: CancelTimer(command.step),
    AcquireLock: lambda command: ReleaseLock(command.step, command.name),
    StartFanOut: lambda command: CancelFanOut(command.step),
    RunSideEffect: lambda command: CancelSideEffect(command.step),
}
"""What takes each kind of step back; one that is not here needs nothing."""
