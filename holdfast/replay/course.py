"""The course of a run that leaves its record: recorded facts at their place, and new ones where there are none.

Owns: the order in which recorded and new facts reach the code, and virtual time.
Must not know: what answers for a step that has no record; that is its `Answers`.

Theory of operation
===================

Strict replay knows one course: history's. Code that was mended, or that is only tried, asks for other things at other
times, and the recorded facts have to find their place again:

- A recorded outcome goes to the step that it is an outcome of, whenever the code asks for that step.
- A recorded message comes at its old place, relative to the last recorded fact that was of use: what stands before it
  in history is delivered first, if the code asks for it.
- A step without a record is answered as soon as the next recorded fact has to wait, for example because the code
  asks for what that fact is about only after the new step.
- A child begins before it has an outcome: it is answered twice. An outcome of a later time comes as a timer does,
  unless the code asks the child to stop before.
- A new timer fires when its time has come: before every recorded fact of a later time, and else when nothing else
  is left.

Time stands still while new steps are answered, and never goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from holdfast.engine import Execution, Issued
from holdfast.errors import HistoryError, HoldfastError
from holdfast.history import (
    AnyEvent,
    CancelChild,
    ChildFailed,
    ChildStarted,
    Failure,
    FanOutCompleted,
    History,
    Input,
    InputEvent,
    ItemOutcome,
    RecordedOutcomes,
    StartTimer,
    TimerFired,
)

BEYOND_MAX: Final = 10_000
"""How many facts that were not recorded a run may be given before its course is broken off."""


class Answers(Protocol):
    """What answers for steps."""

    outcomes: dict[str, Sequence[ItemOutcome]]
    """Of fan-outs that were answered anew, by step."""
    keeps_time: bool
    """Timers take no longer than recorded, and new ones no time: what depends on time stays comparable."""

    def match(self, issued: Issued) -> str | None:
        """Return the recorded step that answers for what the code asks, None when there is none."""

    def recorded(self, event: Any, issued: Issued, now: float) -> InputEvent | None:
        """Return what a recorded outcome is today; None leaves the step open."""

    def answer(self, issued: Issued, now: float) -> InputEvent | None:
        """Return the outcome of a step that has no record, or that a child begins; None leaves it as it is."""


class Course:
    """One run on its way."""

    def __init__(self, history: History, answers: Answers, *, beyond_max: int = BEYOND_MAX) -> None:
        """Make a course through `history`; `run` sets out on it."""
        self.history = history
        self.answers = answers
        self.attempted: list[Issued] = []
        """Every command the code issued on this course, in order."""
        self.used: set[int] = set()
        """Ids of the recorded inputs that the code was given."""
        self.sources: dict[str, str] = {}
        """Recorded step that answers, by attempted step."""
        self.beyond = 0
        """How many facts were given that are not recorded."""
        self.exhausted = False
        """It was broken off: see `BEYOND_MAX`."""
        self._beyond_max = beyond_max
        self._takers: dict[str, str] = {}
        self._fresh: dict[str, Issued] = {}
        self._timers: dict[str, float] = {}
        self._coming: dict[str, InputEvent] = {}
        """Outcomes whose time has not come, by step; `_timers` says when it does."""
        self._issued: dict[str, Issued] = {}
        self._pending: deque[tuple[int, InputEvent]] = deque()
        self._messages: deque[tuple[int, InputEvent]] = deque()
        self._outcomes: dict[str, list[tuple[int, InputEvent]]] = {}
        """What is recorded of each step, in order: mostly one fact."""
        self._late: set[int] = set()
        self._now = 0.0
        self._next_id = 1

    def open_fan_out(self, step: str, event: FanOutCompleted) -> RecordedOutcomes:
        """Return the outcomes of a fan-out, as an execution asks for them; raises HistoryError."""
        if step in self.answers.outcomes:
            return RecordedOutcomes(self.answers.outcomes[step])
        return self.history.open_fan_out(self.sources.get(step, step), event)

    def run(self, execution: Execution, after: int, tail: Iterable[Issued], now: float) -> None:
        """Let the code go on to its end, or to where nothing more comes.

        Args:
            execution: stands behind event `after`.
            after: how many events of the history it has seen.
            tail: commands that it issued and that were not among those events.
            now: its time, in seconds since the epoch.

        Raises:
            HistoryError: a recorded fact does not fit the step it is about.
        """
        self._now, self._next_id = now, after + 1
        for event_id, recorded in enumerate(self.history.events[after:], after + 1):
            if isinstance(recorded, Input):
                self._pending.append((event_id, recorded))
                step = getattr(recorded, "step", None)
                if step is None:
                    self._messages.append((event_id, recorded))
                else:
                    self._outcomes.setdefault(step, []).append((event_id, recorded))
        unrecorded = list(tail)
        self.attempted += unrecorded
        where = {(each.cause, each.ordinal): each for each in unrecorded}
        for waiting in list(execution.open.values()):
            place = (waiting.cause, waiting.ordinal)
            self._offer(where.get(place) or Issued(*place, waiting.command))
        while not execution.closed:
            event = self._next(execution)
            if event is None:
                return
            self._now = max(self._now, event.time)
            event.time = self._now
            drained = self._apply(execution, event)
            self._next_id += 1
            self.attempted += drained
            for issued in drained:
                if isinstance(issued.command, CancelChild) and issued.command.step in self._coming:
                    self._stop(issued.command)
                asked = execution.open.get(getattr(issued.command, "step", ""))
                if asked is not None and asked.command is issued.command:
                    self._offer(issued)

    @property
    def now(self) -> float:
        """The run's time, in seconds since the epoch."""
        return self._now

    def _apply(self, execution: Execution, event: InputEvent) -> list[Issued]:
        try:
            return execution.advance(event, self._next_id)
        except HoldfastError:
            raise
        except Exception as error:  # as in strict replay: what no engine wrote may be wrong in many ways
            what = f"{type(event).__name__} cannot be applied: {type(error).__name__}: {error}"
            raise HistoryError(what, f"event {self._next_id}") from error

    def _offer(self, issued: Issued) -> None:
        """Find out what answers for a step that the code has just asked for."""
        step: str = issued.command.step  # type: ignore[union-attr]  # what opens a step has one
        self._issued[step] = issued
        recorded = self.answers.match(issued)
        if recorded is not None:
            self.sources[step] = recorded
            self._takers[recorded] = step
            if recorded in self._outcomes or self.answers.keeps_time:
                return  # without an outcome, production has waited for it to the end
        if isinstance(issued.command, StartTimer):
            self._timers[step] = issued.command.due
        else:
            self._fresh[step] = issued

    def _next(self, execution: Execution) -> InputEvent | None:
        """Return the next fact, None when nothing more comes."""
        if self._late and (late := self._deliverable(execution, self._late)) is not None:
            return self._deliver(execution, *late)
        while True:
            head = self._head()
            timer = self._next_timer(execution)
            if head is not None:
                event_id, event = head
                step = getattr(event, "step", None)
                taker = None if step is None else self._takers.get(step)
                if step is None or (taker is not None and taker in execution.open):
                    if timer is not None and self._timers[timer] <= event.time and not self.answers.keeps_time:
                        return self._fire(timer)
                    return self._deliver(execution, event_id, event)
                if taker is not None:  # the code had asked, and does not want it any more
                    self._pending.popleft()
                    continue
            answered = self._answer(execution)
            if answered is not None:
                return answered
            timer = self._next_timer(execution)  # what was answered may be to come
            if head is None:
                return None if timer is None else self._fire(timer)
            ready = self._deliverable(execution, None)
            if ready is not None:
                return self._deliver(execution, *ready)
            message = self._next_message()
            is_next = message is None or self.answers.keeps_time or self._timers.get(timer or "", 0.0) <= message.time
            if timer is not None and is_next:
                return self._fire(timer)
            self._late.add(head[0])  # nobody has asked for it so far; if somebody does, it is there
            self._pending.popleft()

    def _head(self) -> tuple[int, InputEvent] | None:
        while self._pending and self._pending[0][0] in self.used:
            self._pending.popleft()
        return self._pending[0] if self._pending else None

    def _next_message(self) -> InputEvent | None:
        while self._messages and self._messages[0][0] in self.used:
            self._messages.popleft()
        return self._messages[0][1] if self._messages else None

    def _next_timer(self, execution: Execution) -> str | None:
        for step in [each for each in self._timers if each not in execution.open]:
            del self._timers[step]
        return min(self._timers, key=self._timers.__getitem__) if self._timers else None

    def _deliverable(self, execution: Execution, among: set[int] | None) -> tuple[int, InputEvent] | None:
        """Return the earliest recorded outcome of a step that the code waits for."""
        found = [
            next((each for each in self._outcomes.get(recorded, ()) if each[0] not in self.used), None)
            for step in execution.open
            if (recorded := self.sources.get(step)) is not None
        ]
        wanted = [each for each in found if each is not None and (among is None or each[0] in among)]
        return min(wanted, key=lambda each: each[0]) if wanted else None

    def _deliver(self, execution: Execution, event_id: int, event: InputEvent) -> InputEvent | None:
        self.used.add(event_id)
        self._late.discard(event_id)
        step = getattr(event, "step", None)
        if step is None:
            return msgspec.structs.replace(event, issued=-1)
        taker = self._takers[step]
        outcome: InputEvent = msgspec.structs.replace(event, step=taker, issued=-1)
        if isinstance(outcome, TimerFired):
            command = execution.open[taker].command
            assert isinstance(command, StartTimer)
            if not self.answers.keeps_time:
                outcome.time = max(outcome.time, command.due)
            return outcome
        return self.answers.recorded(outcome, self._issued[taker], self._now) or self._next(execution)

    def _answer(self, execution: Execution) -> InputEvent | None:
        while self._fresh:
            step, issued = next(iter(self._fresh.items()))
            del self._fresh[step]
            if step in execution.open and self._may_go_on():
                answered = self.answers.answer(issued, self._now)
                if isinstance(answered, ChildStarted):
                    self._fresh[step] = issued
                if answered is not None and answered.time > self._now:
                    self._timers[step] = answered.time
                    self._coming[step] = answered
                elif answered is not None:
                    return answered
        return None

    def _stop(self, command: CancelChild) -> None:
        failure = Failure("CancelledError", command.reason)
        self._timers[command.step] = self._now
        self._coming[command.step] = ChildFailed(self._now, -1, command.step, "CANCELLED", failure)

    def _fire(self, timer: str) -> InputEvent | None:
        due = self._timers.pop(timer)
        coming = self._coming.pop(timer, None)
        if coming is not None:  # it was counted when it was answered
            return coming
        time = self._now if self.answers.keeps_time else max(due, self._now)
        return TimerFired(time, -1, timer) if self._may_go_on() else None

    def _may_go_on(self) -> bool:
        self.beyond += 1
        if self.beyond > self._beyond_max:
            self.exhausted = True
        return not self.exhausted


def time_after(events: Sequence[AnyEvent]) -> float:
    """Return the time of a run that has seen `events`, in seconds since the epoch."""
    return max((each.time for each in events if isinstance(each, Input)), default=0.0)
