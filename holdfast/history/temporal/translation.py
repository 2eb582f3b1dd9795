"""What Temporal recorded, as a history of ours.

Owns: where drains begin and end, and which kinds of events there are.
Must not know: files, dialects, what any kind of event says, workflow code.

Theory of operation
===================

Temporal's workers are woken for *workflow tasks*. One hands the code everything that has come since the last, runs it
until it waits, and records what it asked for right behind `WorkflowTaskCompleted`. Here that is one drain over several
inputs:

    theirs                        ours
    ActivityTaskCompleted    5    TaskCompleted
    TimerFired               6    TimerFired           <- the drain's end
    WorkflowTaskScheduled    7
    WorkflowTaskStarted      8    (the drain's time)
    WorkflowTaskCompleted    9
    ActivityTaskScheduled   10    TaskScheduled, caused by the drain's end

A task that failed or timed out left nothing, and its inputs are part of the next. Updates are recorded only when they
were accepted, behind the task that did so, and are moved in front of it. What came after the last task that completed
is a drain that nothing was recorded of yet.

Local activities run within a workflow task. Its code is woken again for each, so that each begins a drain within the
task. When it was asked for, nothing says: it stands as the last that was asked for in the drain before, which is the
latest it can have been, and whoever replays the history lets it come earlier.

While a run of ours is paused, what comes waits, and is one drain when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from holdfast.errors import HistoryError
from holdfast.history.codec import Codec
from holdfast.history.events import (
    CLOSING,
    AnyEvent,
    AttributesSet,
    DecisionEvent,
    FanOutStarted,
    InputEvent,
    PatchMarked,
    SideEffectCancelled,
    SideEffectRecorded,
    SideEffectRequested,
    TimerStarted,
)
from holdfast.history.temporal import activities, children, ends, markers, messages, outside, timers
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.notes import PAUSE, RESUME
from holdfast.history.temporal.outside import ends_past
from holdfast.history.temporal.records import Record, read_records
from holdfast.history.temporal.repeated import Repetition
from holdfast.history.temporal.sealing import opened
from holdfast.history.temporal.search import read_attributes
from holdfast.history.temporal.telling import in_order
from holdfast.history.transcript import History

ENGINE: Final = outside.ENGINE
_UPDATE: Final = "WorkflowExecutionUpdateAccepted"
_SIGNAL: Final = "WorkflowExecutionSignaled"


def from_temporal(content: bytes, codec: Codec | None = None) -> History | None:
    """Return the history that a file of Temporal's tools holds, None when the file is none of theirs.

    Args:
        content: of the file.
        codec: decrypts payloads that were encrypted with keys of ours.

    Raises:
        EncryptionError: a payload is encrypted with such a key, and `codec` does not know it.
        HistoryError: it is, and it is damaged, encrypted, or of a workflow that Holdfast has no words for; the event
            at fault is named.
    """
    records = read_records(opened(content, codec))
    return None if records is None else _Translation(records).history()


@dataclass(slots=True)
class _Drain:
    """What the code was handed at once, and what it asked for then."""

    time: float
    inputs: list[tuple[Record, InputEvent]]
    decisions: list[tuple[Record, DecisionEvent]] = field(default_factory=list)
    activation: int = 0
    """Its place within the workflow task, as far as that is noted."""


class _Translation:
    """Where the translation of one history is."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._course = Course(records)
        self._drains: list[_Drain] = []
        self._waiting: list[tuple[Record, InputEvent]] = []
        """Inputs that no workflow task has handed to the code yet."""
        self._fresh = 0
        """Where among them those begin that came since the last workflow task."""
        self._is_paused = False
        self._end: tuple[Record, AnyEvent] | None = None

    def history(self) -> History:
        """Return the whole as ours.

        Raises:
            HistoryError: it cannot be; the event at fault is named.
        """
        records = self._records
        if records[0].kind != "WorkflowExecutionStarted":
            raise HistoryError("history does not begin with WorkflowExecutionStarted", "event 1")
        index = 0
        while index < len(records):
            record = records[index]
            index += 1
            if record.kind == "WorkflowTaskCompleted":
                end = index
                while end < len(records) and records[end].kind in _DECISIONS:
                    end += 1
                self._turn(record, records[index:end])
                index = end
            elif record.kind in _INPUTS:
                self._take(record)
            elif record.kind in ends.UNASKED:
                if index < len(records):
                    raise HistoryError("history goes on after its end", records[index].where)
                # Nobody handed them to the code any more; but how a run began is told of one that never got that far.
                del self._waiting[0 if self._drains else 1 :]
                self._end = record, ends.UNASKED[record.kind](record)
            elif record.kind in _DECISIONS:
                raise HistoryError(f"{record.kind} does not stand behind a WorkflowTaskCompleted", record.where)
            elif record.kind not in _IGNORED:
                raise HistoryError(f"Holdfast has no words for {record.kind[:80]!r}", record.where)
        if self._waiting and not (self._is_paused and self._drains):
            self._drains.append(_Drain(records[-1].time, self._waiting))
        past = self._course.past
        history = _written(self._drains, self._end, past, is_ours=self._course.is_ours)
        over = {step: each.outcomes for step, each in self._course.fan_outs.items() if not each.is_wanted}
        outcomes = {step: tuple(each.values()) for step, each in over.items()}
        return replace(history, outcomes={**(past.past.outcomes if past is not None else {}), **outcomes})

    def _take(self, record: Record) -> None:
        """Take what reaches the code from outside."""
        course = self._course
        told: list[InputEvent | None]
        if course.is_ours and record.kind == _SIGNAL and record.members.text("signalName") in (PAUSE, RESUME):
            self._is_paused = record.members.text("signalName") == PAUSE
            if not self._is_paused:  # who has parked the run hears of it before all else that came
                self._waiting[self._fresh : self._fresh] = [(record, each) for each in outside.resumed(course, record)]
            return
        told = [_INPUTS[record.kind](course, record)]
        if record.number == 1 and course.past is not None:
            return  # it begins with what another run recorded
        if record.number == 1 and course.is_ours:
            told += outside.carried(record)
        self._waiting += [(record, each) for each in told if each is not None]

    # --- One workflow task -----------------------------------------------------------------------------------------

    def _turn(self, task: Record, decisions: Sequence[Record]) -> None:
        course = self._course
        self._waiting += [(each, outside.update_accepted(course, each)) for each in decisions if each.kind == _UPDATE]
        started = course.begun(task, "startedEventId", "WorkflowTaskStarted")
        waits = (self._is_paused and bool(self._drains)) or self._is_repeating(decisions)
        drains = [_Drain(self._records[started - 1].time, [] if waits else self._waiting)]
        if not waits:
            self._waiting = []
        for record in decisions:
            if markers.is_local(record):
                outcome = markers.local_outcome(course, record)
                if outcome is not None and waits and isinstance(outcome.event, SideEffectRecorded):
                    self._waiting.append((record, outcome.event))
                elif outcome is not None:
                    _tell(drains, record, outcome)
            else:
                made = _DECISIONS[record.kind](course, record)
                past = course.past
                if made is not None and not (past is not None and past.takes(made, record.number)):
                    drains[-1].decisions.append((record, made))
        self._fresh = len(self._waiting)
        if not drains[0].inputs:
            if drains[0].decisions:
                self._decide_late(drains[0].decisions)
            del drains[0]  # a task that only answered queries, or only said that it was alive
        self._drains += drains

    def _is_repeating(self, decisions: Sequence[Record]) -> bool:
        """Say whether the run's past is not over in a workflow task: what came waits until it is."""
        past = self._course.past
        return past is not None and not past.is_over and not any(ends_past(each) for each in decisions)

    def _decide_late(self, decisions: Sequence[tuple[Record, DecisionEvent]]) -> None:
        """Take what the code had asked for before, when something of ours was in the way that no code hears of.

        A run does not end before its locks are free; a fan-out begins when there is room for it.
        """
        record, first = decisions[0]
        if not self._course.is_ours or not self._drains or not isinstance(first, (FanOutStarted, *CLOSING)):
            raise HistoryError("decisions without anything that caused them", record.where)
        self._drains[-1].decisions += decisions


