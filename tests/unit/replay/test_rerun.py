"""Replays in which work is done: a fix is tried on yesterday's failure, and what was done is not done again."""

# ruff: noqa: D103 - what tasks and workflows of tests do is what they are

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.authoring import (
    Retry,
    lock,
    map_tasks,
    now,
    patched,
    side_effect,
    signal,
    task,
    wait_for_signal,
    workflow,
)
from holdfast.errors import DefinitionError, TaskError, UnknownNameError
from holdfast.history import Failure, WorkflowFailed, WorkflowTimedOut
from holdfast.replay import History, ReplayResult, WorkflowReplayer
from tests.rehearsal import Rehearsal
from tests.unit.replay import elsewhere
from tests.unit.replay.rig import history_of, perform

DID: list[tuple[str, Any]] = []
"""What today's code of tasks did."""
BROKEN: dict[str, Callable[[Any], BaseException | None]] = {}
"""How a task fails today, by name."""


@pytest.fixture(autouse=True)
def _nothing_done() -> Iterator[None]:
    DID.clear()
    BROKEN.clear()
    yield
    DID.clear()
    BROKEN.clear()


def do(name: str, item: Any) -> Any:
    """Do a task, unless it is broken."""
    DID.append((name, item))
    error = BROKEN.get(name, lambda _: None)(item)
    if error is not None:
        raise error
    return f"{name} {item}"


@task
async def reserve(item: str) -> str:
    return do("reserve", item)


@task(retry=Retry(attempts=3))
async def charge(item: str) -> str:
    return do("charge", item)


@task
def notify(item: str) -> str:
    return do("notify", item)


@task
async def double(number: int) -> int:
    do("double", number)
    return number * 2


@workflow
async def order(item: str) -> list[str]:
    seen = [await reserve(item), await charge(item)]
    await asyncio.sleep(30 * 86_400)
    return [*seen, await notify(item)]


@workflow(name="order")
async def careful_order(item: str) -> list[str]:
    seen = [await reserve(item)]
    try:
        seen.append(await charge(item))
    except TaskError:
        seen.append(await notify("no money"))
    return seen


def failed(workflow: Any = order, item: Any = "a", **answers: Any) -> Rehearsal:
    """Record a run whose charge failed in production."""
    return perform(workflow, item, answers={"reserve": "reserved", "charge": ConnectionError("down"), **answers})


def rerun(workflow: Any, recorded: Rehearsal, **options: Any) -> ReplayResult:
    """Replay with today's code for what failed."""
    return WorkflowReplayer(workflow, tasks="rerun-failed", **options).replay(history_of(recorded))


def test_a_fixed_task_takes_the_run_to_its_end() -> None:
    """What failed is run again, what completed is not, and time is virtual."""
    recorded = failed()
    before = WorkflowReplayer(order).replay(history_of(recorded))
    assert (before.status, before.matches_production, DID) == ("FAILED", True, [])
    result = rerun(order, recorded)
    assert (result.status, result.verdict) == ("COMPLETED", "COMPATIBLE_NEW_TAIL")
    assert result.output == ["reserved", "charge a", "notify a"]
    assert DID == [("charge", "a"), ("notify", "a")]
    assert result.ran == ("charge#1", "notify#1")
    assert not result.matches_production
    assert "task notify#1" in result.diff()
    assert "test_rerun.py" in result.rows[-2].attempted.where


def test_a_task_that_is_still_broken_fails_again() -> None:
    """With all its attempts, and the run ends as it did in production."""
    BROKEN["charge"] = lambda _: ConnectionError("still down")
    result = rerun(order, failed())
    assert (result.status, result.verdict, result.matches_production) == ("FAILED", "IDENTICAL", True)
    assert (result.failure.type, result.failure.cause) == ("TaskError", None)
    assert result.ran == ("charge#1",) * 3


def test_a_fix_in_the_workflow_goes_on_behind_the_failure() -> None:
    """The task fails again, and the code knows what to do now."""
    BROKEN["charge"] = lambda _: ConnectionError("still down")
    result = rerun(careful_order, failed())
    assert (result.status, result.verdict) == ("COMPLETED", "COMPATIBLE_NEW_TAIL")
    assert result.output == ["reserved", "notify no money"]


def test_a_fix_of_code_that_raised_goes_on_from_there() -> None:
    """No task had failed: strict replay goes as far as the recorded end, and the code beyond it."""

    @workflow(name="divide")
    async def buggy(count: int) -> int:
        number = await double(count)
        return 100 // number

    @workflow(name="divide")
    async def fixed(count: int) -> int:
        number = await double(count)
        return 100 // number if number else await double(7)

    recorded = perform(buggy, 0, answers={"double": 0})
    assert isinstance(recorded.history[-1], WorkflowFailed)
    result = rerun(fixed, recorded)
    assert (result.status, result.output, result.verdict) == ("COMPLETED", 14, "COMPATIBLE_NEW_TAIL")
    assert DID == [("double", 7)]


