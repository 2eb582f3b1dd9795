"""One live execution: inputs go in, commands come out.

Owns: the order of things in a drain and at the end, and virtual time.
Must not know: stores, commits, workers, or whether it is being replayed.

Theory of operation
===================

`advance(input, id)` is the only way forward. It resolves what the input is about,
drains the loop until it is idle, and returns the commands that drain issued, in
order. Nothing else changes an execution, so `advance` over the same inputs gives
the same commands: that is what recovery, the replayer and the laws rest on.

The owner of an execution applies an input only when it is durable, and one at a
time (the turn rule). It may record the commands of several drains in one page.

The parts, each of which knows only those above it:

    loop      the order in which callbacks run, and virtual time
    code      users' code: where it begins, reads, cleans up and is stopped
    steps     what the code asked for: names, states, commands of this drain
    messages  what the outside says: signals, updates, queries
    outcomes  what a recorded outcome does to its step (a table of functions)
    runtime   the port that workflow code calls
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Final

from holdfast.engine import machines, waits
from holdfast.engine.closing import Continued
from holdfast.engine.code import NOBODY, Code
from holdfast.engine.decisions import Issued
from holdfast.engine.draws import Draws
from holdfast.engine.interrupts import is_of_process
from holdfast.engine.loop import WorkflowLoop
from holdfast.engine.messages import CUT_OFF, Messages
from holdfast.engine.outcomes import OUTCOMES
from holdfast.engine.patches import Patches
from holdfast.engine.runtime import OpenFanOut, Runtime
from holdfast.engine.steps import Steps
from holdfast.errors import HistoryError
from holdfast.history import (
    CancelRequested,
    CancelRun,
    Command,
    CompleteRun,
    CompleteUpdate,
    ContinueRun,
    FailRun,
    InputEvent,
    SignalReceived,
    UpdateAccepted,
    WorkflowStarted,
    describe_failure,
)
from holdfast.ports.program import Guard, Program
from holdfast.ports.runtime import current_runtime


class Execution:
    """A workflow under way. See the module's theory of operation."""

    def __init__(
        self,
        program: Program,
        guard: Guard,
        open_fan_out: OpenFanOut,
        *,
        trace: bool = False,
        make_steps: type[Steps] = Steps,
        make_runtime: type[Runtime] = Runtime,
    ) -> None:
        """Make an execution that has not started: its first input is WorkflowStarted.

        Args:
            program: the workflow's code.
            guard: keeps the code from clocks, entropy and I/O while it runs.
            open_fan_out: reads the outcomes of a completed fan-out.
            trace: remember the line of user code that issued each command (replay does; it costs time).
            make_steps: keeps what the code asks for; a replay watches it.
            make_runtime: what the code calls.
        """
        waits.install()
        self.program = program
        self.closed = False
        """The code has issued its last command."""
        self.applied = 0
        """Id of the last input applied."""
        self._guard = guard
        self._cancel_reason: str | None = None
        self._is_gone = False
        context = Context()
        loop = self.loop = WorkflowLoop(NOBODY)  # type: ignore[abstract]  # what it refuses is set by a table
        self.code = Code(program, guard, loop, context)
        self.draws = Draws()
        steps = self.steps = loop.steps = make_steps(loop, context, self.code.where, trace=trace)
        self.messages = Messages(self.code, steps, self.draws)
        self.runtime = make_runtime(program, steps, self.messages, loop, self.draws, open_fan_out)
        self.open = steps.open
        """Steps under way, by name."""
        context.run(current_runtime.set, self.runtime)

    # --- The verbs -------------------------------------------------------------------------------------------

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Apply an input and run the code until it waits; return the commands it issued, in order.

        Raises:
            HistoryError: the input is about something the code did not ask for.
        """
        if self.closed:
            return self._refuse(event, event_id)
        loop, steps = self.loop, self.steps
        if event.time > loop.now:  # noqa: PLR1730  # a third of what max() takes. Time never goes back, whatever the clocks of several members say
            loop.now = event.time
        steps.cause = self.applied = event_id
        steps.ordinal = 0
        drain: list[Issued] = []
        steps.drain = drain
        guard = self._guard
        guard.enter()
        try:
            resolve = OUTCOMES.get(type(event))
            if resolve is not None:
                resolve(steps, event)
            else:
                APPLY[type(event)](self, event)
            self._turn()
        finally:
            guard.leave()
        main = self.code.main
        if main is not None and main.done() and not self.closed:
            self._finish(main)
        return drain

    def query(self, name: str, payload: bytes) -> bytes:
        """Return the answer of a query handler as JSON text. Changes nothing.

        Raises:
            UnknownNameError: the workflow has no such query.
            ReadOnlyError: the handler tried to change the run.
            Exception: whatever the handler raised.
        """
        return self.messages.query(name, payload)

    def validate(self, name: str, payload: bytes) -> None:
        """Let an update's validator have its say. Changes nothing.

        Raises:
            UnknownNameError: the workflow has no such update.
            Exception: whatever the validator raised; the update is rejected.
        """
        self.messages.validate(name, payload)

    def evict(self) -> None:
        """Take the execution out of memory: end its code, under a sign that stops it from issuing anything."""
        if self._is_gone:
            return
        steps = self.steps
        self._is_gone = self.closed = steps.is_over = True
        self.code.stop()
        steps.open.clear()
        steps.held.clear()
        steps.context = Context()
        self.messages.handlers.clear()
        self.code.leave_memory()

    def where(self) -> str:
        """Return `file:line, in function` of the workflow code that is running, or of where it waits."""
        return self.code.where()

    def function_of(self, step: str) -> Callable[[], bytes | Awaitable[bytes]]:
        """Return what a side effect calls. It is asked for once, by whoever calls it."""
        return self.steps.functions.pop(step)

    @property
    def patches(self) -> Patches:
        """Which side of each changed piece of code it is on."""
        return self.runtime.patches

    def unread(self) -> list[SignalReceived | CancelRequested]:
        """Return the messages that the code has not taken, in the order in which they came."""
        return [*self.messages.mail.unread(), *self.messages.late]

    @property
    def awaited(self) -> tuple[str, ...]:
        """Names of the signals that code waits for by name; of callbacks' answers too."""
        return self.messages.mail.awaited()

    @property
    def turned_away(self) -> set[str]:
        """Updates that no handler has seen, because the code had just ended when they came."""
        return self.messages.turned_away

    @property
    def issued(self) -> int:
        """How many commands the code has issued so far."""
        return self.steps.issued

    @property
    def tainted(self) -> bool:
        """Whether its state is not what history says: it must be evicted and replayed."""
        return self.code.tainted

    @property
    def warnings(self) -> list[str]:
        """What the code did that harmed nobody, but is worth knowing."""
        return self.code.warnings

    @property
    def idle_steps(self) -> Sequence[str]:
        """Names of the steps the code waits for."""
        return tuple(self.open)

    # --- One drain -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        fatal = self.code.turn()
        if fatal is not None and not self.closed:
            self._end(ContinueRun(fatal.input) if isinstance(fatal, Continued) else FailRun(describe_failure(fatal)))

    def _refuse(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Take an input that reached a run that had just ended: one page held both. Only an update wants an answer."""
        if self._is_gone:
            raise HistoryError(f"event {event_id} came to an execution that had left memory")
        self.applied = event_id
        step = getattr(event, "step", None)
        if step is not None and step not in self.open:  # children and messages stay
            # It was dropped at the end, or this is no outcome of it.
            self.steps.resolve(step, machines.Step.COMPLETE)
        if isinstance(event, SignalReceived | CancelRequested):
            self.messages.late.append(event)
        if not isinstance(event, UpdateAccepted):
            return []
        self.messages.turned_away.add(event.update_id)
        self.steps.issued += 1
        return [Issued(event_id, 0, CompleteUpdate(event.update_id, None, CUT_OFF))]

    # --- Inputs that are no outcomes -------------------------------------------------------------------------

    def _on_started(self, event: WorkflowStarted) -> None:
        self.runtime.started = event
        self.runtime.attributes = event.attributes
        self.draws.seed = event.seed
        self.loop.call_soon(self.code.begin, event.input, context=self.code.context)

    def _on_signal(self, event: SignalReceived) -> None:
        self.messages.on_signal(event)

    def _on_update(self, event: UpdateAccepted) -> None:
        self.messages.on_update(event)

    def _on_cancel(self, event: CancelRequested) -> None:
        self._cancel_reason = event.reason
        self.code.cancel(event.reason)

    # --- The end ---------------------------------------------------------------------------------------------

    def _finish(self, main: asyncio.Future[Any]) -> None:
        command = self._closing_command(main)
        # What the run left behind is stopped, and may clean up for one drain.
        self.code.clean_up()
        if self.loop.ready:
            self._guard.enter()
            try:
                self._turn()
            finally:
                self._guard.leave()
        if self.closed:
            return
        if isinstance(command, CompleteRun):
            unheard = self.code.unheard()
            if unheard is not None:
                command = FailRun(describe_failure(unheard))
        self._end(command)

    def _closing_command(self, main: asyncio.Future[Any]) -> Command:
        if main.cancelled():
            if self._cancel_reason is not None:
                return CancelRun(self._cancel_reason)
            # Some task or step that it awaited was cancelled, by its own code: nobody has cancelled the run.
            return FailRun(describe_failure(main._make_cancelled_error()))  # type: ignore[attr-defined]
        error = main.exception()
        if isinstance(error, Continued):
            return ContinueRun(error.input)
        if error is not None:
            return FailRun(describe_failure(error))
        try:
            with self.code.running():
                return CompleteRun(self.code.context.run(self.program.encode_result, main.result()))
        except BaseException as broken:  # a result that cannot be written fails its run, nothing else
            if isinstance(broken, SystemExit | KeyboardInterrupt) and is_of_process(broken):
                raise
            return FailRun(describe_failure(broken))

    def _end(self, command: Command) -> None:
        self.steps.end()
        self.messages.end()
        self.steps.issue(command)
        self.closed = self.steps.is_over = True
        self.code.stop()


APPLY: Final[dict[type, Callable[[Execution, Any], None]]] = {
    WorkflowStarted: Execution._on_started,
    SignalReceived: Execution._on_signal,
    UpdateAccepted: Execution._on_update,
    CancelRequested: Execution._on_cancel,
}
"""One entry for each input event that is not in OUTCOMES."""
