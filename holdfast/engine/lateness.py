"""Commands that stand later in a history than the code has asked for them, in histories of other engines.

Owns: which commands those are, and how long they are kept.
Must not know: drains, what a difference is called, which engine it was.

- When a side effect was asked for is nowhere: only its outcome is recorded, and one that has none yet not at all.
- A child is asked to stop when it has begun. One that never began was never asked.
- A run ends when its children have begun and its messages have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdfast.engine.decisions import CLOSING_COMMANDS, Issued, decision_of
from holdfast.engine.wording import identify
from holdfast.history import (
    AnyEvent,
    CancelChild,
    ChildCancelRequested,
    ChildFailed,
    Decision,
    DecisionEvent,
    PatchMarked,
    RunSideEffect,
    SideEffectRequested,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
)

_ENDS: Final = (WorkflowCompleted, WorkflowFailed, WorkflowCancelled, WorkflowContinued)
_NOT_STARTED: Final = "NOT_STARTED"


class Lateness:
    """What is kept of what the code has asked for, until history has it."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        """Know a history."""
        self._causes: dict[tuple[type, str], int] = {}
        self._unstarted: set[str] = set()
        self._decided = 0
        """Cause of the last decision that is no end."""
        self._end = 0
        """Cause of the end; 0 where history has none."""
        self._kept: dict[int, list[Issued]] = {}
        self._unrecorded: list[Issued] = []
        for event in events:
            match event:
                case SideEffectRequested() | ChildCancelRequested():
                    self._causes[identify(event)] = event.cause
                case ChildFailed(status=status) if status == _NOT_STARTED:
                    self._unstarted.add(event.step)
                case _:
                    pass
            if isinstance(event, _ENDS):
                self._end = event.cause
            elif isinstance(event, Decision) and not isinstance(event, PatchMarked):
                self._decided = max(self._decided, event.cause)

    def keep(self, said: Sequence[Issued], event_id: int, recorded: Sequence[DecisionEvent]) -> list[Issued]:
        """Keep what history has later; return the rest, with what was kept and is there now.

        Args:
            said: the commands of a drain.
            event_id: the input that ended it.
            recorded: what history has of it.
        """
        timely: list[Issued] = []
        unknown: list[Issued] = []
        for each in said:
            due = self._due(each, event_id)
            if due > event_id:
                self._kept.setdefault(due, []).append(each)
            elif due >= 0:
                timely.append(each)
                if not due:
                    unknown.append(each)
        for each in self._kept.pop(event_id, ()):
            each.cause = event_id
            timely.append(each)
        if unknown and len(timely) - len(unknown) == len(recorded):
            # It had no outcome when history was read, or never got one. Else it is said to be new: it is.
            self._unrecorded += unknown
            timely = [each for each in timely if each not in unknown]
        return timely

    def rest(self) -> list[Issued]:
        """Return what history does not have: it is as if it had just been asked for. Nothing where the run is over."""
        return [] if self._end else self._unrecorded

    def _due(self, issued: Issued, event_id: int) -> int:
        """Return in which drain history has a command: this one; 0 for none at all; -1 where it is not to be there."""
        match issued.command:
            case RunSideEffect():
                return self._causes.get(identify(decision_of(issued, 0.0)), 0)
            case CancelChild(step=step):
                cause = self._causes.get(identify(decision_of(issued, 0.0)), event_id)
                return -1 if step in self._unstarted and cause == event_id else max(cause, event_id)
            case each if isinstance(each, CLOSING_COMMANDS) and self._end > event_id > self._decided - 1:
                return self._end
            case _:
                return event_id
