"""Children, messages to other runs and continuations, as workflow code sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.authoring import Child, continue_as_new, get_run, run_info, start_child, wait_for_signal, workflow
from holdfast.errors import ChildError, MessageError
from holdfast.history import CancelRequested, ChildFailed, Failure, TaskCompleted
from tests.errands import charge, fetch
from tests.rehearsal import START, Rehearsal, Script, signal_of

Rehearse = Callable[..., Rehearsal]


@workflow
async def kid(item: int) -> int:
    """Do nothing; it is never run here."""
    return item


def test_a_childs_life(rehearse: Rehearse) -> None:
    """It is issued at once, named by step and execution, and its result is awaited."""

    async def run(_: Any) -> list[Any]:
        child = start_child(kid, 7)
        keyed = start_child(kid, 8, key="eight", id="mine")
        names = [child.run_id, keyed.run_id, await child.started]
        return [*names, await keyed.started, await child, *await asyncio.gather(keyed)]

    rehearsal = rehearse(Script(run), begin=False)
    assert rehearsal.begin() == ["child kid#1 7", "child kid[eight] 8"]
    assert rehearsal.start_child("kid[eight]") == []
    assert rehearsal.start_child("kid#1") == []
    assert rehearsal.complete_child("kid#1", 70) == []
    assert rehearsal.complete_child("kid[eight]", 80) == [
        'result ["run-1:kid#1", "mine", "run-1:kid#1", "mine", 70, 80]'
    ]


def test_a_childs_failure(rehearse: Rehearse) -> None:
    """It says how the child ended, with what, and what caused that; the start of one that never began fails too."""
    seen: list[Any] = []

    async def run(_: Any) -> None:
        for status in range(2):
            child = start_child(kid, status)
            started = child.started
            try:
                await child
            except ChildError as error:
                seen.append((error.step, error.run_id, error.status, error.type, error.text, error.causes))
            try:
                await started
            except ChildError as error:
                seen.append(error.status)

    rehearsal = rehearse(Script(run))
    rehearsal.start_child("kid#1")
    failure = Failure("TaskError", "no", cause=Failure("ValueError", "why"))
    rehearsal.page(ChildFailed(START, 0, "kid#1", "FAILED", failure))
    assert rehearsal.fail_child("kid#2", "NOT_STARTED", "RunConflictError", "taken") == ["result null"]
    assert seen == [
        ("kid#1", "run-1:kid#1", "FAILED", "TaskError", "no", (("ValueError", "why"),)),
        ("kid#2", "run-1:kid#2", "NOT_STARTED", "RunConflictError", "taken", ()),
        "NOT_STARTED",
    ]


def test_a_failed_child_that_nobody_awaited_fails_the_run(rehearse: Rehearse) -> None:
    """As a task does."""

    async def run(_: Any) -> None:
        start_child(kid, 1)
        await fetch()

    rehearsal = rehearse(Script(run))
    rehearsal.fail_child("kid#1", "TERMINATED", "", "enough")
    (word,) = rehearsal.complete("fetch#1")
    assert word.startswith("failure ChildError: [HF504] child kid#1 (run 'run-1:kid#1') was terminated: enough")


def test_a_child_is_cancelled_like_a_task_of_asyncio(rehearse: Rehearse) -> None:
    """It is asked once, and awaited until it has stopped."""

    async def run(_: Any) -> str:
        child = start_child(kid, 1)
        await child.started
        try:
            async with asyncio.timeout(5):
                await child
        except TimeoutError:
            child.cancel()
            await charge()
            return "stopped"
        return "not stopped"

    rehearsal = rehearse(Script(run))
    assert rehearsal.start_child("kid#1") == ["timer sleep#1 5"]
    assert rehearsal.fire("sleep#1") == ["cancel kid#1"]
    assert rehearsal.fail_child("kid#1", "CANCELLED") == ["task charge#1 null"]
    assert rehearsal.complete("charge#1") == ['result "stopped"']


def test_a_child_that_does_not_stop_gives_its_result(rehearse: Rehearse) -> None:
    """As a task of asyncio that swallows its cancellation."""

    async def run(_: Any) -> int:
        child = start_child(kid, 1)
        await fetch()
        child.cancel()
        child.cancel()
        return await child

    rehearsal = rehearse(Script(run))
    assert rehearsal.complete("fetch#1") == ["cancel kid#1"]
    rehearsal.start_child("kid#1")
    assert rehearsal.complete_child("kid#1", 5) == ["result 5"]


def test_a_child_that_somebody_else_cancelled_is_an_error(rehearse: Rehearse) -> None:
    """The parent was not cancelled, so it does not look as if it were."""

    async def run(_: Any) -> str:
        try:
            await start_child(kid, 1)
        except ChildError as error:
            return error.status
        return ""

    rehearsal = rehearse(Script(run))
    rehearsal.start_child("kid#1")
    assert rehearsal.fail_child("kid#1", "CANCELLED") == ['result "CANCELLED"']


def test_a_cancelled_run_waits_for_its_child(rehearse: Rehearse) -> None:
    """The tree ends from its leaves."""

    async def run(_: Any) -> None:
        try:
            await start_child(kid, 1)
        finally:
            await charge()

    rehearsal = rehearse(Script(run))
    rehearsal.start_child("kid#1")
    assert rehearsal.cancel("stop") == ["cancel kid#1"]
    assert rehearsal.fail_child("kid#1", "CANCELLED") == ["task charge#1 null"]
    assert rehearsal.complete("charge#1") == ["cancelled stop"]


def test_what_is_taken_back_at_once_was_never_there(rehearse: Rehearse) -> None:
    """A child or a message that is cancelled in the drain that issued it."""

    async def run(_: Any) -> list[bool]:
        child: Child[Any] = start_child("kid", 1)
        sent = get_run("x").signal("s")
        child.cancel()
        sent.cancel()
        return [child.cancelled(), child.started.cancelled(), sent.cancelled()]

    assert rehearse(Script(run), begin=False).begin() == ["result [true, true, true]"]


def test_children_and_messages_outlive_their_run(rehearse: Rehearse) -> None:
    """What was asked for in the last drain happens; what comes of it reaches nobody."""

    async def run(_: Any) -> None:
        child: Child[Any] = start_child("kid", 1, parent_close="abandon")
        child.signal("go", 2)
        get_run("x").cancel("bye")

    rehearsal = rehearse(Script(run), begin=False)
    assert rehearsal.begin() == [
        "child kid#1 1",
        "send signal(go)#1 to run-1:kid#1 2",
        "send cancel#1 to x bye",
        "result null",
    ]
    assert rehearsal.execution.closed


def test_messages_arrive_or_say_why_not(rehearse: Rehearse) -> None:
    """Sending returns when the message is in the other's inbox."""

    async def run(_: Any) -> str:
        await get_run("there").signal("s", 1)
        try:
            await get_run("gone").signal("s", 2)
        except MessageError as error:
            return f"{error.run_id} {error.type}"
        return ""

    rehearsal = rehearse(Script(run))
    assert rehearsal.deliver("signal(s)#1") == ["send signal(s)#2 to gone 2"]
    assert rehearsal.deliver("signal(s)#2", Failure("RunClosedError", "over")) == ['result "gone RunClosedError"']


