"""An execution whose drains are where a history says, for histories of engines that take several inputs at once.

Owns: where a drain begins and ends, and what becomes of its commands.
Must not know: Temporal's events, files, what a difference is called.

Theory of operation
===================

`advance` here takes the inputs as they stand in history and keeps them until the one that ends their drain; then all of
them are applied together, as `grouped.py` says.

What the code asked for is numbered as if that had been one drain, without gaps: a command that was taken back before
its drain was over is nowhere in such a history, and neither is what the engine takes back when a run ends.

Some of what the code asks for stands later in such a history: see `lateness.py`. It is kept until then.

A run that came from the embedded engine by a fork begins with events of that one. Each of their inputs is a drain of
its own, and what the code asked for then has the places it had there, gaps and all.

History is known here before the code runs, because it says the same in other words: see `wording.py`. What the code
asked for takes on history's words as its drain ends, so that whoever compares the two compares them exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.grouped import GroupedExecution
from holdfast.engine.lateness import Lateness
from holdfast.engine.runtime import OpenFanOut
from holdfast.engine.wording import FoundBy, identify, place_as_recorded, take_words
from holdfast.history import (
    AnyEvent,
    Decision,
    DecisionEvent,
    InputEvent,
    LockGranted,
    LockReleased,
    PatchMarked,
)
from holdfast.ports.program import Guard, Program


class BatchedExecution(GroupedExecution):
    """An execution that is drained where its history says. See the module's theory of operation."""

    def __init__(self, program: Program, guard: Guard, open_fan_out: OpenFanOut, **more: Any) -> None:
        """Make an execution that has not started, and then `follow` a history. See `Execution`."""
        super().__init__(program, guard, open_fan_out, **more)
        self._ends: frozenset[int] = frozenset()
        self._known = 0
        self._singly = 0
        self._recorded: dict[int, list[DecisionEvent]] = {}
        self._late = Lateness(())
        self._found_by = FoundBy(())
        self._loose: set[tuple[type, str]] = set()
        self._told: list[InputEvent] = []
        self._counted = 0

    def follow(self, events: Sequence[AnyEvent], drains: Iterable[int], singly: int = 0) -> None:
        """Drain where a history says. What comes after its events is drained input by input.

        Args:
            events: the history that will be applied, from event 1; its last drain may be cut short.
            drains: ids of the inputs that end a drain.
            singly: how many of the events at its beginning the embedded engine recorded, which drains after each input.
        """
        self._known = len(events)
        self._singly = min(singly, self._known)
        self._ends = frozenset((*drains, self._known))
        self._late = Lateness(events)
        self._found_by = FoundBy(events)
        granted = {each.step for each in events if isinstance(each, LockGranted)}
        for event in events:
            if isinstance(event, LockReleased) and event.step not in granted:
                self._loose.add(identify(event))  # code that stops waiting says so a turn later there
            if isinstance(event, Decision) and not isinstance(event, PatchMarked):
                self._recorded.setdefault(event.cause, []).append(event)

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Take an input; when it ends its drain, apply all of them and return what the code asked for.

        Raises:
            HistoryError: an input is about something the code did not ask for.
        """
        if event_id > self._known:
            return super().advance(event, event_id)
        if event_id <= self._singly:
            issued = super().advance(event, event_id)
            self._counted = self.steps.issued
            self._found_by.pass_by(issued)
            return issued
        self._told.append(event)
        if event_id not in self._ends:
            return []
        told, self._told = self._told, []
        recorded = self._recorded.get(event_id, [])
        said = self._in_words_of_history(self.take(told, event_id), event_id, recorded)
        if event_id == self._known:
            for place, each in enumerate(self._late.rest(), len(said)):
                each.cause, each.ordinal = event_id, place
                said.append(each)
        return said

    # --- What is nowhere in such a history -------------------------------------------------------------------------

    def _in_words_of_history(
        self, said: list[Issued], event_id: int, recorded: Sequence[DecisionEvent]
    ) -> list[Issued]:
        if self.taken_back:
            kept = {identify(each) for each in recorded}
            added = {id(each) for each in self.taken_back if identify(decision_of(each, 0.0)) not in kept}
            said = [each for each in said if id(each) not in added]
        marks = [each for each in said if each.ordinal < 0]
        timely = self._late.keep([each for each in said if each.ordinal >= 0], event_id, recorded)
        commands = place_as_recorded(timely, recorded, self._loose)
        for ordinal, each in enumerate(commands):
            each.ordinal = ordinal
        self._counted += len(commands)
        self.steps.issued = self._counted
        self._found_by.take_words(commands, recorded)
        self.steps.rename(take_words(commands, recorded))
        return [*commands, *marks]  # the marks of patches have no place among the commands
