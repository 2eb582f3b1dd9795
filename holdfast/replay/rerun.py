"""Replay that does work: strict up to where a crew takes over, and from there to a new end.

Owns: where that is, what answers from the record and what is done anew.
Must not know: how work is done; that is the crew's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec

from holdfast.engine import CLOSING_COMMANDS, ENDS, Execution, Issued, content_of, decision_of
from holdfast.history import (
    CLOSING,
    AcquireLock,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Decision,
    DecisionEvent,
    Failure,
    FanOutCompleted,
    FanOutStarted,
    History,
    Input,
    InputEvent,
    ItemOutcome,
    LockGranted,
    RunSideEffect,
    ScheduleTask,
    SideEffectRecorded,
    StartChild,
    StartFanOut,
    TaskCompleted,
    TaskFailed,
    TaskOptions,
    TaskScheduled,
    TaskTimedOut,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTimedOut,
)
from holdfast.ports.task import TaskCall
from holdfast.replay.alignment import Pair, align
from holdfast.replay.course import BEYOND_MAX, Course, time_after
from holdfast.replay.crew import Crew, Done
from holdfast.replay.result import Row, Side
from holdfast.replay.words import place_of, say_event, side_of

Raise: TypeAlias = Callable[[WorkflowStarted, StartChild, float], ChildCompleted | ChildFailed | None]
"""Runs a child of the run that started like that, as of a time, to its end; None where it does not get there."""

_FAILURES: Final = (TaskFailed, TaskTimedOut)


class Rerun:
    """One replay of a history in which a crew does some of the work. Also what answers for steps (`Answers`)."""

    keeps_time = False

    def __init__(self, history: History, crew: Crew, raise_child: Raise) -> None:
        """Let `crew` take part in a replay of `history`; children that it does not have are run by `raise_child`."""
        self.outcomes: dict[str, Sequence[ItemOutcome]] = {}
        self.undone: list[str] = []
        """Steps that nobody did: there is no record of them, and they are not the crew's."""
        self.course = Course(history, self)
        self._execution: Execution | None = None
        self._history = history
        self._crew = crew
        self._raise_child = raise_child
        self._raised: dict[str, ChildCompleted | ChildFailed] = {}
        """Outcomes of children that have begun, by step."""
        self._tokens = max((each.token for each in history.events if isinstance(each, LockGranted)), default=0)
        self._decisions: dict[str, Decision] = {}
        for each in history.events:
            if isinstance(each, Decision) and not isinstance(each, ENDS):
                # What comes later of the same step cancels it.
                self._decisions.setdefault(getattr(each, "step", ""), each)
        self._opened = {
            step: each
            for each in history.events
            if isinstance(each, TaskScheduled | FanOutStarted) and (step := each.step)
        }
        self.starts_after = self._find_start()
        """How many events are replayed strictly; all of them when there is nothing for the crew to do."""

    def _find_start(self) -> int:
        events = self._history.events
        for event_id, event in enumerate(events, 1):
            opened = self._opened.get(getattr(event, "step", ""))
            failed = isinstance(event, _FAILURES) or (isinstance(event, FanOutCompleted) and event.failed > 0)
            if isinstance(event, Input) and opened is not None and self._crew.does_again(opened.task, failed=failed):
                return event_id - 1
        return len(events) - 1 if isinstance(events[-1], WorkflowFailed | WorkflowTimedOut) else len(events)

    @property
    def is_strict(self) -> bool:
        """Whether nothing is left to do: the run is closed, and history answers for all of it."""
        return self.starts_after == len(self._history.events) and isinstance(self._history.events[-1], CLOSING)

    def go_on(self, execution: Execution, tail: Sequence[Issued]) -> None:
        """Take an execution from where strict replay left it to a new end.

        Raises:
            HistoryError: a recorded fact does not fit the step it is about.
            UnknownNameError: a task that is to be done has no code.
        """
        self._execution = execution
        now = time_after(self._history.events[: self.starts_after])
        self.course.run(execution, self.starts_after, tail, now)

    # --- What came of it -----------------------------------------------------------------------------------------

    @property
    def end(self) -> DecisionEvent | None:
        """How the code ended; None when it still waits."""
        closing = (each for each in self.course.attempted if isinstance(each.command, CLOSING_COMMANDS))
        return next((decision_of(each, 0.0) for each in closing), None)

    @property
    def repeats(self) -> bool:
        """Whether the code decided what it had decided in production, and nothing else."""
        return self._aligned[1] == 0

    @property
    def rows(self) -> list[Row]:
        """What the code decided once the crew had taken over, beside what it had decided in production."""
        return [
            Row(None if left is None else self._recorded[left][0], self._left(left), self._right(right))
            for left, right in self._aligned[0]
            if right is not None
        ]

    @cached_property
    def _recorded(self) -> list[tuple[int, DecisionEvent]]:
        later = enumerate(self._history.events[self.starts_after :], self.starts_after + 1)
        found = [(event_id, each) for event_id, each in later if isinstance(each, Decision)]
        return sorted(found, key=lambda each: place_of(each[1]))

    @cached_property
    def _aligned(self) -> tuple[list[Pair], float]:
        attempted = [decision_of(each, 0.0) for each in self._attempted]
        return align([each for _, each in self._recorded], attempted)

    @cached_property
    def _attempted(self) -> list[Issued]:
        return sorted(self.course.attempted, key=place_of)

    def _left(self, place: int | None) -> Side | None:
        return None if place is None else side_of(self._recorded[place][1], "")

    def _right(self, place: int) -> Side:
        issued = self._attempted[place]
        return side_of(decision_of(issued, 0.0), issued.where)

    @property
    def leftover(self) -> list[str]:
        """Recorded facts that were of no use, in words."""
        answered = set(self.course.sources.values())
        found = []
        for event_id, event in enumerate(self._history.events[self.starts_after :], self.starts_after + 1):
            match event:
                case Input() if event_id not in self.course.used:
                    found.append(f"event {event_id}: {say_event(event)}")
                case TaskScheduled() | FanOutStarted() if event.step not in answered:
                    found.append(f"event {event_id}: {say_event(event)}")
                case _:
                    pass
        return found

    @property
    def warnings(self) -> list[str]:
        """What is worth knowing of the way."""
        found = [f"{step} has no recorded outcome and nobody to do it" for step in self.undone]
        if self.course.exhausted:
            found.append(f"broken off after {BEYOND_MAX:,} facts that were not recorded (BEYOND_MAX)")
        return found

    # --- Answers -------------------------------------------------------------------------------------------------

    def match(self, issued: Issued) -> str | None:
        """Find the recorded step of the same identity that asks for the same."""
        attempted: Any = decision_of(issued, 0.0)
        recorded: Any = self._decisions.get(attempted.step)
        return attempted.step if recorded is not None and content_of(recorded) == content_of(attempted) else None

    def recorded(self, event: Any, issued: Issued, now: float) -> InputEvent | None:
        """Answer as it was recorded, or do it again."""
        command = issued.command
        match command:
            case ScheduleTask() if self._crew.does_again(command.task, failed=isinstance(event, _FAILURES)):
                done = self._perform(command.step, command.task, command.input, command.options, max(now, event.time))
                if isinstance(done, TaskCompleted) or not isinstance(event, _FAILURES):
                    return done
                return msgspec.structs.replace(done, remedy=event.remedy)  # what was done about it then is done now
            case StartFanOut() if event.failed and self._crew.does_again(command.task, failed=True):
                kept = self._history.outcomes[self.course.sources[command.step]]
                return self._fan_out(command, kept, max(now, event.time))
            case _:
                outcome: InputEvent = event
                return outcome

    def answer(self, issued: Issued, now: float) -> InputEvent | None:
        """Do it, grant it, or leave it open."""
        command = issued.command
        match command:
            case ScheduleTask() if self._crew.does(command.task, command.step):
                return self._perform(command.step, command.task, command.input, command.options, now)
            case StartFanOut() if self._crew.does(command.task, command.step):
                return self._fan_out(command, (), now)
            case RunSideEffect() if self._execution is not None and (call := self._crew.call) is not None:
                result, failure = call(self._execution.function_of(command.step), command.step)
                return SideEffectRecorded(now, -1, command.step, result, failure)
            case StartChild() if (ended := self._raised.pop(command.step, None)) is not None:
                return ended
            case StartChild() if (ended := self._raise_child(self._history.started, command, now)) is not None:
                self._raised[command.step] = ended
                return ChildStarted(now, -1, command.step, command.run_id)
            case AcquireLock():
                self._tokens += 1
                return LockGranted(now, -1, command.step, self._tokens)
            case _:
                self.undone.append(getattr(command, "step", type(command).__name__))
                return None

    def _perform(self, step: str, task: str, payload: bytes, options: TaskOptions, now: float) -> Done:
        started = self._history.started
        key = f"{started.execution}/{step}"
        return self._crew.perform(TaskCall(started.run_id, started.execution, step, task, payload, options, key), now)

    def _fan_out(self, command: StartFanOut, kept: Sequence[ItemOutcome], now: float) -> FanOutCompleted:
        """Do the items of a fan-out that have no result yet."""
        outcomes: list[ItemOutcome] = []
        for index, item in enumerate(command.items):
            if kept and isinstance(kept[index], bytes):
                outcomes.append(kept[index])
                continue
            done = self._perform(f"{command.step}[{index}]", command.task, item, command.options, now)
            result = done.result if isinstance(done, TaskCompleted) else done.failure
            assert isinstance(result, bytes | Failure)
            outcomes.append(result)
        self.outcomes[command.step] = outcomes
        failed = [(index, each) for index, each in enumerate(outcomes) if isinstance(each, Failure)]
        first_index, first = failed[0] if failed else (-1, None)
        return FanOutCompleted(now, -1, command.step, b"", len(outcomes), len(failed), first, first_index)