def test_a_change_before_the_failure_is_a_divergence() -> None:
    """Up to the first failure replay is strict, and nothing is run."""

    @workflow(name="order")
    async def other(item: str) -> list[str]:
        return [await reserve(item.upper()), await charge(item)]

    result = rerun(other, failed())
    assert (result.status, result.divergences[0].kind, DID) == ("DIVERGED", "INPUT_CHANGED", [])


def test_what_completed_behind_the_failure_answers_to_equal_input_only() -> None:
    """Same step and same input: from history. Another input: run."""

    @workflow(name="several")
    async def several(_: str) -> list[str]:
        seen = []
        for item in ("a", "b", "c"):
            try:
                seen.append(await charge(item))
            except TaskError:
                seen.append("failed")
        seen.append(await notify(seen[0]))
        return seen

    recorded = perform(several, "", answers={"charge#1": OSError("x"), "charge#2": "second", "charge#3": "third"})
    result = rerun(several, recorded)
    assert result.output == ["charge a", "second", "third", "notify charge a"]
    assert DID == [("charge", "a"), ("notify", "charge a")]


def test_recorded_facts_without_use_are_listed() -> None:
    """The compensation that is not needed any more is no divergence."""

    @workflow(name="compensated")
    async def compensated(item: str) -> str:
        try:
            return await charge(item)
        except TaskError:
            return await notify(item)

    recorded = failed(compensated, notify="told")
    result = rerun(compensated, recorded)
    assert (result.status, result.output, result.divergences) == ("COMPLETED", "charge a", ())
    assert result.leftover == ('event 4: task notify#1 (input "a")', "event 5: TaskCompleted notify#1")


def test_messages_come_at_their_old_place() -> None:
    """Behind the last fact that was of use before them, whatever new steps there are."""

    @workflow(name="patient")
    class Patient:
        def __init__(self) -> None:
            self.log: list[str] = []

        async def run(self, item: str) -> list[str]:
            try:
                self.log.append(await charge(item))
            except TaskError:
                self.log.append("failed")
            self.log.append(await notify("first"))
            self.log.append(await wait_for_signal("go", timeout=3600))
            self.log.append(await notify("second"))
            return self.log

        @signal
        def say(self, word: str) -> None:
            self.log.append(word)

    def send(rehearsal: Rehearsal) -> None:
        if "sleep#1" in rehearsal.execution.open:
            rehearsal.signal("say", "hello")
            rehearsal.signal("go", "gone")
            rehearsal.signal("say", "late")

    recorded = perform(Patient, "a", answers={"charge": OSError("x"), "notify": "told"}, before=send)
    result = rerun(Patient, recorded)
    assert result.output == ["charge a", "told", "hello", "gone", "late", "told"]
    assert result.leftover == ()


def test_locks_are_granted_and_only_failed_items_of_a_map_are_run() -> None:
    """A new lock comes with a token above all that were recorded."""

    @workflow(name="mapped")
    async def mapped(numbers: list[int]) -> list[int]:
        doubled = list(await map_tasks(double, numbers))
        async with lock("ledger") as held:
            return [*doubled, held.token]

    def fail_one(rehearsal: Rehearsal) -> None:
        if "map#1" in rehearsal.execution.open:
            rehearsal.fan_out("map#1", [(True, 2), (False, Failure("OSError", "x")), (True, 6)])

    recorded = perform(mapped, [1, 2, 3], before=fail_one)
    result = rerun(mapped, recorded)
    assert (result.status, result.output) == ("COMPLETED", [2, 4, 6, 1])
    assert (DID, result.ran) == ([("double", 2)], ("map#1[1]",))


def test_patches_and_side_effects_beyond_the_record() -> None:
    """Code behind the failure takes the changed side, as it would in production, and its functions are called."""

    @workflow(name="changed")
    async def changed(item: str) -> list[Any]:
        seen: list[Any] = [await charge(item)]
        if patched("told"):
            seen.append(await side_effect(lambda: do("look", "around")))
        return seen

    result = rerun(changed, failed(changed))
    assert (result.status, result.output) == ("COMPLETED", ["charge a", "look around"])
    assert result.ran == ("charge#1", "side_effect#1")


def test_a_run_whose_time_was_up_goes_on() -> None:
    """No code decided that end: behind it everything is run, with as much time as it takes."""
    recorded = perform(order, "a", until=lambda rehearsal: "sleep#1" in rehearsal.execution.open)
    history = History([*recorded.history, WorkflowTimedOut(recorded.time, "an hour was up")])
    result = WorkflowReplayer(order).replay(history)
    assert (result.status, result.matches_production) == ("TIMED_OUT", True)
    result = WorkflowReplayer(order, tasks="rerun-failed").replay(history)
    assert (result.status, result.recorded_status, DID) == ("COMPLETED", "TIMED_OUT", [("notify", "a")])