def _tell(drains: list[_Drain], record: Record, outcome: markers.LocalOutcome) -> None:
    """Hand what came of a local activity to the code, in a drain of its own unless it was told with others."""
    last = drains[-1]
    if isinstance(outcome.event, SideEffectCancelled):
        last.decisions.append((record, outcome.event))
    elif outcome.activation is not None and outcome.activation <= last.activation:
        last.inputs.append((record, outcome.event))
        last.time = max(last.time, outcome.time)
    else:
        time = max(last.time, outcome.time)
        drains.append(_Drain(time, [(record, outcome.event)], activation=outcome.activation or last.activation + 1))


# --- Drains as events ----------------------------------------------------------------------------------------------


def _written(
    drains: Sequence[_Drain], end: tuple[Record, AnyEvent] | None, past: Repetition | None, *, is_ours: bool
) -> History:
    """Return drains as a history, behind the past that the run begins with."""
    _request_side_effects(drains, past)
    events: list[AnyEvent] = []
    sources: list[int] = []
    bounds: list[int] = []
    dues: dict[str, float] = {}
    decided = 0
    if past is not None:
        events, sources, bounds, dues, decided = past.events, past.sources, [*past.bounds], past.dues, past.issued
    for drain in drains:
        for record, event in _as_told(drain.inputs, dues) if is_ours else drain.inputs:
            event.time, event.issued = drain.time, decided
            events.append(event)
            sources.append(record.number)
        cause = len(events)
        bounds.append(cause)
        marks = commands = 0
        for record, decision in drain.decisions:
            decision.cause = cause
            if isinstance(decision, PatchMarked):
                marks += 1
                decision.ordinal = -marks  # it has no place among the commands
            else:
                decision.ordinal = commands
                commands += 1
            if isinstance(decision, TimerStarted):
                decision.due = dues[decision.step] = drain.time + decision.seconds
            events.append(decision)
            sources.append(record.number)
        decided += commands
    if end is not None:
        events.append(end[1])
        sources.append(end[0].number)
    singly = 0 if past is None else past.past.singly
    return History(tuple(events), engine=ENGINE, drains=tuple(bounds), singly=singly, sources=tuple(sources))


