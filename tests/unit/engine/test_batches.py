"""Drains over several inputs, and commands in the words of another engine's history."""

# ruff: noqa: D102 - what a workflow's methods do is what they are

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.authoring import DeterminismGuard, definition_of, signal, update, workflow
from holdfast.engine import BatchedExecution, decide_fork, recover
from holdfast.errors import DivergenceError, HistoryError
from holdfast.history import (
    AnyEvent,
    SignalReceived,
    TaskCompleted,
    TaskScheduled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowCompleted,
    WorkflowStarted,
)
from tests.errands import charge, fetch

START = WorkflowStarted(1000.0, 0, "w", "run-1", "run-1", b"null", 7, 0, "", "")


def replay(subject: Any, events: Sequence[AnyEvent], drains: Sequence[int]) -> list[Any]:
    """Bring an execution to the end of a history; return the commands that history does not have."""
    execution = BatchedExecution(definition_of(subject), DeterminismGuard(), lambda *_: pytest.fail("no fan-out here"))
    execution.follow(events, drains)
    try:
        return [each.command for each in recover(execution, events)]
    finally:
        execution.evict()


@workflow
class Notes:
    """Says in which order it heard things."""

    def __init__(self) -> None:
        self.heard: list[str] = ["made"]

    async def run(self) -> list[str]:
        self.heard.append("begun")
        await fetch("a")
        self.heard.append("fetched")
        return self.heard

    @signal
    def hear(self, word: str) -> None:
        self.heard.append(word)

    @update
    async def ask(self, word: str) -> int:
        await charge(word)
        self.heard.append(word)
        return len(self.heard)


def test_messages_are_told_before_a_run_begins() -> None:
    """And what they set off runs until it waits: a handler's task is asked for before the run's."""
    events = [
        START,
        SignalReceived(1000.0, 0, "hear", b'"early"', "1"),
        UpdateAccepted(1000.0, 0, "u", "ask", b'"why"'),
        TaskScheduled(1000.0, 3, 0, "charge#1", "charge", b'"why"'),
        TaskScheduled(1000.0, 3, 1, "fetch#1", "fetch", b'"a"'),
        TaskCompleted(1001.0, 2, "charge#1", b"null"),
        TaskCompleted(1001.0, 2, "fetch#1", b'"A"'),
        UpdateCompleted(1001.0, 7, 0, "u", b"4"),
        WorkflowCompleted(1001.0, 7, 1, b'["made","early","begun","why","fetched"]'),
    ]
    assert replay(Notes, events, [3, 7]) == []


@workflow
async def side_by_side() -> list[Any]:
    """Charge for each of three things as it ends."""
    seen: list[Any] = []

    async def each(name: str, what: Any) -> None:
        await what
        seen.append(name)
        await charge(name)

    await asyncio.gather(each("timer", asyncio.sleep(5)), each("one", fetch(1)), each("two", fetch(2)))
    return seen


def test_outcomes_wake_code_in_the_order_of_history() -> None:
    """A timer has no turn less to go than a task."""
    asked = [
        TaskScheduled(1000.0, 1, 0, "fetch#1", "fetch", b"1"),
        TaskScheduled(1000.0, 1, 1, "fetch#2", "fetch", b"2"),
        TimerStarted(1000.0, 1, 2, "sleep#1", 5.0, 1005.0),
    ]
    ends = {
        "two": TaskCompleted(1005.0, 3, "fetch#2", b"2"),
        "timer": TimerFired(1005.0, 3, "sleep#1"),
        "one": TaskCompleted(1005.0, 3, "fetch#1", b"1"),
    }
    for order in (("two", "timer", "one"), ("timer", "one", "two"), ("one", "two", "timer")):
        charged = [
            TaskScheduled(1005.0, 7, place, f"charge#{place + 1}", "charge", f'"{name}"'.encode())
            for place, name in enumerate(order)
        ]
        assert replay(side_by_side, [START, *asked, *(ends[each] for each in order), *charged], [1, 7]) == []


@workflow
async def wordy() -> dict[str, int]:
    """Pass an object, several arguments and a duration that does not come out even."""
    await fetch({"b": 1, "a": 2})
    await asyncio.sleep(0.1 + 0.2)
    return {"b": 1, "a": 2}


def wordy_history(**changes: Any) -> list[AnyEvent]:
    """Return what another engine recorded of `wordy`, in its own words."""
    given = {"input": b'{"a":2,"b":1}', "seconds": 0.3, "result": b'{"a":2,"b":1}', **changes}
    return [
        START,
        TaskScheduled(1000.0, 1, 0, "fetch#1", "fetch", given["input"]),
        TaskCompleted(1001.0, 1, "fetch#1", b"1"),
        TimerStarted(1001.0, 3, 0, "sleep#1", given["seconds"], 1001.0 + given["seconds"]),
        TimerFired(1002.0, 2, "sleep#1"),
        WorkflowCompleted(1002.0, 5, 0, given["result"]),
    ]


def test_the_same_in_other_words_is_the_same() -> None:
    """Members in another order, durations that were rounded."""
    assert replay(wordy, wordy_history(), [1, 3, 5]) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"input": b'{"a":2,"b":2}'}, "INPUT_CHANGED"),
        ({"seconds": 0.31}, "DURATION_CHANGED"),
        ({"result": b'{"a":2}'}, "RESULT_CHANGED"),
    ],
)
def test_what_really_differs_still_differs(changes: dict[str, Any], kind: str) -> None:
    """By its own kind."""
    with pytest.raises(DivergenceError) as caught:
        replay(wordy, wordy_history(**changes), [1, 3, 5])
    assert caught.value.kind == kind


