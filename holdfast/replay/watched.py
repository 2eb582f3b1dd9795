"""An execution that is watched: which recorded values its code cannot take, and whether it runs away.

Owns: the notes on values that do not fit, the limit on commands.
Must not know: histories, verdicts.

A replay may meet a history that no run of this code has written, with numbers in it that are as large as somebody
liked. Code that makes a command for each of them is stopped once it has asked for more than history could answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from types import CodeType, FrameType
from typing import Any, Final

from holdfast.engine import CLOSING_COMMANDS, Execution, Issued, Made, StepFuture, Steps, Table, WorkflowLoop
from holdfast.errors import InputError
from holdfast.history import Command, FanOutCompleted, InputEvent, ScheduleTask, StartChild
from holdfast.ports.program import Guard, Handler, Program
from holdfast.ports.runtime import FanOutOutcome
from holdfast.replay.result import PayloadProblem

COMMANDS_BEYOND_MAX: Final = 10_000
"""How many more commands than its history has a replayed run may issue."""


_READ: Final = (ScheduleTask, StartChild)
"""Commands whose outcome is a recorded value of a declared type."""


class RunawayError(Exception):
    """A replayed run asked for far more than was recorded (COMMANDS_BEYOND_MAX)."""


class WatchedSteps(Steps):
    """The steps of an execution whose reading of recorded values is watched, and that ends when it runs away."""

    __slots__ = ("commands_max", "problems", "runaway")

    def __init__(self, loop: WorkflowLoop, context: Context, where: Callable[[], str], *, trace: bool) -> None:
        """Hold no steps yet. See `Steps`."""
        super().__init__(loop, context, where, trace=trace)
        self.problems: list[PayloadProblem] = []
        self.runaway = False
        self.commands_max = 0

    def issue_step(
        self,
        command: Command,
        step: str,
        table: Table,
        decode: Callable[[Any], Any] | None,
        make: type[Made] = StepFuture,  # type: ignore[assignment]  # as in `Steps`
    ) -> Made:
        """Issue a command that has an outcome. See `Steps`."""
        if self.issued >= self.commands_max:
            self.runaway = True
            raise RunawayError(f"more than {self.commands_max:,} commands")
        reading = Reading(self, step, decode) if decode is not None and type(command) in _READ else decode
        return super().issue_step(command, step, table, reading, make)

    def note(self, what: str, error: InputError) -> None:
        """Note a recorded value that does not fit."""
        problem = "; ".join(f"{pointer or '/'} {words}" for pointer, words in error.problems)
        self.problems.append(PayloadProblem(self.cause, what, problem, self.where()))


class Reading:
    """Decodes one task's or child's result, and notes when it does not fit."""

    __slots__ = ("_decode", "_step", "_steps")

    def __init__(self, steps: WatchedSteps, step: str, decode: Callable[[bytes], Any]) -> None:
        """Decode the result of `step`."""
        self._steps = steps
        self._step = step
        self._decode = decode

    def __call__(self, payload: bytes) -> Any:
        """Return the value of a result; raises InputError."""
        try:
            return self._decode(payload)
        except InputError as error:
            self._steps.note(f"the result of {self._step}", error)
            raise

    @property
    def signature(self) -> Any:
        """The signature whose results are read, or whatever else reads them."""
        return getattr(self._decode, "__self__", None)


class WatchedExecution(Execution):
    """An execution whose steps are watched, and whose lines are known where they are traced."""

    steps: WatchedSteps

    def __init__(
        self,
        program: Program,
        guard: Guard,
        open_fan_out: Callable[[str, FanOutCompleted], FanOutOutcome],
        *,
        commands_max: int,
        trace: bool = False,
        sees_ends: bool = False,
    ) -> None:
        """Make an execution that has not started. See `Execution`.

        Args:
            program: the workflow's code.
            guard: keeps the code from clocks, entropy and I/O while it runs.
            open_fan_out: reads the outcomes of a completed fan-out.
            commands_max: after so many commands the code is refused every further one.
            trace: remember the line of user code that issued each command.
            sees_ends: remember the line at which the run's own code ended.
        """
        self.ended_at = ""
        """`file:line, in function` at which the run's own code returned or raised, where ends are seen."""
        self.places: dict[tuple[int, int], str] = {}
        """Where each command was issued, by cause and ordinal, where lines are traced."""
        self._traced = trace
        self._run: CodeType | None = getattr(getattr(program, "fn", None), "__code__", None) if sees_ends else None
        watched = _WatchedProgram(program)
        super().__init__(watched, guard, open_fan_out, trace=trace, make_steps=WatchedSteps)
        self.steps.commands_max = commands_max
        watched.watch(self.steps)

    @property
    def problems(self) -> list[PayloadProblem]:
        """Recorded values that did not fit what the code declares for them."""
        return self.steps.problems

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Apply an input. See `Execution`."""
        drained = self._advance_seen(event, event_id)
        if self._traced:
            for each in drained:
                # A library's coroutine on a task of its own, such as a sleep in a gather, has no line of the user's.
                each.where = each.where or (self.ended_at if type(each.command) in CLOSING_COMMANDS else self.where())
                self.places[each.cause, each.ordinal] = each.where
        return drained

    def _advance_seen(self, event: InputEvent, event_id: int) -> list[Issued]:
        if self._run is None or sys.gettrace() is not None:  # a debugger's, or coverage's: leave it alone
            return super().advance(event, event_id)
        sys.settrace(self._see_call)
        try:
            return super().advance(event, event_id)
        finally:
            sys.settrace(None)

    def _see_call(self, frame: FrameType, _: str, __: Any) -> Callable[..., Any] | None:
        if frame.f_code is not self._run:
            return None
        frame.f_trace_lines = False
        return self._see_return

    def _see_return(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "return":  # also as it waits: the last one is its end
            code = frame.f_code
            self.ended_at = f"{code.co_filename}:{frame.f_lineno}, in {code.co_qualname}"
        return self._see_return


class _WatchedProgram:
    """A workflow whose reading of its input and messages is watched."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.signals: Mapping[str, Handler] = program.signals
        self.queries = program.queries
        self.updates: Mapping[str, Handler] = program.updates
        self.encode_input = program.encode_input
        self.encode_result = program.encode_result
        self._program = program
        self._steps: WatchedSteps | None = None

    def watch(self, steps: WatchedSteps) -> None:
        """Note there what does not fit."""
        self._steps = steps
        self.signals = _watched(self.signals, "signal", steps)
        self.updates = _watched(self.updates, "update", steps)

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Start the run. See `Program`."""
        try:
            return self._program.start(payload)
        except InputError as error:
            assert self._steps is not None
            self._steps.note(f"the input of {self.name}", error)
            raise


class _WatchedHandler:
    """A handler whose reading of messages is watched."""

    def __init__(self, handler: Handler, kind: str, steps: WatchedSteps) -> None:
        self.name = handler.name
        self.validate = handler.validate
        self.encode_result = handler.encode_result
        self._handler = handler
        self._kind = kind
        self._steps = steps

    def call(self, instance: Any, payload: bytes) -> Any:
        """Call the handler. See `Handler`."""
        try:
            return self._handler.call(instance, payload)
        except InputError as error:
            self._steps.note(f"the input of {self._kind} {self.name}", error)
            raise


def _watched(handlers: Mapping[str, Handler], kind: str, steps: WatchedSteps) -> dict[str, Handler]:
    return {name: _WatchedHandler(each, kind, steps) for name, each in handlers.items()}
