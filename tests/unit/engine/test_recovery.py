"""From a history back to an execution, and each way in which code can depart from its history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.authoring import lock, map_tasks, run_info, set_attributes
from holdfast.engine.behaviours import KNOWN
from holdfast.engine.matching import Difference, describe_decision
from holdfast.engine.recovery import recover
from holdfast.errors import DivergenceError, HistoryError, InputError
from holdfast.history import (
    AnyEvent,
    AttributesSet,
    CancelRequested,
    Failure,
    FanOutCancelled,
    FanOutStarted,
    Input,
    LockReleased,
    LockRequested,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTerminated,
)
from holdfast.history.attributes import ATTRIBUTES_MAX
from tests.errands import charge, fetch, undo
from tests.rehearsal import START, Rehearsal, Script, say

Rehearse = Callable[..., Rehearsal]


def record(rehearse: Rehearse, run: Callable[..., Any], **options: Any) -> Rehearsal:
    """Let a run have every outcome it asks for, in order of asking, until it ends; results are the steps' inputs."""
    rehearsal = rehearse(Script(run), **options)
    while not rehearsal.execution.closed:
        step, future = next(iter(rehearsal.execution.open.items()))
        match step.partition("#")[0].partition("[")[0].partition("(")[0]:
            case "sleep":
                rehearsal.fire(step)
            case "lock":
                rehearsal.grant(step)
            case "map":
                rehearsal.fan_out(step, [(True, 1)] * len(future.command.items))
            case _:
                rehearsal.page(TaskCompleted(rehearsal.time, 0, step, future.command.input))
    rehearsal.close()
    return rehearsal


def depart(rehearse: Rehearse, history: list[AnyEvent], run: Callable[..., Any]) -> DivergenceError:
    """Return how other code departs from a history."""
    other = rehearse(Script(run), begin=False, trace=True)
    with pytest.raises(DivergenceError) as caught:
        other.recover(history)
    return caught.value


def line(run: Callable[..., Any], offset: int) -> str:
    """Return the words for a line of a function."""
    return f"{__file__}:{run.__code__.co_firstlineno + offset}, in {run.__qualname__}"


# --- Agreement ---------------------------------------------------------------------------------------------------


async def several(_: Any) -> Any:
    """Do some of everything."""
    first = await fetch(1)
    async with asyncio.timeout(5), lock("a"):
        await asyncio.gather(fetch(2), fetch(3))
    await map_tasks(charge, [1, 2])
    await asyncio.sleep(2)  # virtual time
    return first


def test_the_same_code_agrees_at_every_length(rehearse: Rehearse) -> None:
    """Every prefix replays; its tail is what was issued and not yet recorded."""
    rehearsal = record(rehearse, several)
    places = {(each.cause, each.ordinal): say(each) for each in rehearsal.issued}
    for length in range(1, len(rehearsal.history) + 1):
        events = rehearsal.history[:length]
        execution, tail = rehearsal.recover(events)
        recorded = {(each.cause, each.ordinal) for each in events if not isinstance(each, Input)}
        expected = {place: words for place, words in places.items() if place not in recorded and place[0] <= length}
        assert {(each.cause, each.ordinal): say(each) for each in tail} == expected
        execution.evict()


def test_any_iterable_of_events_will_do(rehearse: Rehearse) -> None:
    """Also one that can be read only once."""
    rehearsal = record(rehearse, several)
    execution = rehearsal.another()
    assert recover(execution, iter(rehearsal.history)) == []
    assert execution.closed


def test_a_terminated_history_leaves_nothing_running(rehearse: Rehearse) -> None:
    """Whatever the code was waiting for."""

    async def run(_: Any) -> None:
        await asyncio.gather(fetch(1), asyncio.create_task(asyncio.sleep(5)))  # virtual time

    rehearsal = rehearse(Script(run))
    rehearsal.write()
    rehearsal.history.append(WorkflowTerminated(START, "because"))
    execution, tail = rehearsal.recover()
    assert tail == []
    assert not execution.loop.tasks
    assert execution.closed


