"""Commands in the words of a history that another engine wrote.

Owns: when a command and a recorded decision mean the same.
Must not know: drains, what a difference is called, which engine it was.

Such a history names steps in its own way, has the members of JSON in another order and the arguments of a call as a
list, and its durations were rounded. A command that means the same takes on its words, so that only what really differs
is left to differ. A step takes its name from the decision in its place when both are of one kind, whatever else there
is to say about them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import msgspec

from holdfast.engine.decisions import Issued, decision_of
from holdfast.history import (
    AnyEvent,
    AttributesSet,
    CancelChild,
    CancelRun,
    ChildCancelRequested,
    ChildScheduled,
    Command,
    CompleteRun,
    CompleteUpdate,
    ContinueRun,
    DecisionEvent,
    MessageSent,
    ParkRun,
    ReleaseLock,
    RunParked,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SetAttributes,
    SideEffectRequested,
    StartChild,
    StartTimer,
    TaskScheduled,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowStarted,
)

SECONDS_TOLERANCE: Final = 1e-5
"""Of durations: theirs went through whole nanoseconds, ours through differences of times since the epoch."""

_ANYWHERE: Final = (UpdateCompleted, SideEffectRequested, ChildCancelRequested)
_PLACELESS: Final = (CompleteUpdate, RunSideEffect, CancelChild, ReleaseLock)

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def take_words(said: Sequence[Issued], recorded: Sequence[DecisionEvent]) -> dict[str, str]:
    """Let a drain's commands take on the words of the decisions recorded of it; return what steps are called there."""
    names: dict[str, str] = {}
    calls: dict[tuple[str, bytes], bytes] | None = None
    by_place = {each.ordinal: each for each in recorded}  # not all of it stands there where a fork goes on
    for ordinal, each in enumerate(said):
        command = each.command
        here = by_place.get(ordinal)
        own = getattr(command, "step", "")
        if here is not None and _is_such_a_step(command, here):
            names[command.step] = here.step  # type: ignore[union-attr]  # steps have names
            command.step = here.step  # type: ignore[union-attr]
        if (here is None or not _takes_words(command, here, own)) and isinstance(command, ScheduleTask):
            # It may have moved, and must be known all the same.
            calls = _calls(recorded) if calls is None else calls
            found = (calls.get((command.task, form)) for form in _forms(command.input))
            command.input = next((each for each in found if each is not None), command.input)
    return names


class FoundBy:
    """What a run is found by while its history is replayed.

    A history of ours on Temporal says what a drain has changed in all: code that sets an attribute to what it is
    already says no more than code that does not, and what is set twice was set to the last.
    """

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        """Begin where a history does."""
        first = events[0] if events else None
        self._now = dict(first.attributes) if isinstance(first, WorkflowStarted) else {}

    def pass_by(self, said: Sequence[Issued]) -> None:
        """Note what a drain's commands change that stand in history as the code said them."""
        for each in said:
            if isinstance(each.command, SetAttributes):
                self._now |= each.command.attributes

    def take_words(self, said: Sequence[Issued], recorded: Sequence[DecisionEvent]) -> None:
        """Let a drain's commands that change as much as is recorded take on its words."""
        commands = [each.command for each in said if isinstance(each.command, SetAttributes)]
        events = [each for each in recorded if isinstance(each, AttributesSet)]
        before, said_now = self._now, dict(self._now)
        self._now = dict(before)
        for command in commands:
            said_now |= command.attributes
        for event in events:
            self._now |= event.attributes
        if len(commands) == len(events) and _present(said_now) == _present(self._now):
            for command, event in zip(commands, events, strict=True):
                command.attributes = event.attributes


def _present(attributes: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in attributes.items() if text}


