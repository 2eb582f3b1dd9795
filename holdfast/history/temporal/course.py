"""Where the reading of one of Temporal's histories is.

Owns: which step each of its numbers means, and what is over.
Must not know: what any kind of event means, drains.

Steps have their names here by what they do (`fetch#2`) and in Temporal by a running number. A step takes over a name
that looks like ours, otherwise it is counted by its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from holdfast.errors import HistoryError
from holdfast.history.events import Attempt
from holdfast.history.temporal.mapping import FanOutRead
from holdfast.history.temporal.notes import RunNote
from holdfast.history.temporal.records import Record
from holdfast.history.temporal.repeated import Repetition

_OUR_STEP: Final = re.compile(r"(?P<name>.+)(#(?P<number>[1-9]\d{0,8})|\[.*\])", re.DOTALL)


class Course:
    """What has been read so far."""

    def __init__(self, records: Sequence[Record]) -> None:
        """Begin to read a history's events."""
        self.records = records
        self.is_ours = False
        """Our own workflows wrote it, on Temporal."""
        self.execution = ""
        self.note = RunNote()
        """What the memo says by now."""
        self.cancel_reason = ""
        self.tries: dict[int, tuple[Attempt, ...]] = {}
        """Failed attempts at an activity, by the number of the event that began it."""
        self.workers: dict[int, str] = {}
        self.updates: dict[int, str] = {}
        self.children: dict[str, str] = {}
        """Step of each child, by its workflow id."""
        self.parked: list[str] = []
        """Steps that park the run now."""
        self.fan_outs: dict[str, FanOutRead] = {}
        """Fan-outs of ours, by step."""
        self.chunks: dict[int, tuple[str, tuple[int, ...]]] = {}
        """Step and items of each chunk, by the number of the event that began it."""
        self.places: dict[str, str] = {}
        """Names of locks, by the step that waits for it or holds it."""
        self.past: Repetition | None = None
        """What the run begins with that another one recorded; None for nothing."""
        self.answers: set[str] = set()
        """Updates that are the answer to a callback."""
        self._counts: dict[str, int] = {}
        self._steps: dict[int, str] = {}
        self._names: set[str] = set()
        self._over: set[int] = set()

    def begin(self, name: str, wanted: str, record: Record) -> str:
        """Name the step called `name` that begins at this event, by `wanted` where that is such a name."""
        ours = _OUR_STEP.fullmatch(wanted)
        if ours is not None and ours["name"] == name:
            step = wanted
            if ours["number"]:
                self._counts[name] = max(self._counts.get(name, 0), int(ours["number"]))
        else:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            step = f"{name}#{count}"
        self.claim(step, record)
        return step

    def claim(self, step: str, record: Record) -> None:
        """Let a step of this name begin at this event. Raises HistoryError where there was one before."""
        if step in self._names:
            raise HistoryError(f"a second {step!r}", record.where)
        self._names.add(step)
        self._steps[record.number] = step

    def remember(self, step: str) -> None:
        """Know a step that its name was given elsewhere."""
        self._names.add(step)
        ours = _OUR_STEP.fullmatch(step)
        if ours is not None and ours["number"]:
            self._counts[ours["name"]] = max(self._counts.get(ours["name"], 0), int(ours["number"]))

    def goes_on(self, step: str, record: Record) -> bool:
        """Let a step's events here begin with this one; say whether it is one of the run's past."""
        self._steps[record.number] = step
        is_old = step in self._names
        self.remember(step)
        return is_old

    def begun(self, record: Record, member: str, *kinds: str) -> int:
        """Return the number of an earlier event of one of these kinds, which a member names."""
        number = record.members.number(member)
        if not 0 < number < record.number or self.records[number - 1].kind not in kinds:
            raise record.members.wrong(member, f"is {number}, which is no earlier {' or '.join(kinds)}")
        return number

    def is_step(self, number: int) -> bool:
        """Say whether a step began at an event."""
        return number in self._steps

    def step(self, number: int) -> str:
        """Return the step that began at an event, whether it is over or not."""
        return self._steps[number]

    def is_over(self, number: int) -> bool:
        """Say whether the step that began at an event has ended, or is not wanted any more."""
        return number in self._over

    def ended(self, record: Record, member: str, *kinds: str) -> str | None:
        """Return the step that ends at this event, None when the code does not want it any more."""
        number = self.begun(record, member, *kinds)
        if number in self._over:
            return None
        self._over.add(number)
        return self._steps[number]
