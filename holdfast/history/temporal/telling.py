"""In which order a run of ours on Temporal is told what one workflow task brings.

Owns: that order, which the run and whoever replays its history agree on.
Must not know: how a history is read, workflows.

Temporal's SDK lets some things through faster than others, turn by turn of its loop. So that nothing depends on that,
all that comes together is put in an order here which a history gives, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from holdfast.history.events import (
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    InputEvent,
    MessageDelivered,
    RunResumed,
    SignalReceived,
    TimerFired,
    UpdateAccepted,
    WorkflowStarted,
)

_RANKS: Final[dict[type, int]] = {
    WorkflowStarted: 0,
    SignalReceived: 1,
    UpdateAccepted: 1,
    RunResumed: 2,
    MessageDelivered: 3,
    CancelRequested: 4,
    TimerFired: 5,
    ChildStarted: 7,
    ChildCompleted: 9,
    ChildFailed: 9,
}
"""What is told first; what is not here is the outcome of a task or a side effect."""
_OUTCOME: Final = 6


def in_order(told: Sequence[InputEvent], due: Callable[[str], float]) -> list[InputEvent]:
    """Return what one workflow task tells, in the order in which the code is told.

    That is by kind, as in `_RANKS`; timers are in the order of their times, and children that have begun just now and
    have ended, too, stand before others that have ended.

    Args:
        told: inputs; those of one kind in the order of Temporal's history.
        due: gives the time of a timer, by step.
    """
    begun = {each.step for each in told if isinstance(each, ChildStarted)}

    def place(event: InputEvent) -> tuple[int, float]:
        rank = _RANKS.get(type(event), _OUTCOME)
        if isinstance(event, ChildCompleted | ChildFailed) and event.step in begun:
            rank -= 1
        return rank, due(event.step) if isinstance(event, TimerFired) else 0.0

    return sorted(told, key=place)
