"""How a run on Temporal begins that was forked: its code repeats what another run recorded, then goes on from there.

Owns: what the code asks for at the end of its past, what of it Temporal is told, and what the run notes of it.
Must not know: how the past has come here, how a command is carried out, drains that follow.

Theory of operation
===================

A past is a history. The engine recovers from it as from any other, with the same look for what does not fit, and none
of what it says reaches Temporal. What the code asked for and the past does not have is carried out: tasks that were
under way run again, and whatever comes next. Timers that had begun go on for the time that is left.

All of that depends on the past and on nothing else, so Temporal's replay of the run comes to the same. What stands in
Temporal's history then says what was begun, and not in which drain of the past it was asked for, nor what began and was
given up within the past's last moments. A note in the memo says so, for whoever reads the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from temporalio import workflow

from holdfast.engine import CLOSING_COMMANDS, BatchedExecution, Issued, decision_of, recover
from holdfast.history import (
    AnyEvent,
    CallbackOpened,
    CancelFanOut,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    Command,
    CompleteUpdate,
    DecisionEvent,
    MarkPatch,
    ParkRun,
    ReleaseLock,
    RunSideEffect,
    ScheduleTask,
    SignalReceived,
    StartFanOut,
    StartTimer,
)
from holdfast.history.temporal import CaughtUp, Past, decided
from holdfast.ports.callbacks import name_of, token_of
from holdfast.temporal.runtime import TemporalRuntime

_GIVEN_UP: Final[dict[type, type]] = {
    CancelTask: ScheduleTask,
    CancelTimer: StartTimer,
    CancelFanOut: StartFanOut,
    CancelSideEffect: RunSideEffect,
}
"""What ends without a trace that has not begun."""
_GOING_ON: Final = (StartTimer, RunSideEffect, ParkRun)
SETTLING: Final = (CompleteUpdate, ReleaseLock)
"""What is carried out for a run that has ended, too."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A past that was repeated."""

    going_on: tuple[StartTimer | RunSideEffect | ParkRun, ...]
    """What began in the past and is not over: timers, side effects, and that the run is parked."""
    commands: tuple[Command, ...]
    """What else is to be carried out, in the order in which it was asked for."""
    end: Any
    """The command that ends the run; None where it goes on."""
    note: CaughtUp
    """What the memo is to say."""


def with_tokens(past: Past, tokens: Sequence[int]) -> list[AnyEvent]:
    """Return a past's events with the tokens that its locks have now, in the order of `Past.locks`."""
    events = list(past.events)
    for lock, token in zip(past.locks, tokens, strict=True):
        events[lock.place] = msgspec.structs.replace(events[lock.place], token=token)
    return events


def answered_in(events: Sequence[AnyEvent]) -> set[str]:
    """Return the names of messages that have answered callbacks."""
    asked = {name_of(token_of(each.url)) for each in events if isinstance(each, CallbackOpened)}
    return {each.name for each in events if isinstance(each, SignalReceived) and each.name in asked}


def repeat(execution: BatchedExecution, past: Past, events: list[AnyEvent]) -> Repeated:
    """Bring an execution to the end of its past.

    Args:
        execution: has not been advanced.
        past: what it begins with.
        events: those of the past, with the tokens of locks that hold now.

    Raises:
        DivergenceError: the code does something else than its past says.
    """
    runtime = execution.runtime
    assert isinstance(runtime, TemporalRuntime)
    execution.follow(events, past.drains, past.singly)
    runtime.repeats = True
    try:
        tail = recover(execution, events)
    finally:
        runtime.repeats = False
    carried, end = _carried(execution, tail)
    begun = {each.command.step for each in tail if isinstance(each.command, _GOING_ON)}
    going_on = tuple(
        future.command
        for step, future in execution.open.items()
        if isinstance(future.command, _GOING_ON) and step not in begun
    )
    told = {id(each) for each in carried}
    timers = [each.step for each in (*going_on, *(one.command for one in carried)) if isinstance(each, StartTimer)]
    time = events[-1].time
    decisions = [_decided(each, time, is_told=id(each) in told) for each in tail]
    commands = tuple(each.command for each in carried if not isinstance(each.command, CLOSING_COMMANDS))
    return Repeated(going_on, commands, end, CaughtUp(tuple(timers), decided(decisions), execution.issued))


def _carried(execution: BatchedExecution, tail: Sequence[Issued]) -> tuple[list[Issued], Any]:
    """Return what of a tail Temporal is told, and the command that ends the run."""
    taken_back = {id(each) for each in execution.taken_back}
    begun = {(type(each.command), getattr(each.command, "step", "")): each for each in tail}
    carried: list[Issued] = []
    given_up: set[int] = set()
    end: Any = None
    for each in tail:
        command = each.command
        beginning = _GIVEN_UP.get(type(command))
        if isinstance(command, CLOSING_COMMANDS):
            end = command
        if id(each) in taken_back and not isinstance(command, SETTLING):
            given_up.add(id(each))
        elif beginning is not None:
            given_up.add(id(each))
            first = begun.get((beginning, command.step))  # type: ignore[union-attr]  # those have one
            if first is not None:
                given_up.add(id(first))
    carried = [each for each in tail if id(each) not in given_up]
    return carried, end


def _decided(issued: Issued, time: float, *, is_told: bool) -> DecisionEvent:
    """Return a decision as the note has it: without the payload that Temporal's own event of it has."""
    decision = decision_of(issued, time)
    if is_told:
        for name in ("input", "result"):
            if isinstance(getattr(decision, name, None), bytes):
                decision = msgspec.structs.replace(decision, **{name: b""})
    return decision


def mark(command: MarkPatch) -> None:
    """Have Temporal keep the mark of a patch that the code asked for at the end of its past."""
    if command.deprecated:
        workflow.deprecate_patch(command.patch_id)
    else:
        workflow.patched(command.patch_id)
