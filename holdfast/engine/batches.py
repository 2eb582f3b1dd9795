"""An execution whose drains take several inputs at once, for histories of engines that work like that.

Owns: where a drain begins and ends, and what becomes of its commands.
Must not know: Temporal's events, files, what a difference is called.

Theory of operation
===================

The turn rule drains after each input. Temporal drains after each *workflow task*, which may hold many, and its Python
SDK runs what signals and updates have set off before anything else is told. `advance` here takes the inputs as they
stand in history, keeps them until the one that ends their drain, and then does the same:

1. signals and updates are applied, and the code runs until it waits; in a run's first drain that is before its `run`
   begins, with nothing but the instance made;
2. all others are applied, one callback each, so that who waits for them is woken in the order of history, and the code
   runs until it waits.

What the code asked for is numbered as if that had been one drain, without gaps: a command that was taken back before
its drain was over is nowhere in such a history, and neither is what the engine takes back when a run ends.

History is known here before the code runs, because it says the same in other words: see `wording.py`. What the code
asked for takes on history's words as its drain ends, so that whoever compares the two compares them exactly.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextvars import Context
from typing import Any, Final

from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.execution import APPLY, Execution
from holdfast.engine.outcomes import OUTCOMES
from holdfast.engine.runtime import OpenFanOut
from holdfast.engine.wording import identify, place_answers, take_words
from holdfast.errors import HistoryError
from holdfast.history import (
    AnyEvent,
    Command,
    Decision,
    DecisionEvent,
    InputEvent,
    PatchMarked,
    SignalReceived,
    TimerFired,
    UpdateAccepted,
    WorkflowStarted,
)
from holdfast.ports.program import Guard, Handler, Program

_TOLD_FIRST: Final = (SignalReceived, UpdateAccepted)


class BatchedExecution(Execution):
    """An execution that is drained where its history says. See the module's theory of operation."""

    def __init__(self, program: Program, guard: Guard, open_fan_out: OpenFanOut, **more: Any) -> None:
        """Make an execution that has not started, and then `follow` a history. See `Execution`."""
        self._begun = _BegunProgram(program)
        # Its handlers are read through to the program's own, which may be set later.
        super().__init__(self._begun, guard, open_fan_out, **more)  # type: ignore[arg-type]
        self._ends: frozenset[int] = frozenset()
        self._known = 0
        self._recorded: dict[int, list[DecisionEvent]] = {}
        self._told: list[InputEvent] = []
        self._counted = 0
        self._taken_back: list[Issued] = []
        """What the engine took back when the run ended."""

    def follow(self, events: Sequence[AnyEvent], drains: Iterable[int]) -> None:
        """Drain where a history says. What comes after its events is drained input by input.

        Args:
            events: the history that will be applied, from event 1; its last drain may be cut short.
            drains: ids of the inputs that end a drain.
        """
        self._known = len(events)
        self._ends = frozenset((*drains, self._known))
        for event in events:
            if isinstance(event, Decision) and not isinstance(event, PatchMarked):
                self._recorded.setdefault(event.cause, []).append(event)

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Take an input; when it ends its drain, apply all of them and return what the code asked for.

        Raises:
            HistoryError: an input is about something the code did not ask for.
        """
        if event_id > self._known:
            return super().advance(event, event_id)
        self._told.append(event)
        if event_id not in self._ends:
            return []
        told, self._told = self._told, []
        loop, steps = self.loop, self.steps
        loop.now = max(loop.now, event.time)
        steps.cause = self.applied = event_id
        steps.ordinal = 0
        steps.drain = []
        first = [each for each in told if isinstance(each, _TOLD_FIRST)]
        if first and isinstance(told[0], WorkflowStarted):
            self._make_instance(told[0])
        self._tell(first)
        self._tell([each for each in told if not isinstance(each, _TOLD_FIRST)])
        self._begun.close()  # the first messages may have ended the run
        return self._in_words_of_history(steps.drain, self._recorded.get(event_id, []))

    def _make_instance(self, event: WorkflowStarted) -> None:
        """Make what handlers are called on, before the run begins."""
        self.runtime.started = event
        self.draws.seed = event.seed
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
        self._taken_back = [each for each in self.steps.drain[before:] if each.command is not command]

    # --- What is nowhere in such a history -------------------------------------------------------------------------

    def _in_words_of_history(self, said: list[Issued], recorded: Sequence[DecisionEvent]) -> list[Issued]:
        if self._taken_back:
            kept = {identify(each) for each in recorded}
            added = {id(each) for each in self._taken_back if identify(decision_of(each, 0.0)) not in kept}
            said = [each for each in said if id(each) not in added]
        commands = place_answers([each for each in said if each.ordinal >= 0], recorded)
        for ordinal, each in enumerate(commands):
            each.ordinal = ordinal
        self._counted += len(commands)
        self.steps.issued = self._counted
        self.steps.rename(take_words(commands, recorded))
        return said  # with the marks of patches, which have no place among the commands


class _BegunProgram:
    """A program whose instance may be made before its run begins."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._made: tuple[Any, Coroutine[Any, Any, Any]] | None = None
        self.name = program.name
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
