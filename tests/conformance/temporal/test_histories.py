"""Histories move between Holdfast and Temporal, and each side's replayer judges the other's.

`histories/` was recorded on a real Temporal server, of workflows written with its own SDK; see `record.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.history import (
    AnyEvent,
    Decision,
    Failure,
    SignalReceived,
    TaskCompleted,
    TaskScheduled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
)
from holdfast.history.temporal import to_temporal
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from tests.conformance.temporal import ours
from tests.conformance.temporal.asking import judge
from tests.conformance.temporal.playing import play

HISTORIES = Path(__file__).parent / "histories"
ENDS = {
    "Order": ("COMPLETED", ["ABC", "B", "C", "EARLY", "me"]),
    "Shipment": ("COMPLETED", {"cost": 2.25, "left": 2, "article": "ink"}),
    "Refused": ("COMPLETED", "put right: ValueError"),
    "Doomed": ("FAILED", None),
    "Race": ("COMPLETED", ["PEN", "late", "timed out"]),
    "Patient": ("CANCELLED", None),
    "Changed": ("COMPLETED", "ink"),
}
NAMES = tuple(ENDS)
"""Those of which a server's history is here."""
PLAYED = {**ENDS, "Labelled": ("COMPLETED", "ink")}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[AnyEvent]]:
    """Return what the embedded stack recorded of each workflow."""
    return asyncio.run(play(tmp_path_factory.mktemp("played")))


# --- Theirs, replayed here ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_temporal_recorded_replays_as_the_same_logic_here(name: str) -> None:
    """Identical, drained where Temporal drained it, and the verdict says for which engine it holds."""
    result = WorkflowReplayer(ours.WORKFLOWS[name]).replay(load_history(HISTORIES / f"{name}.json"))
    assert (result.verdict, result.divergences) == (Verdict.IDENTICAL, ())
    assert (result.status, result.output) == ENDS[name]
    assert result.matches_production
    assert result.engine == "temporal"


@pytest.mark.parametrize("name", NAMES)
def test_every_beginning_of_what_temporal_recorded_replays(name: str) -> None:
    """A run that is still under way agrees as far as it has come."""
    content = json.loads((HISTORIES / f"{name}.json").read_text())
    events = content["events"]
    for count in range(1, len(events)):
        if any(each in events[count]["eventType"] for each in DECIDED):
            continue  # Temporal writes what one task decided in one piece
        result = WorkflowReplayer(ours.WORKFLOWS[name]).replay(load_history({"events": events[:count]}))
        assert result.verdict in {Verdict.IDENTICAL, Verdict.COMPATIBLE_NEW_TAIL}, (count, result.diff())


DECIDED = (
    "ACTIVITY_TASK_SCHEDULED",
    "CANCEL_REQUESTED",
    "TIMER_STARTED",
    "TIMER_CANCELED",
    "_UPDATE_",
    "EXECUTION_COMPLETED",
    "EXECUTION_FAILED",
    "EXECUTION_CANCELED",
    "MARKER_RECORDED",
    "UPSERT_",
)


# --- Ours, replayed there ----------------------------------------------------------------------------------------


def test_temporals_own_replayer_accepts_what_we_recorded(played: dict[str, list[AnyEvent]], tmp_path: Path) -> None:
    """For the same logic, written with Temporal's SDK."""
    said = judge("theirs", [to_temporal(played[name], for_sdk=True) for name in PLAYED], tmp_path)
    assert dict(zip(PLAYED, said, strict=True)) == dict.fromkeys(PLAYED)


def test_it_accepts_them_for_the_same_code_too(played: dict[str, list[AnyEvent]], tmp_path: Path) -> None:
    """With our plugin, which gives other ids to steps."""
    said = judge("ours", [to_temporal(played[name]) for name in PLAYED], tmp_path)
    assert dict(zip(PLAYED, said, strict=True)) == dict.fromkeys(PLAYED)


