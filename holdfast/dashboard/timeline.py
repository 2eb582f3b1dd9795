"""The timeline of a run: who did what when, drawn on the server.

Owns: which events begin, end and mark a lane; where its pieces stand; which idle time is folded.
Must not know: where events come from, colours, pages.

A lane is a step: a task with its attempts, a timer, a lock, a child, a message. Where for a long time nothing was under
way but waiting, the drawing is folded: a night takes as much room as a moment, and says how long it was. So a run that
worked for two seconds, waited three days and worked again shows both pieces of work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from holdfast.dashboard.words import moment, span

FOLD_FACTOR: Final = 3.0
"""Waiting is folded where it takes longer than this many times all work together."""
FOLD_SECONDS_MIN: Final = 5.0
FOLD_SHARE: Final = 0.06
"""How much of the drawing a fold takes."""
FOLDS_MAX: Final = 6
WIDTH_MIN: Final = 0.45
"""How narrow a piece may be, in percent, so that it is seen."""

BEGINS: Final[Mapping[str, tuple[str, str]]] = {
    # event that begins a lane: what it is, which field says of what
    "TaskScheduled": ("task", "task"),
    "FanOutStarted": ("fan-out", "task"),
    "TimerStarted": ("timer", ""),
    "LockRequested": ("lock", "name"),
    "ChildScheduled": ("child", "workflow"),
    "MessageSent": ("message", "run_id"),
    "SideEffectRequested": ("side effect", ""),
    "CallbackOpened": ("callback", ""),
    "RunParked": ("parked", "reason"),
    "UpdateAccepted": ("update", "name"),
}
ENDS: Final[Mapping[str, str]] = {
    "TaskCompleted": "done",
    "TaskFailed": "failed",
    "TaskTimedOut": "failed",
    "TaskCancelled": "cancelled",
    "FanOutCompleted": "done",
    "FanOutCancelled": "cancelled",
    "TimerFired": "done",
    "TimerCancelled": "cancelled",
    "LockReleased": "done",
    "ChildCompleted": "done",
    "ChildFailed": "failed",
    "MessageDelivered": "done",
    "SideEffectRecorded": "done",
    "SideEffectCancelled": "cancelled",
    "RunResumed": "done",
    "UpdateCompleted": "done",
}
MARKS: Final[Mapping[str, str]] = {
    "SignalReceived": "signal",
    "CancelRequested": "cancel",
    "WorkflowCompleted": "completed",
    "WorkflowFailed": "failed",
    "WorkflowCancelled": "cancelled",
    "WorkflowContinued": "continued",
    "WorkflowTerminated": "terminated",
    "WorkflowTimedOut": "timed out",
}
WAITING: Final = frozenset({"timer", "lock", "child", "callback", "parked"})
"""Lanes that are no work: what they take may be folded."""


@dataclass(slots=True)
class Piece:
    """A stretch of a lane, in seconds; then, in percent of the drawing."""

    start: float
    end: float
    kind: str
    title: str
    x: str = ""
    width: str = ""


@dataclass(slots=True)
class Lane:
    """One step."""

    step: str
    kind: str
    of: str
    event: int
    """Where it begins."""
    start: float
    end: float | None = None
    outcome: str = "open"
    worker: str = ""
    run: str = ""
    """The run it leads to."""
    said: str = ""
    attempts: list[Mapping[str, Any]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    held: float | None = None
    """When a lock was granted."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Where idle time is folded, in percent, and how long it is."""

    x: str
    width: str
    words: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing."""

    lanes: tuple[Lane, ...]
    folds: tuple[Fold, ...]
    begin: float
    end: float


def draw_timeline(events: Sequence[Mapping[str, Any]], now: float, *, is_open: bool) -> Timeline:
    """Return the timeline of some events of a run, as the API gives them.

    Args:
        events: in order; they may begin in the middle of a history.
        now: until when what is open is drawn, in seconds since the epoch.
        is_open: whether the run has not ended.
    """
    lanes = _lanes(events)
    begin = _seconds(events[0]["time"]) if events else now
    last = max((_seconds(each["time"]) for each in events), default=now)
    end = max(now, last) if is_open else last
    for lane in lanes:
        _cut(lane, end)
    scale = _Scale(lanes, begin, max(end, begin + 0.001))
    for lane in lanes:
        for piece in lane.pieces:
            start, stop = scale.place(piece.start), scale.place(piece.end)
            width = max(stop - start, WIDTH_MIN)
            piece.x = _percent(min(start, 100 - width))
            piece.width = _percent(width)
    return Timeline(tuple(lanes), scale.folds, begin, end)


def _lanes(events: Sequence[Mapping[str, Any]]) -> list[Lane]:
    lanes: list[Lane] = []
    known: dict[str, Lane] = {}
    first = _seconds(events[0]["time"]) if events else 0.0
    for each in events:
        kind = each["type"]
        at = _seconds(each["time"])
        step = str(each.get("step") or each.get("update_id") or "")
        if kind in BEGINS:
            what, of = BEGINS[kind]
            name = str(each["name"]) if kind == "UpdateAccepted" else step
            lane = Lane(name, what, str(each.get(of, "")) if of else "", each["id"], at, run=_leads_to(each))
            if kind == "TimerStarted":
                lane.said = span(each["seconds"])
            known[step] = lane
            lanes.append(lane)
        elif kind in ENDS:
            ended = known.get(step)
            if ended is None:  # it began before these events
                ended = known[step] = Lane(step, kind.removesuffix("Completed").lower(), "", each["id"], first)
                lanes.append(ended)
            _end(ended, each, at)
        elif kind == "LockGranted" and step in known:
            known[step].held = at
        elif kind in MARKS:
            name = str(each.get("name") or MARKS[kind])
            mark = Lane(name, MARKS[kind] if "name" in each else "run", "", each["id"], at, at, "mark")
            mark.said = str(each.get("sender") or each.get("reason") or "")
            lanes.append(mark)
    return lanes


def _end(lane: Lane, event: Mapping[str, Any], at: float) -> None:
    lane.end, lane.outcome = at, ENDS[event["type"]]
    if event.get("failure") and lane.outcome == "done":
        lane.outcome = "failed"
    lane.worker = str(event.get("worker", ""))
    lane.attempts = list(event.get("attempts", ()))
    failure = event.get("failure") or event.get("first_failure")
    if failure:
        lane.said = f"{failure['type']}: {failure['message']}"


def _leads_to(event: Mapping[str, Any]) -> str:
    return str(event["run_id"]) if event["type"] in {"ChildScheduled", "MessageSent"} else ""


def _cut(lane: Lane, now: float) -> None:
    """Cut a lane into what it was at which time."""
    end = now if lane.end is None else lane.end
    if lane.outcome == "mark":
        lane.pieces = [Piece(lane.start, lane.start, "mark", lane.step)]
        return
    if lane.kind == "lock":
        granted = end if lane.held is None else lane.held
        lane.pieces = [Piece(lane.start, granted, "wait", f"waited {span(granted - lane.start)}")]
        if lane.held is not None:
            lane.pieces.append(Piece(granted, end, "held", f"held {span(end - granted)}"))
        return
    at = lane.start
    for attempt in lane.attempts:
        started, ended = _seconds(attempt["started"]), _seconds(attempt["ended"])
        if started - at > 0:
            lane.pieces.append(Piece(at, started, "wait", f"waited {span(started - at)}"))
        where = f" on {attempt['worker']}" if attempt["worker"] else ""
        title = f"attempt {attempt['number']}{where}, {span(max(ended - started, 0))}"
        lane.pieces.append(Piece(started, ended, "failed", title))
        at = max(at, ended)
    if lane.outcome == "failed" and lane.attempts:
        return  # its last attempt was the last of all
    kind = "wait" if lane.kind in WAITING else lane.outcome
    where = f" on {lane.worker}" if lane.worker else ""
    lane.pieces.append(Piece(at, max(end, at), kind, f"{lane.outcome}{where}, {span(max(end - at, 0))}"))


class _Scale:
    """Where a time stands in the drawing."""

    def __init__(self, lanes: Sequence[Lane], begin: float, end: float) -> None:
        times = sorted(
            {begin, end, *(edge for lane in lanes for piece in lane.pieces for edge in (piece.start, piece.end))}
        )
        gaps = [(one, other) for one, other in pairwise(times) if other > one]
        work = [
            (piece.start, piece.end)
            for lane in lanes
            if lane.kind not in WAITING
            for piece in lane.pieces
            if piece.kind not in {"wait", "mark"} and lane.end is not None
        ]
        busy = [gap for gap in gaps if any(start <= gap[0] and gap[1] <= stop for start, stop in work)]
        worked = sum(other - one for one, other in busy)
        limit = max(FOLD_SECONDS_MIN, FOLD_FACTOR * worked)
        idle = sorted((gap for gap in gaps if gap not in set(busy)), key=lambda gap: gap[0] - gap[1])
        folded = {gap for gap in idle[:FOLDS_MAX] if gap[1] - gap[0] > limit} if busy else set()
        plain = sum(other - one for one, other in gaps if (one, other) not in folded)
        room = 100.0 * (1 - FOLD_SHARE * len(folded))
        self._points: list[tuple[float, float]] = []
        folds: list[Fold] = []
        at = 0.0
        for one, other in gaps:
            self._points.append((one, at))
            if (one, other) in folded:
                width = 100.0 * FOLD_SHARE if plain else 100.0 / len(folded)
                folds.append(Fold(_percent(at), _percent(width), span(other - one)))
            else:
                width = room * (other - one) / plain
            at += width
        self._points.append((end, at))
        self.folds = tuple(folds)

    def place(self, time: float) -> float:
        """Return where a time stands, in percent."""
        for (one, x), (other, y) in pairwise(self._points):
            if time <= other:
                return x if time <= one else x + (y - x) * (time - one) / (other - one)
        return self._points[-1][1]


def _seconds(iso: str) -> float:
    return moment(iso).timestamp()


def _percent(value: float) -> str:
    return f"{min(max(value, 0.0), 100.0):.2f}%"
