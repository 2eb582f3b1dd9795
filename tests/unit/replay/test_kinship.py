"""Histories of runs that have to do with other runs, replayed: children, messages, executions that follow."""

# ruff: noqa: D103 - what workflows of tests do is what they are

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.authoring import continue_as_new, get_run, now, start_child, task, wait_for_signal, workflow
from holdfast.errors import ChildError
from holdfast.history import ChildCompleted, Failure
from holdfast.replay import ReplayResult, WorkflowReplayer
from tests.rehearsal import Rehearsal
from tests.unit.replay.rig import history_of, perform


@task
async def charge(item: str) -> str:
    return f"charged {item}"


@workflow
async def pay(item: str) -> str:
    return await charge(item)


@workflow(name="sell")
async def sell(item: str) -> list[str]:
    paid = await start_child(pay, item)
    return [paid, await charge(paid)]


@workflow(name="sell")
async def sell_gently(item: str) -> list[str]:
    paid = await start_child(pay, item, parent_close="cancel")
    return [paid, await charge(paid)]


@workflow(name="sell")
async def sell_under_a_name(item: str) -> list[str]:
    paid = await start_child(pay, item, id=f"pay-{item}")
    return [paid, await charge(paid)]


@workflow(name="sell")
async def sell_anyway(item: str) -> list[str]:
    try:
        paid = await start_child(pay, item)
    except ChildError as error:
        paid = f"{error.type}: {error.text}"
    return [paid]


@workflow
async def slow(item: str) -> str:
    await asyncio.sleep(3600)
    return await charge(item)


@workflow
async def thrice(count: int) -> str:
    if count < 3:
        await asyncio.sleep(10)
        continue_as_new(count + 1)
    return await start_child(slow, f"after {count}")


@workflow
async def patient(item: str) -> str:
    await start_child(pay, item)
    return await wait_for_signal("never", type=str)


@workflow
async def broken(item: str) -> str:
    raise ValueError(item)


@workflow
async def nested(depth: int) -> None:
    await start_child(nested, depth + 1)


async def as_before(item: str) -> str:
    """Do what was recorded."""
    paid = await start_child(pay, item)
    await charge(paid)
    return paid


@workflow(name="sell")
async def sell_more(item: str) -> list[str]:
    paid = await as_before(item)
    began = now()
    more = [await start_child(slow, "b"), await start_child(thrice, 0)]
    return [paid, *more, str((now() - began).total_seconds())]


@workflow(name="sell")
async def sell_within(item: str) -> list[str]:
    await as_before(item)
    began = now()
    try:
        async with asyncio.timeout(60):
            await start_child(slow, "b")
    except TimeoutError:
        return [str((now() - began).total_seconds())]
    return []


@workflow(name="sell")
async def sell_patiently(item: str) -> str:
    await as_before(item)
    return await start_child(patient, item)


@workflow(name="sell")
async def sell_to_strangers(item: str) -> str:
    await as_before(item)
    return await start_child("stranger", item)


@workflow(name="sell")
async def sell_broken(item: str) -> str:
    await as_before(item)
    try:
        return await start_child(broken, item)
    except ChildError as error:
        return f"{error.status} {error.type}: {error.text}"


@workflow(name="sell")
async def sell_for_ever(item: str) -> None:
    await as_before(item)
    await start_child(nested, 0)


@workflow(name="tell")
async def tell(run_id: str) -> str:
    await get_run(run_id).signal("approve")
    return "told"


@workflow(name="tell")
async def tell_another(run_id: str) -> str:
    await get_run(run_id.upper()).signal("approve")
    return "told"


@workflow(name="count")
async def count(total: int) -> int:
    continue_as_new(total + 1)


@workflow(name="count")
async def count_faster(total: int) -> int:
    continue_as_new(total + 2)


@workflow(name="count")
async def count_no_more(total: int) -> int:
    return total


def replay(workflow: Any, recorded: Rehearsal) -> ReplayResult:
    return WorkflowReplayer(workflow).replay(history_of(recorded))


def test_a_childs_outcome_answers_from_history() -> None:
    """The child's code is not needed, and the run ends as it did."""
    result = replay(sell, perform(sell, "a", answers={"pay": "paid", "charge": "charged"}))
    assert (result.status, result.verdict, result.output) == ("COMPLETED", "IDENTICAL", ["paid", "charged"])
    assert result.matches_production
    assert result.ran == ()


def test_how_a_child_is_started_is_part_of_the_decision() -> None:
    """Its end with its parent, and the id it is given: both sides are told apart in words."""
    recorded = perform(sell, "a")
    for changed, words in ((sell_gently, "cancel at the end"), (sell_under_a_name, "id pay-a")):
        (found,) = replay(changed, recorded).divergences
        assert (found.kind.value, found.recorded.step, found.attempted.step) == ("INPUT_CHANGED", "pay#1", "pay#1")
        assert words in found.attempted.words
        assert words not in found.recorded.words


