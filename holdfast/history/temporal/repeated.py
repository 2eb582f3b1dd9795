"""The past of a forked run, while the run's history on Temporal is read.

Owns: which of Temporal's events belong to the end of the past, and the past as it stands in the run's own history.
Must not know: what any kind of event says, drains that follow.
"""

from __future__ import annotations

from collections import deque

import msgspec

from holdfast.history.events import (
    AnyEvent,
    Decision,
    DecisionEvent,
    Input,
    RunParked,
    RunResumed,
    SideEffectRequested,
    TimerStarted,
)
from holdfast.history.temporal.past import CaughtUp, Past


class Repetition:
    """A past, and how far its repetition is."""

    def __init__(self, past: Past) -> None:
        """Know what the run begins with."""
        self.past = past
        self.is_over = False
        """Whether the code has repeated it."""
        self.issued = -1
        """How many commands the code had issued by then."""
        self.events: list[AnyEvent] = list(past.events)
        self.timers: deque[str] = deque()
        """Steps of the timers that begin at its end, and have not been read yet."""
        self.parked = deque(_parked_in(past.events))
        """Steps that keep the run parked at its end, and have not been read yet."""
        self.requested = {each.step for each in past.events if isinstance(each, SideEffectRequested)}
        """Side effects that were asked for before its end."""
        self._locks = {each.step: each.place for each in past.locks}
        self._sources = [1] * len(past.events)
        self._expected: dict[tuple[type, str], deque[int]] = {}
        """Places in `events` of the decisions at its end that events of Temporal's are to be read of."""

    @property
    def steps(self) -> list[str]:
        """Names of the steps that began in it."""
        return [each.step for each in self.past.events if isinstance(each, Decision) and hasattr(each, "step")]

    @property
    def bounds(self) -> tuple[int, ...]:
        """Ids of its inputs that end a drain, behind those that the embedded engine recorded."""
        past = self.past
        last = max(number for number, each in enumerate(past.events, 1) if isinstance(each, Input))
        found = [each for each in (*past.drains, last) if each > past.singly]
        return tuple(dict.fromkeys(found))

    @property
    def sources(self) -> list[int]:
        """For each of its events the number of the one of Temporal's that it was read from."""
        return self._sources

    @property
    def dues(self) -> dict[str, float]:
        """When its timers are due, by step, in seconds since the epoch."""
        return {each.step: each.due for each in self.events if isinstance(each, TimerStarted)}

    def end(self, note: CaughtUp, number: int) -> None:
        """Take what the run notes when it has repeated its past, in Temporal's event of this number."""
        self.is_over = True
        self.issued = note.issued
        self.timers.extend(note.timers)
        for each in note.decisions:
            self._expected.setdefault(_identity(each), deque()).append(len(self.events))
            self.events.append(each)
            self._sources.append(number)
            if isinstance(each, SideEffectRequested):
                self.requested.add(each.step)

    def takes(self, decision: DecisionEvent, number: int) -> bool:
        """Say whether a decision read of Temporal's event of this number was asked for at the end of the past."""
        places = self._expected.get(_identity(decision))
        if not places:
            return False
        place = places.popleft()
        self._sources[place] = number
        for name in ("input", "result"):
            if getattr(self.events[place], name, None) == b"":
                self.events[place] = msgspec.structs.replace(self.events[place], **{name: getattr(decision, name)})
        return True

    def request(self, step: str, number: int) -> None:
        """Let a side effect be asked for in the last drain of the past: it is the latest it can have been."""
        cause = max(place for place, each in enumerate(self.past.events, 1) if isinstance(each, Input))
        ordinals = [each.ordinal for each in self.events if isinstance(each, Decision) and each.cause == cause]
        self.events.append(SideEffectRequested(self.past.events[-1].time, cause, max(ordinals, default=-1) + 1, step))
        self._sources.append(number)
        self.issued += 1

    def holds(self, step: str) -> bool:
        """Say whether the code holds a lock at the end of its past."""
        return step in self._locks

    def hold(self, step: str, token: int) -> None:
        """Take the token that a lock has now."""
        place = self._locks[step]
        self.events[place] = msgspec.structs.replace(self.events[place], token=token)


def _identity(decision: DecisionEvent) -> tuple[type, str]:
    names = ("step", "update_id", "patch_id")
    return type(decision), next((found for name in names if (found := getattr(decision, name, ""))), "")


def _parked_in(events: list[AnyEvent]) -> list[str]:
    parked: dict[str, None] = {}
    for each in events:
        if isinstance(each, RunParked):
            parked[each.step] = None
        elif isinstance(each, RunResumed):
            parked.pop(each.step, None)
    return list(parked)
