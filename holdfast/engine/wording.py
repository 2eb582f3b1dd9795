"""Commands in the words of a history that another engine wrote.

Owns: when a command and a recorded decision mean the same.
Must not know: drains, what a difference is called, which engine it was.

Such a history names steps in its own way, has the members of JSON in another order and the arguments of a call as a
list, and its durations were rounded. A command that means the same takes on its words, so that only what really differs
is left to differ. A step takes its name from the decision in its place when both are of one kind, whatever else there
is to say about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from holdfast.engine.decisions import Issued
from holdfast.history import (
    CancelRun,
    Command,
    CompleteRun,
    CompleteUpdate,
    DecisionEvent,
    ScheduleTask,
    StartTimer,
    TaskScheduled,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
)

SECONDS_TOLERANCE: Final = 1e-5
"""Of durations: theirs went through whole nanoseconds, ours through differences of times since the epoch."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def take_words(said: Sequence[Issued], recorded: Sequence[DecisionEvent]) -> dict[str, str]:
    """Let a drain's commands take on the words of the decisions recorded of it; return what steps are called there."""
    names: dict[str, str] = {}
    calls: dict[tuple[str, bytes], bytes] | None = None
    for ordinal, each in enumerate(said):
        command = each.command
        here = recorded[ordinal] if ordinal < len(recorded) else None
        if here is not None and _is_such_a_step(command, here):
            names[command.step] = here.step  # type: ignore[union-attr]  # steps have names
            command.step = here.step  # type: ignore[union-attr]
        if (here is None or not _takes_words(command, here)) and isinstance(command, ScheduleTask):
            # It may have moved, and must be known all the same.
            calls = _calls(recorded) if calls is None else calls
            found = (calls.get((command.task, form)) for form in _forms(command.input))
            command.input = next((each for each in found if each is not None), command.input)
    return names


def place_answers(said: Sequence[Issued], recorded: Sequence[DecisionEvent]) -> list[Issued]:
    """Return a drain's commands with the answers of updates where history has them.

    An answer is the last that a handler does. It comes a turn later here than there, which makes no difference to
    anything but its place among the commands.
    """
    places = {each.update_id: place for place, each in enumerate(recorded) if isinstance(each, UpdateCompleted)}
    answers = {
        places[each.command.update_id]: each
        for each in said
        if isinstance(each.command, CompleteUpdate) and each.command.update_id in places
    }
    placed = [each for each in said if each not in answers.values()] if answers else list(said)
    for place, answer in sorted(answers.items()):
        placed.insert(place, answer)
    return placed


def identify(decision: DecisionEvent) -> tuple[type, str]:
    """Return what a decision is and is about, whatever its words."""
    return type(decision), getattr(decision, "step", "") or getattr(decision, "update_id", "")


def _is_such_a_step(command: Command, recorded: DecisionEvent) -> bool:
    match command, recorded:
        case ScheduleTask(), TaskScheduled():
            return command.task == recorded.task
        case StartTimer(), TimerStarted():
            return True
        case _:
            return False


def _takes_words(command: Command, recorded: DecisionEvent) -> bool:
    """Give `command` the words of `recorded` when both mean the same, and say whether they do."""
    match command, recorded:
        case ScheduleTask(), TaskScheduled() if command.task == recorded.task:
            if _is_same_call(recorded.input, command.input):
                command.input = recorded.input  # type: ignore[assignment]  # whose payloads are inside
                return True
        case StartTimer(), TimerStarted() if abs(command.seconds - recorded.seconds) <= SECONDS_TOLERANCE:
            command.seconds, command.due = recorded.seconds, recorded.due
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