def test_a_history_may_end_while_a_child_is_under_way() -> None:
    """The replay waits where production does."""
    recorded = perform(sell, "a", until=lambda it: "pay#1" in it.execution.open)
    assert replay(sell, recorded).waits_for == ("pay#1",)
    recorded = Rehearsal(sell)
    recorded.begin("a")
    recorded.start_child("pay#1")
    recorded.end()
    result = replay(sell, recorded)
    assert (result.status, result.verdict, result.waits_for) == ("RUNNING", "IDENTICAL", ("pay#1",))


def send(answer: Failure | None = None) -> Rehearsal:
    """Record a run that sends a signal to another one."""
    recorded = Rehearsal(tell)
    recorded.begin("stock-1")
    recorded.deliver("signal(approve)#1", answer)
    recorded.close()
    recorded.end()
    return recorded


def test_messages_to_other_runs_replay() -> None:
    """Delivered and refused; and to whom they go is part of the decision."""
    assert replay(tell, send()).output == "told"
    refused = replay(tell, send(Failure("RunNotFoundError", "no such run")))
    assert (refused.status, refused.matches_production) == ("FAILED", True)
    assert refused.failure.type == "MessageError"
    (found,) = replay(tell_another, send()).divergences
    assert (found.kind.value, found.attempted.words) == (
        "INPUT_CHANGED",
        "signal(approve)#1 to run STOCK-1 (input null)",
    )


def test_an_execution_that_goes_on_as_another_replays() -> None:
    """To CONTINUED_AS_NEW, with what it goes on with; other input, or another end, is a divergence."""
    recorded = perform(count, 1)
    result = replay(count, recorded)
    assert (result.status, result.verdict, result.recorded_status) == ("CONTINUED_AS_NEW", "IDENTICAL", result.status)
    assert result.matches_production
    assert replay(count_faster, recorded).divergences[0].kind == "INPUT_CHANGED"
    ended = replay(count_no_more, recorded).divergences[0]
    assert (ended.kind.value, ended.recorded.step, ended.attempted.step) == (
        "RESULT_CHANGED",
        "continuation",
        "result",
    )


def test_work_goes_on_past_a_recorded_child() -> None:
    """A task that failed after a child had ended is run again, and the child answers from history."""
    recorded = perform(sell, "a", answers={"pay": "paid", "charge": ConnectionError("down")})
    result = WorkflowReplayer(sell, tasks="rerun-failed").replay(history_of(recorded))
    assert (result.status, result.output, result.ran) == ("COMPLETED", ["paid", "charged paid"], ("charge#1",))


def test_a_child_that_failed_is_answered_as_it_did() -> None:
    """A fix of the parent alone is tried on the child's recorded failure."""
    recorded = perform(sell, "a", answers={"pay": ValueError("no")})
    assert replay(sell, recorded).failure.type == "ChildError"
    result = WorkflowReplayer(sell_anyway, tasks="rerun-failed").replay(history_of(recorded))
    assert (result.status, result.output) == ("COMPLETED", ["ValueError: no"])


def test_a_childs_result_that_does_not_fit_is_told() -> None:
    """By where it is read."""
    recorded = perform(sell, "a", answers={"charge": "charged"})
    events = [
        ChildCompleted(each.time, each.issued, each.step, b"7") if isinstance(each, ChildCompleted) else each
        for each in recorded.history
    ]
    recorded.history = events
    result = replay(sell, recorded)
    assert (result.verdict, result.payload_problems[0].what) == ("PAYLOAD_INCOMPATIBLE", "the result of pay#1")


def rerun_mended(code: Any) -> ReplayResult:
    """Try other code on a run whose task failed after its first child."""
    recorded = perform(sell, "a", answers={"pay": "paid", "charge": ConnectionError("down")})
    return WorkflowReplayer(code, tasks="rerun-failed").replay(history_of(recorded))


def test_a_child_without_a_record_is_run_in_virtual_time() -> None:
    """With its own timers, tasks, children and executions; the recorded one is not."""
    result = rerun_mended(sell_more)
    assert result.status == "COMPLETED", result
    assert result.output == ["paid", "charged b", "charged after 3", str(3600.0 + 30 + 3600)]
    assert result.ran == ("charge#1", "charge#1", "charge#1")
    assert result.warnings == ()


def test_a_child_that_takes_too_long_is_stopped_in_time() -> None:
    """Its outcome comes when its time has come, and a time-out before that goes first."""
    assert rerun_mended(sell_within).output == ["60.0"]


def test_a_child_that_fails_in_virtual_time_fails_its_parent() -> None:
    """As it would in production."""
    assert rerun_mended(sell_broken).output == "FAILED ValueError: a"


def test_a_child_that_cannot_be_run_is_left_open() -> None:
    """The parent waits, and a warning says why: no code, no message, no end of generations."""
    for code, step, words in (
        (sell_to_strangers, "stranger#1", "no module shows workflow 'stranger'"),
        (sell_patiently, "patient#1", "child run-1:patient#1 does not end: it waits for a message"),
        (sell_for_ever, "nested#1", "20 generations are under way (GENERATIONS_MAX)"),
    ):
        result = rerun_mended(code)
        assert (result.status, result.waits_for) == ("RUNNING", (step,))
        assert any(words in each for each in result.warnings), result.warnings
