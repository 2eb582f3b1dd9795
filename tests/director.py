"""Lets the world answer: outcomes, signals, updates and cancellations, in an order that numbers decide.

Owns: what may happen to a run at each moment, and the way from a list of numbers to one of these things.
Must not know: what workflows do, or what is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from holdfast.engine.decisions import CLOSING_COMMANDS, Issued
from holdfast.engine.execution import Execution
from holdfast.engine.machines import State
from holdfast.history import (
    AcquireLock,
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Failure,
    FanOutCompleted,
    InputEvent,
    LockGranted,
    MessageDelivered,
    ParkRun,
    RunResumed,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SideEffectRecorded,
    SignalReceived,
    StartChild,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    TimerFired,
    UpdateAccepted,
)
from tests.rehearsal import Outcomes, Rehearsal

PAGES_MAX = 60
"""After this many pages a run is cancelled until it ends."""


class Choices:
    """Decisions about what happens, from a list of numbers; when it is used up, the first of everything."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Decide by `numbers`."""
        self._numbers = iter(numbers)
        self.are_left = True

    def pick(self, count: int) -> int:
        """Return a number below `count`."""
        number = next(self._numbers, None)
        if number is None:
            self.are_left = False
            return 0
        return number % count


def direct(
    workflow: Any,
    numbers: Sequence[int],
    *,
    make: Callable[..., Execution] = Execution,
    rehearsal: type[Rehearsal] = Rehearsal,
    crashes: Sequence[int] = (),
    asks: Callable[[Rehearsal], object] | None = None,
) -> Rehearsal:
    """Let things happen to a workflow until it ends, and write the whole history.

    Args:
        workflow: what is rehearsed.
        numbers: decide what happens.
        make: makes executions.
        rehearsal: plays the owner.
        crashes: numbers of pages after which the owner dies; negative ones before what they hold was applied.
        asks: called after each page, to ask the run something.
    """
    stage = rehearsal(workflow, make=make)
    choices = Choices(numbers)
    stage.begin()
    for number in range(1, 10 * PAGES_MAX):
        if stage.execution.closed:
            break
        inputs = _happen(stage, choices, number)
        stage.write(*inputs, record=_recorded(stage, inputs, choices))
        if -number in crashes:
            stage.crash()
            continue
        stage.apply(inputs)
        if asks is not None:
            asks(stage)
        if number in crashes and not stage.execution.closed:
            stage.crash()
    else:
        stage.end()
        raise AssertionError(f"the run did not end: it waits for {stage.execution.idle_steps}")
    stage.close()
    return stage


def _happen(stage: Rehearsal, choices: Choices, number: int) -> list[InputEvent]:
    """Decide what the next page tells the run."""
    stage.time += choices.pick(3) * 0.5
    inputs: list[InputEvent] = []
    open_steps = list(stage.execution.open)
    if number > PAGES_MAX:
        # What undoes something does not let itself be cancelled: it ends when it has what it waits for.
        undoing = [step for step in open_steps if step.startswith(("undo", "park"))]
        return [
            CancelRequested(stage.time, 0, "enough"),
            *(_outcome(stage, step, Choices([]), number) for step in undoing),
        ]
    for _ in range(1 + choices.pick(3)):
        kind = choices.pick(14)
        if kind == 13 and choices.are_left and number > 2:
            inputs.append(CancelRequested(stage.time, 0, f"cancel {number}"))
        elif kind >= 9 or not open_steps:
            program = stage.program
            names = list(program.updates) if kind == 12 and program.updates else ["go", "stop", *program.signals]
            name = names[choices.pick(len(names))] if choices.are_left or open_steps else ["go", "stop"][number % 2]
            payload = json.dumps(f"m{number}.{len(inputs)}").encode()
            if name in program.updates:
                inputs.append(UpdateAccepted(stage.time, 0, f"u{number}.{len(inputs)}", name, payload))
            else:
                inputs.append(SignalReceived(stage.time, 0, name, payload, f"s{number}.{len(inputs)}"))
        else:
            step = open_steps.pop(choices.pick(len(open_steps)))
            inputs.append(_outcome(stage, step, choices, number))
    return inputs


def _outcome(stage: Rehearsal, step: str, choices: Choices, number: int) -> InputEvent:
    command = stage.execution.open[step].command
    match command:
        case StartTimer():
            stage.time = max(stage.time, command.due)
            return TimerFired(stage.time, 0, step)
        case AcquireLock():
            return LockGranted(stage.time, 0, step, number)
        case StartFanOut():
            items = [(True, json.dumps(f"r{number}[{each}]").encode()) for each in range(len(command.items))]
            stage.outcomes[step] = Outcomes(items)
            return FanOutCompleted(stage.time, 0, step, bytes([number]), len(items), 0)
        case SendMessage():
            failure = Failure("RunNotFoundError", step) if choices.pick(3) == 2 else None
            return MessageDelivered(stage.time, 0, step, failure)
        case StartChild():
            return _of_child(stage, step, choices)
        case ScheduleTask():
            match choices.pick(8):
                case 6:
                    return TaskFailed(stage.time, 0, step, Failure("ValueError", f"r {step}"))
                case 7:
                    return TaskTimedOut(stage.time, 0, step, "attempt", Failure("TimeoutError", f"r {step}"))
                case _:
                    return TaskCompleted(stage.time, 0, step, json.dumps(f"r {step}").encode())
        case RunSideEffect():
            if choices.pick(8) == 7:
                return SideEffectRecorded(stage.time, 0, step, None, Failure("ValueError", f"r {step}"))
            return SideEffectRecorded(stage.time, 0, step, json.dumps(f"r{number}").encode())
        case ParkRun():
            return RunResumed(stage.time, 0, step)
        case _:
            raise AssertionError(f"{step} has no outcome")


def _of_child(stage: Rehearsal, step: str, choices: Choices) -> InputEvent:
    state = stage.execution.open[step].state
    has_begun = state is State.STARTED or any(
        isinstance(each, ChildStarted) and each.step == step for each in stage.history
    )
    if not has_begun:
        if choices.pick(6) == 5:
            return ChildFailed(stage.time, 0, step, "NOT_STARTED", Failure("RunConflictError", step))
        return ChildStarted(stage.time, 0, step, f"{step} execution")
    status = ("CANCELLED", "FAILED", "TERMINATED", "")[choices.pick(4)]
    if state is State.CANCELLING and status:
        return ChildFailed(stage.time, 0, step, status, Failure("", "asked"))
    if status == "FAILED":
        return ChildFailed(stage.time, 0, step, status, Failure("ValueError", f"r {step}"))
    return ChildCompleted(stage.time, 0, step, json.dumps(f"r {step}").encode())


def _recorded(stage: Rehearsal, inputs: Sequence[InputEvent], choices: Choices) -> list[Issued]:
    """Decide which decisions the page records: those whose outcome it holds, and any of the others."""
    needed = {getattr(each, "step", None) for each in inputs} - {None}
    everything = choices.pick(2) == 0
    return [
        each
        for each in stage.unrecorded
        if not isinstance(each.command, CLOSING_COMMANDS)
        and (everything or getattr(each.command, "step", None) in needed or choices.pick(2))
    ]
