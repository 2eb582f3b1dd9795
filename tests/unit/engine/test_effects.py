"""Side effects and sagas on the engine: what they ask for, and what their outcomes do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from holdfast.authoring import Saga, side_effect
from holdfast.errors import TaskError
from holdfast.history import Failure, WorkflowCancelled, WorkflowCompleted, WorkflowFailed
from tests.errands import charge, fetch, undo
from tests.rehearsal import Rehearsal, Script, say

Rehearse = Callable[..., Rehearsal]


async def two_effects(_: Any) -> list[Any]:
    """Ask for two values, one of which may fail."""
    seen: list[Any] = [await side_effect(lambda: 1)]
    try:
        seen.append(await side_effect(lambda: 2))
    except TaskError as error:
        seen.append(error.type)
    return seen


def test_a_side_effect_gives_what_is_recorded(rehearse: Rehearse) -> None:
    """The value comes from history, and so does the failure; a replay calls nothing."""
    stage = rehearse(Script(two_effects))
    assert [say(each) for each in stage.issued] == ["effect side_effect#1"]
    assert stage.execution.function_of("side_effect#1")() == b"1"
    assert stage.effect("side_effect#1", 7) == ["effect side_effect#2"]
    assert stage.effect("side_effect#2", failure=Failure("OSError", "no")) == ['result [7, "OSError"]']
    stage.close()
    execution, tail = stage.recover()
    assert (tail, execution.closed) == ([], True)


def test_a_side_effect_without_a_value_is_asked_for_again(rehearse: Rehearse) -> None:
    """A crash before its value was recorded leaves nothing behind: the function is called again."""
    stage = rehearse(Script(two_effects))
    stage.crash()
    assert [say(each) for each in stage.unrecorded] == ["effect side_effect#1"]
    assert stage.execution.function_of("side_effect#1")() == b"1"


def test_a_side_effect_is_dropped_with_whoever_awaits_it(rehearse: Rehearse) -> None:
    """A time-out cancels it, as it would a task."""

    async def run(_: Any) -> str:
        try:
            async with asyncio.timeout(5):
                await side_effect(lambda: 1)
        except TimeoutError:
            return "late"
        return "in time"

    stage = rehearse(Script(run))
    assert stage.fire("sleep#1") == ["cancel side_effect#1", 'result "late"']
    stage.close()
    assert stage.recover()[1] == []


async def trip(_: Any) -> str:
    """Do three things, each of which can be undone."""
    async with Saga() as saga:
        for number in range(3):
            saga.add(undo, number)
            await charge(number)
    return "booked"


def test_a_saga_that_ends_well_undoes_nothing(rehearse: Rehearse) -> None:
    """Compensations are for what did not end well."""
    stage = rehearse(Script(trip))
    stage.complete("charge#1")
    stage.complete("charge#2")
    assert stage.complete("charge#3") == ['result "booked"']


def test_a_failure_undoes_everything_in_reverse(rehearse: Rehearse) -> None:
    """One after the other, the last one first; then the failure goes on."""
    stage = rehearse(Script(trip))
    stage.complete("charge#1")
    assert stage.fail("charge#2") == ["task undo#1 1"]
    assert stage.complete("undo#1") == ["task undo#2 0"]
    (end,) = stage.complete("undo#2")
    assert end.startswith("failure TaskError: [HF501] task charge#2 failed")
    assert isinstance(stage.close()[-1], WorkflowFailed)


def test_a_cancellation_undoes_everything_and_cannot_stop_that(rehearse: Rehearse) -> None:
    """The run ends as cancelled, once all is undone, however often it is cancelled meanwhile."""
    stage = rehearse(Script(trip))
    stage.complete("charge#1")
    assert stage.cancel() == ["cancel charge#2", "task undo#1 1"]
    assert stage.cancel("now!") == []
    assert stage.complete("undo#1") == ["task undo#2 0"]
    assert stage.complete("undo#2") == ["cancelled now!"]
    assert isinstance(stage.close()[-1], WorkflowCancelled)
    assert stage.recover()[1] == []


def test_a_time_out_around_a_saga_undoes_it(rehearse: Rehearse) -> None:
    """The cancellation of `asyncio.timeout` is one like any other, and becomes TimeoutError afterwards."""

    async def run(_: Any) -> str:
        try:
            async with asyncio.timeout(9):
                return await trip(None)
        except TimeoutError:
            return "too late"

    stage = rehearse(Script(run))
    assert stage.fire("sleep#1") == ["cancel charge#1", "task undo#1 0"]
    assert stage.complete("undo#1") == ['result "too late"']


def test_a_failing_compensation_parks_the_run_and_is_tried_again(rehearse: Rehearse) -> None:
    """The reason names what was undone and what was not; resuming tries the same one, and nothing twice."""
    stage = rehearse(Script(trip))
    stage.complete("charge#1")
    stage.complete("charge#2")
    stage.fail("charge#3")
    stage.complete("undo#1")
    (parked,) = stage.fail("undo#2", message="bank is closed")
    assert parked == (
        "park park#1 COMPENSATION undo (2) failed: undo#2 ended with ValueError. Undone: undo (3). "
        "Not undone: undo (2), undo (1). Resuming the run tries undo (2) again."
    )
    assert stage.resume("park#1") == ["task undo#3 1"]
    assert stage.complete("undo#3") == ["task undo#4 0"]
    (end,) = stage.complete("undo#4")
    assert end.startswith("failure TaskError")
    stage.close()
    assert stage.recover()[1] == []


def test_a_saga_can_be_undone_by_hand(rehearse: Rehearse) -> None:
    """`compensate` undoes what there is, once; compensations may be async functions with arguments by name."""

    async def tell(who: str, *, loud: bool) -> None:
        await fetch(f"{who} {loud}")

    async def run(_: Any) -> str:
        async with Saga() as saga:
            saga.add(tell, "ada", loud=True)
            await saga.compensate()
            await saga.compensate()
        return "over"

    stage = rehearse(Script(run))
    assert [say(each) for each in stage.issued] == ['task fetch#1 "ada True"']
    assert stage.complete("fetch#1") == ['result "over"']
    assert isinstance(stage.close()[-1], WorkflowCompleted)


def test_a_saga_that_leaves_memory_undoes_nothing(rehearse: Rehearse) -> None:
    """An eviction is not a failure: whoever has the run next goes on where it was."""
    stage = rehearse(Script(trip))
    stage.complete("charge#1")
    issued = stage.execution.issued
    stage.execution.evict()
    assert stage.execution.issued == issued
    assert stage.execution.warnings == []
