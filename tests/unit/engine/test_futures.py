"""Places in an execution: what tasks, steps and futures hash by, and how cancellations are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.errands import charge, fetch
from tests.rehearsal import Rehearsal, Script

Rehearse = Callable[..., Rehearsal]


def places(rehearse: Rehearse, run: Callable[..., Any]) -> list[int]:
    """Return the hashes that a run reports as its result."""
    rehearsal = rehearse(Script(run), begin=False)
    rehearsal.begin()
    command = rehearsal.issued[-1].command
    return [int(each) for each in command.result.decode().strip("[]").split(",")]


def test_hashes_count_from_the_start_of_each_execution(rehearse: Rehearse) -> None:
    """They depend on what the code made before, and on nothing else in the process."""

    async def run(_: Any) -> list[int]:
        made = [fetch(1), asyncio.create_task(asyncio.sleep(0)), fetch(2), asyncio.gather(fetch(3))]
        return [hash(each) for each in made]

    first = places(rehearse, run)
    assert first == places(rehearse, run)
    assert len(set(first)) == len(first)
    assert max(first) < 20


def test_a_hash_never_changes(rehearse: Rehearse) -> None:
    """Whatever becomes of the task, step or future."""

    async def run(_: Any) -> bool:
        loop = asyncio.get_running_loop()
        made = [fetch(1), asyncio.create_task(asyncio.sleep(0)), loop.create_future(), asyncio.gather()]
        before = [hash(each) for each in made]
        for each in made:
            each.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return before == [hash(each) for each in made] and len(set(made)) == len(made)

    assert rehearse(Script(run), begin=False).begin() == ["result true"]


def test_a_future_takes_its_place_when_it_is_first_hashed(rehearse: Rehearse) -> None:
    """Futures that asyncio makes for itself take none: their number differs from one Python to the next."""

    async def run(_: Any) -> list[int]:
        loop = asyncio.get_running_loop()
        unhashed = [loop.create_future() for _item in range(50)]
        await asyncio.wait_for(asyncio.sleep(0), 5)
        event = asyncio.Event()
        event.set()
        await event.wait()
        return [hash(loop.create_future()), hash(loop.create_future()), len(unhashed) and hash(unhashed[0])]

    first, second, third = places(rehearse, run)
    assert (second, third) == (first + 1, first + 2)
    assert first < 10


def test_members_of_a_set_come_in_order_of_making(rehearse: Rehearse) -> None:
    """A set of tasks is in an order, and it is one that a person expects."""

    async def run(_: Any) -> list[str]:
        made = {asyncio.create_task(asyncio.sleep(0), name=str(item)) for item in range(20)}
        return [each.get_name() for each in made]

    expected = str([str(item) for item in range(20)]).replace("'", '"')
    assert rehearse(Script(run), begin=False).begin() == [f"result {expected}"]


def test_cancellations_are_counted(rehearse: Rehearse) -> None:
    """As asyncio counts them, on every Python."""

    async def run(_: Any) -> list[Any]:
        task = asyncio.current_task()
        assert task is not None
        counts = [task.cancelling(), task.uncancel(), task.cancel(), task.cancel(), task.cancelling()]
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            counts += [task.uncancel(), task.uncancel(), task.uncancel()]
        ended = asyncio.create_task(asyncio.sleep(0))
        await ended
        return [*counts, ended.cancel(), ended.cancelling()]

    assert rehearse(Script(run), begin=False).begin() == ["result [0, 0, true, true, 2, 1, 0, 0, false, 0]"]


def test_a_step_is_cancelled_at_once(rehearse: Rehearse) -> None:
    """It answers what groups and time-outs ask of a task."""

    async def run(_: Any) -> list[Any]:
        step = fetch(1)
        step.set_name("other")
        return [step.get_name(), step.cancelling(), step.uncancel(), step.cancel(), step.cancelled()]

    assert rehearse(Script(run), begin=False).begin() == ['result ["fetch#1", 0, 0, true, true]']


@pytest.mark.parametrize("answer", ["undone", "kept"])
def test_a_cancellation_that_a_group_owes_can_be_taken_back(rehearse: Rehearse, answer: str) -> None:
    """Errors of a group go first. What cancelled it from outside is still to come, unless a time-out takes it back."""

    async def stubborn(item: int) -> None:
        try:
            await fetch(item)
        except asyncio.CancelledError:
            raise ValueError(item) from None

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(stubborn(1))

    async def run(_: Any) -> str:
        if answer == "undone":
            try:
                async with asyncio.timeout(5):  # which takes its own cancellation back
                    await grouped()
            except ExceptionGroup:
                return str(await charge("after"))
        try:
            await grouped()
        except ExceptionGroup:
            try:
                await charge("after")
            except asyncio.CancelledError:
                return "cancelled after all"
        return "?"

    rehearsal = rehearse(Script(run))
    if answer == "undone":
        assert rehearsal.fire("sleep#1") == ["cancel fetch#1", 'task charge#1 "after"']
        assert rehearsal.complete("charge#1", "fine") == ['result "fine"']
    else:
        assert rehearsal.cancel() == ["cancel fetch#1", 'result "cancelled after all"']