@pytest.mark.parametrize("where", ["in the run", "in a subtask", "in a handler"])
def test_a_run_continues_as_new(rehearse: Rehearse, where: str) -> None:
    """Wherever its code says so; `finally` runs, and nobody's `except Exception` sees it."""
    seen: list[str] = []

    async def go_on(*_: Any) -> None:
        try:
            continue_as_new({"total": 3})
        except Exception:  # noqa: BLE001 - what is shown is that it is not caught
            seen.append("caught")
        finally:
            seen.append("finally")

    async def run(_: Any) -> None:
        if where == "in a handler":
            await fetch()
        await (asyncio.create_task(go_on()) if where == "in a subtask" else go_on())

    rehearsal = rehearse(Script(run, signals={"go": go_on}), begin=False)
    words = rehearsal.begin()
    if where == "in a handler":
        assert words == ["task fetch#1 null"]
        words = rehearsal.signal("go")[1:]
    assert words == ['continue {"total": 3}']
    assert seen == ["finally"]


def test_what_nobody_took_goes_along(rehearse: Rehearse) -> None:
    """Signals that wait to be waited for, and what came when the code had just ended, in the order of coming."""

    async def run(_: Any) -> None:
        await wait_for_signal("b")
        await fetch()
        continue_as_new(1)

    rehearsal = rehearse(Script(run))
    for name in ("a", "b", "c", "a"):
        rehearsal.signal(name, name)
    assert rehearsal.page(
        TaskCompleted(START, 0, "fetch#1", b"1"), signal_of("late"), CancelRequested(START, 0, "late")
    ) == ["continue 1"]
    unread = rehearsal.execution.unread()
    assert [getattr(each, "name", "cancel") for each in unread] == ["a", "c", "a", "late", "cancel"]


def test_a_run_knows_its_parent(rehearse: Rehearse) -> None:
    """By its execution; a run without one has none."""

    async def run(_: Any) -> str:
        return run_info().parent

    assert rehearse(Script(run), begin=False).begin() == ['result ""']
