"""A history of ours as one of Temporal's, which its own Replayer accepts for the same logic.

Owns: the frame of a workflow task around each drain, and which kind of event is written where.
Must not know: stores, workflow code, what any kind of event says.

Each of our drains becomes one workflow task: the input, `WorkflowTaskScheduled`, `Started`, `Completed`, and right
behind them what the code asked for. What cannot be told from a history is judged by what code mostly does: a run that
fails takes its open tasks back here, and not there. So tasks that were taken back right before a failure stand for
that, and not for code that cancelled them.

For code of ours, under our adapter, ids and notes are those that our adapter gives. There

- a side effect's outcome is the marker of a local activity, in a workflow task of its own;
- updates are answered behind all else that a drain decides;
- a run does not end before its children have begun, its messages have arrived and its locks are free: if it did here,
  its end stands in a later workflow task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import (
    CLOSING,
    AnyEvent,
    ChildFailed,
    ChildStarted,
    Decision,
    DecisionEvent,
    FanOutCancelled,
    Input,
    LockReleased,
    MessageDelivered,
    SideEffectCancelled,
    SideEffectRecorded,
    SignalReceived,
    TaskCancelled,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from holdfast.history.temporal.writing import (
    callbacks,
    children,
    effects,
    fan_outs,
    marks,
    messages,
    places,
    runs,
    tasks,
    timers,
    updates,
)
from holdfast.history.temporal.writing.sheet import IDENTITY, TASK_TIMEOUT, Sheet, Writes
from holdfast.history.transcript import ItemOutcome

CORE_FLAGS: Final = (1, 2, 3, 4)
"""Behaviours of Temporal's core that its Replayer takes for granted when the first task says so; among them that ids
and types of steps are compared."""


def to_temporal(
    events: Sequence[AnyEvent],
    *,
    for_sdk: bool = False,
    outcomes: Mapping[str, Sequence[ItemOutcome]] | None = None,
) -> bytes:
    """Return a history as a file that Temporal's Replayer reads: UTF-8, one line for each event.

    Args:
        events: from event 1, with every payload inside.
        for_sdk: for a workflow of the same logic that is written with Temporal's own SDK; else for the same code, which
            `holdfast.temporal.TemporalPlugin` gives to the Replayer.
        outcomes: of its fan-outs, by step, as a `History` has them.

    Raises:
        HistoryError: it does not begin with WorkflowStarted, the outcomes of a fan-out are missing, or it has something
            that there are no words for; the event is named.
    """
    if not events or not isinstance(events[0], WorkflowStarted):
        raise HistoryError("history does not begin with WorkflowStarted", "event 1")
    written = _Frames(events, Sheet(events, outcomes or {}, for_sdk=for_sdk)).write()
    lines = b",\n  ".join(msgspec.json.encode(each) for each in written)
    return b'{\n "events": [\n  ' + lines + b"\n ]\n}\n"


class _Frames:
    """Where the writing of one history is, drain by drain."""

    def __init__(self, events: Sequence[AnyEvent], sheet: Sheet) -> None:
        self._events = events
        self._sheet = sheet
        self._frames = 0
        self._end: DecisionEvent | None = None
        """The end of a run that waits for its children and messages."""
        self._decisions: dict[int, list[DecisionEvent]] = {}
        for event in events:
            if isinstance(event, Decision):
                self._decisions.setdefault(event.cause, []).append(event)

    def write(self) -> list[dict[str, Any]]:
        """Return Temporal's events."""
        sheet, last = self._sheet, self._events[-1]
        for number, event in enumerate(self._events, 1):  # a drain is written before the decisions that stand behind it
            if isinstance(event, Decision) and not self._has_words(event):
                _refuse(number, event)
        last_input = max(number for number, event in enumerate(self._events, 1) if isinstance(event, Input))
        is_over = isinstance(last, CLOSING)
        ended_by = last.cause if isinstance(last, Decision) and is_over else last_input
        for number, event in enumerate(self._events, 1):
            if isinstance(event, Input) and (number <= ended_by or self._end is not None):
                if not self._has_words(event):
                    _refuse(number, event)
                decisions = self._as_decided(self._decisions.get(number, []))
                # What an open run has of its last drain may not be all: Temporal is told that it is still under way.
                is_open = number == last_input and not is_over and not decisions
                if self._end is None:
                    self._drain(event, decisions, is_open=is_open)
                elif isinstance(event, _SETTLING):
                    self._take(event)
            elif isinstance(event, WorkflowTerminated):
                sheet.add("WorkflowExecutionTerminated", event.time, reason=event.reason, identity=IDENTITY)
            elif isinstance(event, WorkflowTimedOut):
                sheet.add("WorkflowExecutionTimedOut", event.time, retryState="RETRY_STATE_TIMEOUT")
        if self._end is not None:
            self._settle()
            while not sheet.is_settled:  # a place that nobody waited for is given back a task later
                self._frame()
                self._decide([])
                self._write_later()
            self._frame()
            self._decide([self._end])
        return sheet.written

    def _has_words(self, event: AnyEvent) -> bool:
        table = _DECISIONS if isinstance(event, Decision) else _INPUTS
        return type(event) in table and (not self._sheet.for_sdk or type(event) not in _OURS_ONLY)

    def _take(self, event: Input) -> None:
        self._sheet.time = max(self._sheet.time, event.time)
        _INPUTS[type(event)](self._sheet, event)

    def _drain(self, event: Input, decisions: Sequence[DecisionEvent], *, is_open: bool) -> None:
        sheet = self._sheet
        count = len(sheet.written)
        self._write_later()
        is_answer = not sheet.for_sdk and callbacks.is_answer(event)
        if is_answer:
            sheet.time = max(sheet.time, event.time)
        else:
            self._take(event)
        is_update = isinstance(event, UpdateAccepted) or is_answer
        is_marked = isinstance(event, SideEffectRecorded) and bool(sheet.first)
        if len(sheet.written) == count and not decisions and not is_update and not is_marked:
            return
        if is_open and not is_update and not is_marked:
            self._begin_frame()
            return
        scheduled = self._frame()
        if isinstance(event, UpdateAccepted):
            updates.accept(sheet, event, scheduled)
        elif is_answer and isinstance(event, SignalReceived):
            callbacks.answer(sheet, event, scheduled)
        self._decide(decisions)

    def _decide(self, decisions: Sequence[DecisionEvent]) -> None:
        sheet = self._sheet
        first, sheet.first = sheet.first, []
        for each in first:
            each()
        for decision in decisions:
            if isinstance(decision, CLOSING) and not sheet.for_sdk and not sheet.is_settled:
                self._end = decision
            else:
                _DECISIONS[type(decision)](sheet, decision)

    def _settle(self) -> None:
        """Let children have begun and messages have arrived of which nothing is recorded any more."""
        for step in self._sheet.children:
            children.begin(self._sheet, step, self._sheet.time)
        for step in list(self._sheet.sent):
            messages.arrive(self._sheet, step, self._sheet.time)
        self._write_later()

    def _write_later(self) -> None:
        later, self._sheet.later = self._sheet.later, []
        for each in later:
            each()

    def _begin_frame(self) -> tuple[int, int]:
        sheet = self._sheet
        scheduled = sheet.add(
            "WorkflowTaskScheduled",
            sheet.time,
            taskQueue=sheet.queue(),
            startToCloseTimeout=TASK_TIMEOUT,
            attempt=1,
        )
        started = sheet.add("WorkflowTaskStarted", sheet.time, scheduledEventId=str(scheduled), identity=IDENTITY)
        return scheduled, started

    def _frame(self) -> int:
        """Write a workflow task; return the number of the event that asks for it."""
        sheet = self._sheet
        self._write_later()
        scheduled, started = self._begin_frame()
        flags = {"coreUsedFlags": list(CORE_FLAGS)} if not self._frames else {}
        self._frames += 1
        sheet.task = sheet.add(
            "WorkflowTaskCompleted",
            sheet.time,
            scheduledEventId=str(scheduled),
            startedEventId=str(started),
            identity=IDENTITY,
            sdkMetadata=flags,
        )
        return scheduled

    def _as_decided(self, decisions: list[DecisionEvent]) -> list[DecisionEvent]:
        """Return a drain's decisions in the order in which the code made them, without what the engine added."""
        # The marks of patches have no place among the commands; they count downwards.
        ordered = sorted(decisions, key=lambda each: (each.ordinal >= 0, abs(each.ordinal)))
        if ordered and isinstance(ordered[-1], WorkflowFailed):
            kept = len(ordered) - 1
            while kept and isinstance(ordered[kept - 1], (*_TAKEN_BACK, LockReleased)):
                kept -= 1
            released = [each for each in ordered[kept:-1] if isinstance(each, LockReleased)]  # that is done for it, too
            ordered = [*ordered[:kept], *released, ordered[-1]]
        if not self._sheet.for_sdk:
            ordered.sort(key=self._turn_of)
        return ordered

    def _turn_of(self, decision: DecisionEvent) -> int:
        """Return in which turn of Temporal's loop our adapter says something: it has the same order here and there."""
        if isinstance(decision, CLOSING):
            return 3
        if isinstance(decision, UpdateCompleted):
            return 2
        return int(isinstance(decision, LockReleased) and not places.is_held(self._sheet, decision))