def test_decisions_may_be_recorded_in_any_order(rehearse: Rehearse) -> None:
    """A call is recorded when its outcome comes, which need not be the order of the calls."""

    async def run(_: Any) -> Any:
        return await asyncio.gather(fetch(1), fetch(2), fetch(3))

    rehearsal = rehearse(Script(run))
    one, two, three = rehearsal.unrecorded
    rehearsal.page(TaskCompleted(START, 0, "fetch#2", b"2"), record=[two])
    rehearsal.page(TaskCompleted(START, 0, "fetch#3", b"3"), record=[three])
    assert [say(each) for each in rehearsal.recover()[1]] == ["task fetch#1 1"]
    rehearsal.page(TaskCompleted(START, 0, "fetch#1", b"1"), record=[one])
    rehearsal.close()
    assert rehearsal.recover()[1] == []


# --- Departures --------------------------------------------------------------------------------------------------


async def recorded(_: Any) -> Any:
    """Do what the histories of these tests say."""
    await fetch("a")
    await charge("b")
    await undo("c")
    return 1


async def inserted(_: Any) -> Any:
    """Be the code inserted."""
    await fetch("a")
    undo("new")
    await charge("b")
    await undo("c")
    return 1


async def inserted_of_the_same_name(_: Any) -> Any:
    """Be the code inserted of the same name."""
    await fetch("a")
    charge("new")
    await charge("b")
    await undo("c")
    return 1


async def removed(_: Any) -> Any:
    """Be the code removed."""
    await fetch("a")
    await undo("c")
    return 1


async def renamed(_: Any) -> Any:
    """Be the code renamed."""
    await fetch("a")
    await undo("b")
    await undo("c")
    return 1


async def with_another_input(_: Any) -> Any:
    """With another input."""
    await fetch("a")
    await charge("B")
    await undo("c")
    return 1


async def with_a_key(_: Any) -> Any:
    """With a key."""
    await fetch("a")
    await charge.options(key="b")("b")
    await undo("c")
    return 1


async def with_another_result(_: Any) -> Any:
    """With another result."""
    await fetch("a")
    await charge("b")
    await undo("c")
    return 2


async def that_fails(_: Any) -> Any:
    """Be the code that fails."""
    await fetch("a")
    await charge("b")
    await undo("c")
    raise ValueError


async def that_ends_early(_: Any) -> Any:
    """Be the code that ends early."""
    await fetch("a")
    await charge("b")
    return 1


async def that_goes_on(_: Any) -> Any:
    """Be the code that goes on."""
    await fetch("a")
    await charge("b")
    await undo("c")
    await fetch("more")
    return 1


async def that_waits(_: Any) -> Any:
    """Be the code that waits."""
    await fetch("a")
    await asyncio.Event().wait()


DEPARTURES: list[tuple[Callable[..., Any], Difference, int, str, str, int]] = [
    # code, difference, event, recorded, attempted, line within the code
    (inserted, Difference.INSERTED, 4, 'task charge#1 (input "b")', 'task undo#1 (input "new")', 3),
    (inserted_of_the_same_name, Difference.INSERTED, 4, 'task charge#1 (input "b")', 'task charge#1 (input "new")', 3),
    (removed, Difference.REMOVED, 4, 'task charge#1 (input "b")', 'task undo#1 (input "c")', 3),
    (renamed, Difference.RENAMED, 4, 'task charge#1 (input "b")', 'task undo#1 (input "b")', 3),
    (with_another_input, Difference.INPUT_CHANGED, 4, 'task charge#1 (input "b")', 'task charge#1 (input "B")', 3),
    (with_a_key, Difference.RENAMED, 4, 'task charge#1 (input "b")', 'task charge[b] (input "b")', 3),
    (with_another_result, Difference.RESULT_CHANGED, 8, "result 1", "result 2", -1),
    (that_fails, Difference.RESULT_CHANGED, 8, "result 1", "failure ValueError: ", -1),
    (that_ends_early, Difference.REMOVED, 6, 'task undo#1 (input "c")', "result 1", -1),
    (that_goes_on, Difference.INSERTED, 8, "result 1", 'task fetch#2 (input "more")', 5),
    (that_waits, Difference.REMOVED, 4, 'task charge#1 (input "b")', "nothing", 3),
]


@pytest.mark.parametrize("departure", DEPARTURES, ids=[each[0].__name__ for each in DEPARTURES])
def test_a_departure_is_found_where_it_is(rehearse: Rehearse, departure: Any) -> None:
    """With its kind, both sides, and the line of the user's code."""
    run, difference, event_id, before, after, offset = departure
    error = depart(rehearse, record(rehearse, recorded).history, run)
    assert (error.kind, error.event_id, error.recorded, error.attempted) == (difference, event_id, before, after)
    assert error.where == (line(run, offset) if offset > 0 else "")