def place_as_recorded(
    said: Sequence[Issued], recorded: Sequence[DecisionEvent], loose: Collection[tuple[type, str]] = ()
) -> list[Issued]:
    """Return a drain's commands with those where history has them whose place there says nothing; `loose` names more.

    An answer is the last that a handler does, and it comes a turn later here than there. When a side effect was asked
    for, or what stands in history later than it was asked for, is nowhere. That makes no difference to anything but
    the place among the commands.
    """
    places = {
        identify(each): each.ordinal for each in recorded if isinstance(each, _ANYWHERE) or identify(each) in loose
    }
    if not places:
        return list(said)
    moved: dict[int, Issued] = {}
    placed: list[Issued] = []
    for each in said:
        place = places.get(identify(decision_of(each, 0.0))) if isinstance(each.command, _PLACELESS) else None
        if place is None or place in moved:
            placed.append(each)
        else:
            moved[place] = each
    for place, each in sorted(moved.items()):
        placed.insert(place, each)
    return placed


def identify(decision: DecisionEvent) -> tuple[type, str]:
    """Return what a decision is and is about, whatever its words."""
    return type(decision), getattr(decision, "step", "") or getattr(decision, "update_id", "")


def _is_such_a_step(command: Command, recorded: DecisionEvent) -> bool:
    match command, recorded:
        case ScheduleTask(), TaskScheduled():
            return command.task == recorded.task
        case StartChild(), ChildScheduled():
            return command.workflow == recorded.workflow
        case SendMessage(), MessageSent():
            return (command.kind, command.name) == (recorded.kind, recorded.name)
        case (StartTimer(), TimerStarted()) | (ParkRun(), RunParked()):
            return True
        case _:
            return False


def _takes_words(command: Command, recorded: DecisionEvent, own: str) -> bool:
    """Give `command`, whose step is called `own` here, the words of `recorded` when both mean the same; say whether."""
    match command, recorded:
        case ScheduleTask(), TaskScheduled() if command.task == recorded.task:
            if _is_same_call(recorded.input, command.input):
                command.input = recorded.input  # type: ignore[assignment]  # whose payloads are inside
                return True
        case StartTimer(), TimerStarted() if abs(command.seconds - recorded.seconds) <= SECONDS_TOLERANCE:
            command.seconds, command.due = recorded.seconds, recorded.due
            return True
        case StartChild(), ChildScheduled() if command.workflow == recorded.workflow:
            if command.run_id.endswith(f":{own}"):  # the code gave it none
                command.run_id = recorded.run_id
            if _is_same_call(recorded.input, command.input):
                command.input = recorded.input  # type: ignore[assignment]
                return True
        case SendMessage(), MessageSent() if command.kind == "cancel" and not recorded.input:
            command.input = b""  # Temporal does not tell a reason
            return True
        case SendMessage(), MessageSent() if command.kind == "signal" and _is_same_call(recorded.input, command.input):
            command.input = recorded.input  # type: ignore[assignment]
            return True
        case CancelChild(), ChildCancelRequested() if not recorded.reason:
            command.reason = ""  # the same
            return True
        case ContinueRun(), WorkflowContinued() if _is_same_call(recorded.input, command.input):
            command.input = recorded.input  # type: ignore[assignment]
            return True
        case CompleteUpdate(), UpdateCompleted() if _is_same_value(recorded.result, command.result):
            command.result = recorded.result  # type: ignore[assignment]
            return True
        case CompleteRun(), WorkflowCompleted() if _is_same_value(recorded.result, command.result):
            command.result = recorded.result  # type: ignore[assignment]
            return True
        case CancelRun(), WorkflowCancelled():
            command.reason = recorded.reason
            return True
        case _:
            pass
    return False


def _is_same_value(recorded: Any, said: bytes | None) -> bool:
    return recorded == said or (recorded is not None and said is not None and _decode(recorded) == _decode(said))


def _is_same_call(recorded: Any, said: bytes) -> bool:
    return recorded == said or _encode(_decode(recorded)) in _forms(said)


def _forms(said: bytes) -> Iterator[bytes]:
    """Yield the forms that a call's arguments may have: as they are, and without their names."""
    value = _decode(said)
    yield _encode(value)
    if isinstance(value, dict) and value:
        values = list(value.values())
        yield _encode(values if len(values) > 1 else values[0])


def _calls(recorded: Sequence[DecisionEvent]) -> dict[tuple[str, bytes], bytes]:
    return {
        (each.task, _encode(_decode(each.input))): each.input  # type: ignore[misc, arg-type]
        for each in recorded
        if isinstance(each, TaskScheduled)
    }