@workflow
async def fickle() -> None:
    """Take a call back at once, use a key, and go on."""
    fetch(0).cancel()
    await fetch.options(key="doc-7")(1)
    await asyncio.wait([fetch(2)])


def test_steps_are_called_what_history_calls_them() -> None:
    """Whatever was taken back at once, and whatever keys they have here."""
    events = [
        START,
        TaskScheduled(1000.0, 1, 0, "fetch#1", "fetch", b"1"),
        TaskCompleted(1001.0, 1, "fetch#1", b"1"),
        TaskScheduled(1001.0, 3, 0, "fetch#2", "fetch", b"2"),
        TaskCompleted(1002.0, 2, "fetch#2", b"2"),
        WorkflowCompleted(1002.0, 5, 0, b"null"),
    ]
    assert replay(fickle, events, [1, 3, 5]) == []


@workflow
async def careless() -> int:
    """End with a task under way."""
    fetch("never")
    return await charge(1)


def test_what_the_engine_takes_back_at_the_end_need_not_be_recorded() -> None:
    """The other engine takes nothing back."""
    events = [
        START,
        TaskScheduled(1000.0, 1, 0, "fetch#1", "fetch", b'"never"'),
        TaskScheduled(1000.0, 1, 1, "charge#1", "charge", b"1"),
        TaskCompleted(1001.0, 2, "charge#1", b"1"),
        WorkflowCompleted(1001.0, 4, 0, b"1"),
    ]
    assert replay(careless, events, [1, 4]) == []


def test_a_moved_call_is_known_by_what_it_does() -> None:
    """Although its input stands in other words."""
    events = wordy_history()
    events.insert(1, TaskScheduled(1000.0, 1, 0, "charge#1", "charge", b"1"))
    for event in events[2:]:
        if isinstance(event, TaskScheduled):
            event.ordinal = 1
    with pytest.raises(DivergenceError) as caught:
        replay(wordy, events[:3], [1])
    assert caught.value.kind == "REMOVED"


def test_an_outcome_nobody_asked_for_is_an_error() -> None:
    """In a drain of several inputs as in one of one."""
    stray = TaskCompleted(1000.0, 0, "fetch#9", b"1")
    with pytest.raises(HistoryError, match=r"outcome of fetch#9 .* did not ask for it"):
        replay(wordy, [START, stray], [2])


TALK = [
    START,
    SignalReceived(1000.0, 0, "hear", b'"early"', "1"),
    UpdateAccepted(1000.0, 0, "u", "ask", b'"why"'),
    TaskScheduled(1000.0, 3, 0, "charge#1", "charge", b'"why"'),
    TaskScheduled(1000.0, 3, 1, "fetch#1", "fetch", b'"a"'),
    TaskCompleted(1001.0, 2, "charge#1", b"null"),
    UpdateCompleted(1001.0, 6, 0, "u", b"4"),
    SignalReceived(1002.0, 3, "hear", b'"late"', "2"),
    TaskCompleted(1002.0, 3, "fetch#1", b'"A"'),
    WorkflowCompleted(1002.0, 9, 0, b'["made","early","begun","why","late","fetched"]'),
]


@pytest.mark.parametrize("at", range(1, len(TALK)))
def test_a_fork_of_such_a_history_goes_on_from_its_cut(at: int) -> None:
    """Its code asks again for what is left out, in the places it had; and for nothing that is kept."""
    plan = decide_fork(TALK, str(at), "fork", drains=(3, 6, 9))
    kept = {each.step for each in plan.events if isinstance(each, TaskScheduled)}
    again = {each.step for each in replay(Notes, plan.events, plan.drains) if hasattr(each, "step")}
    assert not kept & again
    if at >= 3:
        assert kept | again >= {"charge#1", "fetch#1"}
    inputs = [number for number, each in enumerate(plan.events, 1) if not hasattr(each, "cause")]
    assert plan.drains[-1] == inputs[-1]
    assert set(plan.drains) <= set(inputs)


def test_what_the_embedded_engine_recorded_is_drained_input_by_input() -> None:
    """Where it stands in front of a history, its commands have the places they had there, gaps and all."""
    events = [
        START,
        TaskScheduled(1000.0, 1, 0, "fetch#1", "fetch", b'"a"'),
        SignalReceived(1000.0, 1, "hear", b'"first"', "1"),
        UpdateAccepted(1000.0, 1, "u", "ask", b'"why"'),
        TaskScheduled(1000.0, 4, 0, "charge#1", "charge", b'"why"'),
        TaskCompleted(1001.0, 2, "charge#1", b"null"),
        TaskCompleted(1001.0, 2, "fetch#1", b'"A"'),
        UpdateCompleted(1001.0, 7, 0, "u", b"4"),
        WorkflowCompleted(1001.0, 7, 1, b'["made","begun","first","why","fetched"]'),
    ]
    execution = BatchedExecution(definition_of(Notes), DeterminismGuard(), lambda *_: pytest.fail("no fan-out here"))
    execution.follow(events, [7], singly=5)
    assert recover(execution, events) == []
    execution.evict()
    with pytest.raises(DivergenceError):
        replay(Notes, events, [4, 7])