async def side_by_side(_: Any) -> Any:
    """Side by side."""
    await asyncio.gather(fetch("a"), charge("b"), fetch("c"))


async def swapped(_: Any) -> Any:
    """Be the code swapped."""
    await asyncio.gather(charge("b"), fetch("a"), fetch("c"))


async def swapped_of_the_same_name(_: Any) -> Any:
    """Be the code swapped of the same name."""
    await asyncio.gather(fetch("c"), charge("b"), fetch("a"))


async def one_less(_: Any) -> Any:
    """One less."""
    await asyncio.gather(charge("b"), fetch("c"))


async def the_last_less(_: Any) -> Any:
    """Be the code the last less."""
    await asyncio.gather(fetch("a"), charge("b"))


async def one_more(_: Any) -> Any:
    """One more."""
    await asyncio.gather(undo("x"), fetch("a"), charge("b"), fetch("c"))


async def one_more_at_the_end(_: Any) -> Any:
    """One more at the end."""
    await asyncio.gather(fetch("a"), charge("b"), fetch("c"), undo("x"))


@pytest.mark.parametrize(
    ("run", "difference"),
    [
        (swapped, Difference.REORDERED),
        (swapped_of_the_same_name, Difference.REORDERED),
        (one_less, Difference.REMOVED),
        (the_last_less, Difference.REMOVED),
        (one_more, Difference.INSERTED),
        (one_more_at_the_end, Difference.INSERTED),
    ],
)
def test_departures_within_one_drain(rehearse: Rehearse, run: Callable[..., Any], difference: Difference) -> None:
    """A drain is compared as a whole: what moved is told from what is new or gone."""
    error = depart(rehearse, record(rehearse, side_by_side).history, run)
    assert error.kind == difference
    assert error.where.startswith(f"{__file__}:")


def test_a_departure_in_a_decision_that_is_recorded_late(rehearse: Rehearse) -> None:
    """The count that each page carries finds it before the page's outcome is applied."""

    async def run(_: Any) -> Any:
        await asyncio.gather(fetch("a"), charge("b"))

    async def other(_: Any) -> Any:
        await asyncio.gather(fetch("a"), undo("x"), charge("b"))

    rehearsal = rehearse(Script(run))
    first, second = rehearsal.unrecorded
    rehearsal.page(TaskCompleted(START, 0, "fetch#1", b"1"), record=[first])
    rehearsal.page(TaskCompleted(START, 0, "charge#1", b"1"), record=[second])
    error = depart(rehearse, rehearsal.history, other)
    assert (error.kind, error.event_id) == (Difference.INSERTED, 3)
    assert (error.recorded, error.attempted) == ('task charge#1 (input "b")', 'task undo#1 (input "x")')
    assert error.where == line(other, 1)


def test_a_command_that_leaves_no_trace_is_counted(rehearse: Rehearse) -> None:
    """A call that is cancelled in its own drain is found by the count alone, or by the place of what follows."""

    async def run(_: Any) -> Any:
        await fetch("a")

    async def other(_: Any) -> Any:
        step = fetch("a")
        fetch("x").cancel()
        await step

    rehearsal = record(rehearse, run)
    error = depart(rehearse, rehearsal.history, other)
    assert (error.kind, error.event_id) == (Difference.INSERTED, 3)
    assert error.recorded == "1 commands before TaskCompleted fetch#1"
    assert error.attempted == "2 commands"
    error = depart(rehearse, record(rehearse, other).history, run)
    assert (error.kind, error.event_id) == (Difference.REMOVED, 3)


async def timed(_: Any) -> Any:
    """Be the code timed."""
    await asyncio.sleep(5)  # virtual time
    async with lock("a"):
        await map_tasks(fetch, [1, 2])


async def timed_otherwise(_: Any) -> Any:
    """Be the code timed otherwise."""
    await asyncio.sleep(6)  # virtual time


async def locked_otherwise(_: Any) -> Any:
    """Locked otherwise."""
    await asyncio.sleep(5)  # virtual time
    async with lock("b"):
        await map_tasks(fetch, [1, 2])


async def mapped_otherwise(_: Any) -> Any:
    """Be the code mapped otherwise."""
    await asyncio.sleep(5)  # virtual time
    async with lock("a"):
        await map_tasks(fetch, [1, 3])