def test_an_open_history_goes_on() -> None:
    """Beyond its last event everything is run."""
    recorded = perform(order, "a", until=lambda rehearsal: "charge#1" in rehearsal.execution.open)
    result = rerun(order, recorded)
    assert (result.status, result.recorded_status, result.output[1:]) == (
        "COMPLETED",
        "RUNNING",
        ["charge a", "notify a"],
    )


def test_a_run_that_completed_is_only_repeated() -> None:
    """There is nothing to run again."""
    result = rerun(order, perform(order, "a"))
    assert (result.status, result.verdict, DID) == ("COMPLETED", "IDENTICAL", [])


def test_a_run_that_never_ends_is_broken_off() -> None:
    """With a warning that names the limit."""

    @workflow(name="endless")
    async def endless(item: str) -> None:
        await reserve(item)
        for _ in range(10**9):
            await asyncio.sleep(60)

    recorded = perform(endless, "a", until=lambda rehearsal: "reserve#1" in rehearsal.execution.open)
    result = rerun(endless, recorded)
    assert (result.status, result.waits_for[0].partition("#")[0]) == ("RUNNING", "sleep")
    assert "BEYOND_MAX" in result.warnings[-1]


def test_time_is_virtual_and_does_not_go_back() -> None:
    """A month of sleep takes no time, and the code sees that it has passed."""

    @workflow(name="dated")
    async def dated(item: str) -> float:
        begun = now()
        await charge(item)
        await asyncio.sleep(30 * 86_400)
        return (now() - begun).total_seconds()

    assert rerun(dated, failed(dated)).output >= 30 * 86_400


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests on asyncio."""
    return "asyncio"


@pytest.mark.anyio
async def test_it_works_inside_a_running_loop() -> None:
    """Work that needs a loop of its own is done beside the one that is running."""
    loop = asyncio.get_running_loop()
    assert rerun(order, failed()).status == "COMPLETED"
    assert asyncio.get_running_loop() is loop


# --- Stubs -------------------------------------------------------------------------------------------------------


def test_a_stub_stands_in_for_its_task_alone() -> None:
    """From the first outcome of that task on; other tasks answer from history."""
    called: list[str] = []

    def stub(item: str) -> str:
        called.append(item)
        return "charged"

    recorded = failed(careful_order, notify="told")
    result = WorkflowReplayer(careful_order, tasks={"charge": stub}).replay(history_of(recorded))
    assert (result.status, result.output) == ("COMPLETED", ["reserved", "charged"])
    assert (called, DID, result.ran) == (["a"], [], ("charge#1",))


def test_a_stub_may_be_a_coroutine_function_and_may_raise() -> None:
    """What it raises is the task's final failure."""

    async def stub(_: str) -> str:
        raise PermissionError("no")

    recorded = perform(careful_order, "a")
    replayer = WorkflowReplayer(careful_order, tasks={"charge": stub, "notify": lambda item: f"stub {item}"})
    result = replayer.replay(history_of(recorded))
    assert result.output == ["a", "stub no money"]
    assert result.ran == ("charge#1", "notify#1")


def test_a_task_that_nobody_does_leaves_the_run_waiting() -> None:
    """It is named."""
    replayer = WorkflowReplayer(order, tasks={"charge": lambda _: "charged"})
    result = replayer.replay(history_of(failed()))
    assert (result.status, result.waits_for, DID) == ("RUNNING", ("notify#1",), [])
    assert "notify#1 has no recorded outcome" in result.warnings[-1]


@pytest.mark.parametrize(
    ("tasks", "words"), [("guessed", "is no way to answer"), ({"charge": 3}, "which cannot be called")]
)
def test_other_ways_to_answer_are_refused(tasks: Any, words: str) -> None:
    """Before anything is replayed, or as it begins."""
    with pytest.raises(DefinitionError, match=words):
        WorkflowReplayer(order, tasks=tasks).replay(history_of(failed()))


# --- Where tasks are found ---------------------------------------------------------------------------------------


def test_tasks_are_found_where_the_workflow_sees_them() -> None:
    """Also through a module that it imports; elsewhere they are asked for by name."""

    @workflow(name="far")
    async def far(item: str) -> str:
        return await elsewhere.remote(item)

    @workflow(name="farther")
    async def farther(item: str) -> str:
        return await elsewhere.indirect(item)

    for work in (far, farther):
        recorded = perform(work, "a", answers={"remote": OSError("x"), "hidden": OSError("x")})
        if work is far:
            assert rerun(work, recorded).output == "remote a"
            continue
        with pytest.raises(UnknownNameError, match="hidden"):
            rerun(work, recorded)
        assert rerun(work, recorded, modules=["tests.unit.replay.deeper"]).output == "hidden a"