def _refuse(number: int, event: AnyEvent) -> NoReturn:
    kind = type(event).__name__
    raise HistoryError(
        f"there are no words for {kind} in such a file, so this history cannot be written", f"event {number}"
    )


_INPUTS: Final[Writes] = {
    **runs.INPUTS,
    **updates.INPUTS,
    **tasks.INPUTS,
    **timers.INPUTS,
    **effects.INPUTS,
    **children.INPUTS,
    **messages.INPUTS,
    **fan_outs.INPUTS,
    **places.INPUTS,
}
_DECISIONS: Final[Writes] = {
    **runs.DECISIONS,
    **updates.DECISIONS,
    **tasks.DECISIONS,
    **timers.DECISIONS,
    **effects.DECISIONS,
    **marks.DECISIONS,
    **children.DECISIONS,
    **messages.DECISIONS,
    **fan_outs.DECISIONS,
    **places.DECISIONS,
    **callbacks.DECISIONS,
}
_TAKEN_BACK: Final = (TaskCancelled, SideEffectCancelled, FanOutCancelled)
"""What a run that fails takes back here, and not there."""
_SETTLING: Final = (ChildStarted, ChildFailed, MessageDelivered)
"""What a run that is ending waits for."""
_OURS_ONLY: Final = frozenset(
    {
        *runs.OURS_ONLY,
        *(kind for each in (effects, children, messages, fan_outs, places) for kind in (*each.INPUTS, *each.DECISIONS)),
        *callbacks.DECISIONS,
    }
)
"""What is written only for our own code."""