@pytest.mark.parametrize(
    ("run", "difference", "attempted"),
    [
        (timed_otherwise, Difference.DURATION_CHANGED, "timer sleep#1 (6 s)"),
        (locked_otherwise, Difference.RENAMED, "lock(b)#1 (1 slots)"),
        (mapped_otherwise, Difference.INPUT_CHANGED, "map map#1 of fetch (2 items"),
    ],
)
def test_departures_of_timers_locks_and_fan_outs(
    rehearse: Rehearse, run: Callable[..., Any], difference: Difference, attempted: str
) -> None:
    """Their attributes count, too."""
    error = depart(rehearse, record(rehearse, timed).history, run)
    assert error.kind == difference
    assert error.attempted.startswith(attempted)
    assert error.where.startswith(f"{__file__}:")


def test_what_may_change_freely(rehearse: Rehearse) -> None:
    """The pool of a task, the text of a failure."""

    async def run(_: Any) -> Any:
        await fetch("a")
        raise ValueError("one")

    async def other(_: Any) -> Any:
        await fetch.options(pool="fast")("a")
        raise ValueError("two")

    rehearsal = record(rehearse, run)
    assert rehearse(Script(other), begin=False).recover(rehearsal.history)[1] == []


def test_a_failure_of_another_class_is_a_departure(rehearse: Rehearse) -> None:
    """Its class is what callers catch."""

    async def run(_: Any) -> Any:
        raise ValueError("one")

    async def other(_: Any) -> Any:
        raise KeyError("one")

    error = depart(rehearse, record(rehearse, run).history, other)
    assert error.kind == Difference.RESULT_CHANGED


def test_without_trace_the_waiting_line_is_named(rehearse: Rehearse) -> None:
    """An owner that recovers a run does not pay for positions; the error still says where the code waits."""
    history = record(rehearse, recorded).history
    other = rehearse(Script(with_another_input), begin=False)
    with pytest.raises(DivergenceError) as caught:
        other.recover(history)
    assert caught.value.where == line(with_another_input, 3)


def test_code_that_refuses_its_input_departs(rehearse: Rehearse) -> None:
    """A run that fails where history has it going on."""

    async def other(_: Any) -> Any:
        raise ValueError("unfit")

    error = depart(rehearse, record(rehearse, recorded).history, other)
    assert (error.kind, error.event_id, error.attempted) == (Difference.REMOVED, 2, "failure ValueError: unfit")


# --- Histories that no execution can have written ----------------------------------------------------------------


def test_impossible_histories_are_refused_with_the_event(rehearse: Rehearse) -> None:
    """They are damaged, and no change of code explains them."""
    history = record(rehearse, recorded).history
    other = rehearse(Script(recorded), begin=False)
    start, scheduled, outcome = history[:3]
    newer = WorkflowStarted(START, 0, "w", "r", "r", b"null", 1, int(KNOWN) + 8, "", "")
    cases: list[tuple[list[AnyEvent], str]] = [
        ([scheduled, outcome], "does not begin with WorkflowStarted  (event 1)"),
        ([newer], "newer engine (behaviour flags"),
        ([start, outcome], "the outcome of fetch#1 is recorded before the decision to ask for it  (event 2)"),
        ([start, scheduled, outcome, TaskCompleted(START, -1, "fetch#1", b"1")], "(event 4)"),
        ([start, scheduled, TimerFired(START, -1, "fetch#2")], "(event 3)"),
        ([start, scheduled, TimerFired(START, -1, "fetch#1")], "TimerFired is no outcome of fetch#1  (event 3)"),
        ([start, scheduled, start], "a history begins once  (event 3)"),
        ([*history, CancelRequested(START, -1, "x")], f"history goes on after its end  (event {len(history) + 1})"),
        ([*history, history[-1]], "history goes on after its end"),
    ]
    for events, words in cases:
        with pytest.raises(HistoryError) as caught:
            other.recover(events)
        assert words in str(caught.value)


def test_a_task_that_ends_like_a_timer_is_refused(rehearse: Rehearse) -> None:
    """The state tables know which outcome fits which operation."""

    async def run(_: Any) -> None:
        await asyncio.sleep(1)  # virtual time

    rehearsal = rehearse(Script(run))
    rehearsal.write()
    rehearsal.history.append(TaskFailed(START, -1, "sleep#1", Failure("E", "x")))
    with pytest.raises(HistoryError, match="FAIL is illegal"):
        rehearsal.recover()