def _as_told(inputs: Sequence[tuple[Record, InputEvent]], dues: dict[str, float]) -> list[tuple[Record, InputEvent]]:
    """Return a drain's inputs in the order in which our adapter tells them."""
    records = {id(event): record for record, event in inputs}
    told = in_order([event for _, event in inputs], lambda step: dues.get(step, 0.0))
    return [(records[id(event)], event) for event in told]


def _request_side_effects(drains: Sequence[_Drain], past: Repetition | None) -> None:
    """Let each side effect be asked for in the drain before the one that it reaches the code in, or earlier."""
    requested = frozenset() if past is None else past.requested
    for before, drain in pairwise(drains):
        for record, event in (*drain.inputs, *drain.decisions):
            if isinstance(event, SideEffectRecorded | SideEffectCancelled) and event.step not in requested:
                before.decisions.append((record, SideEffectRequested(before.time, 0, 0, event.step)))
    for record, event in drains[0].inputs if drains else ():
        if not isinstance(event, SideEffectRecorded) or event.step in requested:
            continue
        if past is not None:
            past.request(event.step, record.number)
        else:
            raise HistoryError("a local activity ended before anything can have asked for it", record.where)


# --- Kinds of events -----------------------------------------------------------------------------------------------


def _attributes_set(course: Course, record: Record) -> AttributesSet | None:
    if course.is_ours:
        return None  # the memo in front of it says more
    changes = read_attributes(record.members.get("searchAttributes"), record.where)
    return AttributesSet(record.time, 0, 0, changes) if changes else None  # else they are Temporal's own


def _nothing(_: Course, __: Record) -> None:
    """Take a decision that workflow code here does not make."""


_INPUTS: Final[dict[str, Callable[[Course, Record], Any]]] = {
    **outside.INPUTS,
    **activities.INPUTS,
    **timers.INPUTS,
    **children.INPUTS,
    **messages.INPUTS,
}
"""What reaches the code from outside."""

_DECISIONS: Final[dict[str, Callable[[Course, Record], Any]]] = {
    **outside.DECISIONS,
    **activities.DECISIONS,
    **timers.DECISIONS,
    **children.DECISIONS,
    **messages.DECISIONS,
    **markers.DECISIONS,
    **ends.DECISIONS,
    _UPDATE: _nothing,  # an input, and taken as one
    "UpsertWorkflowSearchAttributes": _attributes_set,
}
"""What the code asked for; it stands right behind the task that it was asked in."""

_IGNORED: Final = frozenset(
    {
        "ActivityPropertiesModifiedExternally",
        "WorkflowExecutionOptionsUpdated",
        "WorkflowExecutionPaused",
        "WorkflowExecutionTimeSkippingTransitioned",
        "WorkflowExecutionUnpaused",
        "WorkflowExecutionUpdateAdmitted",
        "WorkflowPropertiesModifiedExternally",
        "WorkflowTaskFailed",
        "WorkflowTaskScheduled",
        "WorkflowTaskStarted",
        "WorkflowTaskTimedOut",
    }
)
"""What no workflow code sees or asks for."""