@pytest.mark.parametrize("name", PLAYED)
def test_what_we_write_for_temporal_replays_here_too(name: str, played: dict[str, list[AnyEvent]]) -> None:
    """To the end that the run had."""
    result = WorkflowReplayer(ours.WORKFLOWS[name]).replay(load_history(to_temporal(played[name], for_sdk=True)))
    assert (result.verdict, result.divergences) == (Verdict.IDENTICAL, ())
    assert (result.status, result.output) == PLAYED[name]
    assert (result.run_id, result.workflow) == (f"{name.lower()}-1", name)


def _changed(kind: type, number: int, **changes: Any) -> Callable[[list[AnyEvent]], list[AnyEvent]]:
    """Return an edit that changes fields of the `number`-th event of a kind."""

    def edit(events: list[AnyEvent]) -> list[AnyEvent]:
        target = [each for each in events if isinstance(each, kind)][number]
        return [msgspec.structs.replace(each, **changes) if each is target else each for each in events]

    return edit


def _without_timer(events: list[AnyEvent]) -> list[AnyEvent]:
    # Ids of events are their places, and decisions name them: what is taken out leaves an input that says nothing.
    kept = [each for each in events if not (isinstance(each, TimerStarted) and each.step == "sleep#1")]
    return _moved(events, kept)


def _with_task(events: list[AnyEvent]) -> list[AnyEvent]:
    extra = TaskScheduled(events[1].time, 1, 99, "charge#1", "charge", b"1")
    return _moved(events, [events[0], extra, *events[1:]])


def _with_timer(events: list[AnyEvent]) -> list[AnyEvent]:
    extra = TimerStarted(events[1].time, 1, 99, "sleep#9", 5.0, events[1].time + 5)
    return _moved(events, [events[0], extra, *events[1:]])


def _task_for_timer(events: list[AnyEvent]) -> list[AnyEvent]:
    return [
        TaskScheduled(each.time, each.cause, each.ordinal, each.step, "sleep", b"1")
        if isinstance(each, TimerStarted) and each.step == "sleep#1"
        else TaskCompleted(each.time, each.issued, each.step, b"null")
        if isinstance(each, TimerFired) and each.step == "sleep#1"
        else each
        for each in events
    ]


def _failed(events: list[AnyEvent]) -> list[AnyEvent]:
    end = events[-1]
    assert isinstance(end, WorkflowCompleted)
    return [*events[:-1], WorkflowFailed(end.time, end.cause, end.ordinal, Failure("ValueError", "no"))]


def _moved(before: list[AnyEvent], after: list[AnyEvent]) -> list[AnyEvent]:
    """Return events with the causes of decisions where they have moved to."""
    places = {id(each): place for place, each in enumerate(after, 1)}
    causes = {number: places.get(id(each), 0) for number, each in enumerate(before, 1)}
    known = {id(each) for each in before}
    moved = []
    for each in after:
        follows = isinstance(each, Decision) and id(each) in known
        moved.append(msgspec.structs.replace(each, cause=causes[each.cause]) if follows else each)
    return moved


EDITS: dict[str, Callable[[list[AnyEvent]], list[AnyEvent]]] = {
    "another task": _changed(TaskScheduled, 0, task="charge"),
    "another task later": _changed(TaskScheduled, 3, task="charge"),
    "a task too many": _with_task,
    "a timer too many": _with_timer,
    "a timer too few": _without_timer,
    "a task for a timer": _task_for_timer,
    "another signal": _changed(SignalReceived, 0, name="reject"),
    "another update": _changed(UpdateAccepted, 0, name="remove"),
    "a failure for a result": _failed,
    "another workflow": _changed(WorkflowStarted, 0, workflow="Invoice"),
}


def test_temporals_own_replayer_refuses_ten_of_ten_edited_exports(
    played: dict[str, list[AnyEvent]], tmp_path: Path
) -> None:
    """So its acceptance means something. Each is also refused here."""
    edited = {name: to_temporal(edit(played["Order"]), for_sdk=True) for name, edit in EDITS.items()}
    said = dict(zip(edited, judge("theirs", list(edited.values()), tmp_path), strict=False))
    assert len(said) == 10
    assert all(said.values()), said