def test_decisions_in_words() -> None:
    """Each kind of decision has words for people."""
    words = {
        describe_decision(each)
        for each in (
            TaskScheduled(0, 1, 0, "fetch#1", "fetch", b'"' + b"x" * 80 + b'"'),
            TaskCancelled(0, 1, 0, "fetch#1"),
            TimerStarted(0, 1, 0, "sleep#1", 2.5, 3.0),
            TimerCancelled(0, 1, 0, "sleep#1"),
            UpdateCompleted(0, 1, 0, "u1", b"1"),
            LockRequested(0, 1, 0, "lock(a)#1", "a", 1),
            LockReleased(0, 1, 0, "lock(a)#1", "a"),
            FanOutStarted(0, 1, 0, "map#1", "fetch", 3, bytes(16)),
            FanOutCancelled(0, 1, 0, "map#1"),
            WorkflowCompleted(0, 1, 0, b"1"),
            WorkflowFailed(0, 1, 0, Failure("E", "no")),
            WorkflowCancelled(0, 1, 0, "why"),
        )
    }
    assert words == {
        'task fetch#1 (input "' + "x" * 56 + "...)",
        "TaskCancelled fetch#1",
        "timer sleep#1 (2.5 s)",
        "TimerCancelled sleep#1",
        "UpdateCompleted u1",
        "lock(a)#1 (1 slots)",
        "LockReleased lock(a)#1",
        "map map#1 of fetch (3 items, 00000000)",
        "FanOutCancelled map#1",
        "result 1",
        "failure E: no",
        "WorkflowCancelled why",
    }


async def labelled(_: Any) -> Any:
    """Say where it stands, before and after a task."""
    set_attributes({"stage": "new", "region": "eu"})
    await fetch("a")
    set_attributes({"stage": "paid", "region": None})
    return run_info().attributes


async def labelled_otherwise(_: Any) -> Any:
    """With another value."""
    set_attributes({"stage": "new", "region": "us"})
    await fetch("a")
    return 1


async def labelled_later(_: Any) -> Any:
    """Without the first."""
    await fetch("a")
    set_attributes({"stage": "paid", "region": None})
    return 1


async def labelled_at_last(_: Any) -> Any:
    """With one more, at the end."""
    set_attributes({"stage": "new", "region": "eu"})
    await fetch("a")
    set_attributes({"stage": "paid", "region": None})
    set_attributes({"stage": "sent"})
    return 1


def test_what_a_run_is_found_by_is_compared(rehearse: Rehearse) -> None:
    """It is recorded with names taken away, replays, and each departure from it has its kind, words and line."""
    history = record(rehearse, labelled).history
    assert [each.attributes for each in history if isinstance(each, AttributesSet)] == [
        {"stage": '"new"', "region": '"eu"'},
        {"stage": '"paid"', "region": ""},
    ]
    assert history[-1].result == b'{"stage": "paid"}'  # type: ignore[union-attr]  # it completed
    again = rehearse(Script(labelled))
    execution, tail = again.recover(history)
    assert tail == []
    execution.evict()
    first = 'attributes stage="new", region="eu"'
    for run, kind, event_id, before, after in (
        (labelled_otherwise, Difference.INPUT_CHANGED, 2, first, 'attributes stage="new", region="us"'),
        (labelled_later, Difference.REMOVED, 2, first, 'task fetch#1 (input "a")'),
        (labelled_at_last, Difference.INSERTED, 6, 'result {"stage": "paid"}', 'attributes stage="sent"'),
    ):
        error = depart(rehearse, history, run)
        assert (error.kind, error.event_id, error.recorded, error.attempted) == (kind, event_id, before, after)


def test_a_run_has_so_many_attributes_at_most(rehearse: Rehearse) -> None:
    """Too many in all, or a value that none can have: nothing is changed, and the code may go on."""

    async def overdo(_: Any) -> Any:
        set_attributes({f"a{number}": number for number in range(ATTRIBUTES_MAX)})
        problems = []
        for more in ({"b": 1}, {"a0": None, "b": 1, "c": 2}, {"a0": float("inf")}, {"status": "x"}):
            try:
                set_attributes(more)
            except InputError as error:
                problems.append(error.problems[0][0])
        set_attributes({"a0": None, "b": 1})
        return [problems, len(run_info().attributes)]

    history = record(rehearse, overdo).history
    assert history[-1].result == b'[["", "", "/a0", "/status"], 32]'  # type: ignore[union-attr]  # it completed
    assert len([each for each in history if isinstance(each, AttributesSet)]) == 2
