"""An execution that takes several inputs in one drain, as engines do that wake code for all that has come since.

Owns: the order in which the inputs of one drain reach the code.
Must not know: where drains begin and end, histories, what becomes of commands.

Theory of operation
===================

The turn rule drains after each input. Temporal drains after each *workflow task*, which may hold many inputs, and its
Python SDK runs what signals and updates have set off before anything else is told. `take` does the same:

1. signals and updates are applied, and the code runs until it waits; in a run's first drain that is before its `run`
   begins, with nothing but the instance made;
2. all others are applied, one callback each, so that who waits for them is woken in the order of history, and the code
   runs until it waits.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from contextvars import Context
from typing import Any, Final

from holdfast.engine.decisions import Issued
from holdfast.engine.execution import APPLY, Execution
from holdfast.engine.outcomes import OUTCOMES
from holdfast.engine.runtime import OpenFanOut
from holdfast.errors import HistoryError
from holdfast.history import Command, InputEvent, SignalReceived, TimerFired, UpdateAccepted, WorkflowStarted
from holdfast.ports.program import Guard, Handler, Program

_TOLD_FIRST: Final = (SignalReceived, UpdateAccepted)


class GroupedExecution(Execution):
    """An execution whose drains take any number of inputs. See the module's theory of operation."""

    def __init__(self, program: Program, guard: Guard, open_fan_out: OpenFanOut, **more: Any) -> None:
        """Make an execution that has not started. See `Execution`."""
        self._begun = _BegunProgram(program)
        # Its handlers are read through to the program's own, which may be set later.
        super().__init__(self._begun, guard, open_fan_out, **more)  # type: ignore[arg-type]
        self.taken_back: list[Issued] = []
        """What the engine took back when the run ended."""

    def take(self, told: Sequence[InputEvent], event_id: int) -> list[Issued]:
        """Apply some inputs and run the code until it waits; return the commands it issued, in order.

        Args:
            told: the inputs, in the order of history; the run's first is WorkflowStarted.
            event_id: of the last of them; it rises from drain to drain.

        Raises:
            HistoryError: one of them is about something the code did not ask for.
        """
        loop, steps = self.loop, self.steps
        loop.now = max(loop.now, told[-1].time)
        steps.cause = self.applied = event_id
        steps.ordinal = 0
        steps.drain = []
        first = [each for each in told if isinstance(each, _TOLD_FIRST)]
        if first and isinstance(told[0], WorkflowStarted):
            self.make_instance(told[0])
        self._tell(first)
        self._tell([each for each in told if not isinstance(each, _TOLD_FIRST)])
        self._begun.close()  # the first messages may have ended the run
        return steps.drain

    def make_instance(self, event: WorkflowStarted) -> None:
        """Make what handlers are called on before the run begins, unless it is there."""
        if self.code.instance is not None:
            return
        self.runtime.started = event
        self.runtime.attributes = event.attributes
        self.draws.seed = event.seed
        self.loop.now = max(self.loop.now, event.time)
        with self.code.running():
            self.code.instance = self.code.context.run(self._begun.make, event.input)  # type: ignore[arg-type]

    def _tell(self, told: Sequence[InputEvent]) -> None:
        """Apply some inputs and run the code until it waits."""
        if not told or self.closed:
            return
        self._guard.enter()
        try:
            for event in told:
                resolve = OUTCOMES.get(type(event))
                if resolve is None:
                    APPLY[type(event)](self, event)
                elif len(told) == 1 or isinstance(event, TimerFired):  # a timer's is a callback already
                    resolve(self.steps, event)
                else:
                    self._check_wanted(event.step)  # type: ignore[union-attr]  # outcomes have one
                    self.loop.call_soon(resolve, self.steps, event, context=Context())
            self._turn()
        finally:
            self._guard.leave()
        main = self.code.main
        if main is not None and main.done() and not self.closed:
            self._finish(main)

    def _check_wanted(self, step: str) -> None:
        if step not in self.open and not self.steps.was_dropped(step):
            raise HistoryError(f"the outcome of {step} is recorded, but the code did not ask for it", self.where())

    def _end(self, command: Command) -> None:
        before = len(self.steps.drain)
        super()._end(command)
        self.taken_back = [each for each in self.steps.drain[before:] if each.command is not command]


class _BegunProgram:
    """A program whose instance may be made before its run begins."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._made: tuple[Any, Coroutine[Any, Any, Any]] | None = None
        self.name = program.name
        self.encode_input = program.encode_input
        self.encode_result = program.encode_result

    @property
    def signals(self) -> Mapping[str, Handler]:
        """Signal handlers, by name."""
        return self._program.signals

    @property
    def queries(self) -> Mapping[str, Handler]:
        """Query handlers, by name."""
        return self._program.queries

    @property
    def updates(self) -> Mapping[str, Handler]:
        """Update handlers, by name."""
        return self._program.updates

    def make(self, payload: bytes) -> Any:
        """Make the instance now, and keep the run's coroutine for `start`."""
        try:
            self._made = self._program.start(payload)
        except Exception:  # noqa: BLE001 - it fails again when the run begins, and the run with it
            return None
        return self._made[0]

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Return the instance and the run's coroutine."""
        made, self._made = self._made, None
        return made or self._program.start(payload)

    def close(self) -> None:
        """End a run that will not begin."""
        if self._made is not None:
            self._made[1].close()
            self._made = None
