"""What a fork keeps of children, of callbacks and of messages to other runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.authoring import callback, get_run, map_tasks, start_child, workflow
from holdfast.engine import ForkPlan, decide_fork
from holdfast.errors import ChildError, ForkError, MessageError
from holdfast.history import AnyEvent, CallbackOpened, ChildScheduled, ChildStarted, Failure, MessageDelivered
from holdfast.ports.callbacks import Callbacks, name_of, token_of
from tests.errands import charge, fetch
from tests.rehearsal import Rehearsal, Script, say


@workflow
async def kid(item: int) -> int:
    """Do nothing; it is never run here."""
    return item


async def sell(_: Any) -> list[Any]:
    """Wait for a child, then for a task."""
    first = await start_child(kid, 7)
    return [first, await fetch(first)]


async def sell_both(_: Any) -> list[Any]:
    """Wait for a child and a task at once."""
    return await asyncio.gather(start_child(kid, 7), fetch(1))


async def sell_with_words(_: Any) -> int:
    """Say something to a child that has begun."""
    child = start_child(kid, 7)
    await child.started
    await child.signal("hurry")
    await charge(1)
    return await child


async def stop(_: Any) -> str:
    """Ask a child to stop."""
    child = start_child(kid, 7)
    await fetch(1)
    child.cancel()
    await asyncio.wait([child])
    return "stopped"


async def tell(_: Any) -> str:
    """Send a word to another run."""
    try:
        await get_run("stock").signal("hurry")
    except MessageError as error:
        return error.type
    await charge(1)
    return "told"


def go_on(rehearsal: Rehearsal, plan: ForkPlan) -> tuple[Rehearsal, list[str]]:
    """Recover a fork; return it, and what its code asks for that its history does not have."""
    rehearsal.end()
    fork = Rehearsal(rehearsal.program)
    fork.history = list(plan.events)
    fork.execution, fork.unrecorded = fork.recover()
    return fork, [say(each) for each in fork.unrecorded]


def record(run: Any, *acts: tuple[str, Any]) -> Rehearsal:
    """Let a run live: (method of the rehearsal, its arguments), one after the other; what it asked for is recorded."""
    rehearsal = Rehearsal(Script(run))
    rehearsal.begin()
    for act, args in acts:
        getattr(rehearsal, act)(*args)
    rehearsal.write()
    return rehearsal


def of(kind: type[Any], events: Sequence[AnyEvent]) -> list[Any]:
    """Return the events of a kind."""
    return [each for each in events if isinstance(each, kind)]


BEGUN = ("start_child", ("kid#1",))


def test_a_child_that_ended_before_the_cut_answers_from_the_record() -> None:
    """It is not started again, although its id was made of the other run's."""
    rehearsal = record(sell, BEGUN, ("complete_child", ("kid#1", 70)), ("fail", ("fetch#1",)))
    plan = decide_fork(rehearsal.history, "fetch#1", "fork-1")
    assert (plan.recorded, plan.again) == (("kid#1",), ("fetch#1",))
    fork, asked = go_on(rehearsal, plan)
    assert asked == ["task fetch#1 70"]
    assert fork.complete("fetch#1", 71) == ["result [70, 71]"]
    fork.end()


def test_a_child_that_failed_fails_in_the_fork_too() -> None:
    """Unless its result is overridden."""
    rehearsal = record(sell, BEGUN, ("fail_child", ("kid#1",)))
    events = list(rehearsal.history)
    plan = decide_fork(events, str(len(events)), "fork-1")
    _, asked = go_on(rehearsal, plan)
    assert asked[0].startswith(f"failure {ChildError.__name__}")
    plan = decide_fork(events, str(len(events)), "fork-1", override={"kid#1": b"5"})
    fork, asked = go_on(rehearsal, plan)
    assert asked == ["task fetch#1 5"]
    fork.end()


def test_a_child_under_way_begins_anew_as_the_forks_own() -> None:
    """Before its start, and behind it where the code only waits for its end."""
    rehearsal = record(sell_both, BEGUN, ("complete", ("fetch#1", 2)), ("fail_child", ("kid#1",)))
    for at, kept in (("kid#1", ()), ("5", ("fetch#1",))):
        plan = decide_fork(rehearsal.history, at, "fork-1")
        assert plan.recorded == kept
        assert "kid#1" in plan.again
        assert not of(ChildScheduled, plan.events)
        assert not of(ChildStarted, plan.events)
        fork, asked = go_on(rehearsal, plan)
        assert "child kid#1 7" in asked
        assert fork.execution.open["kid#1"].command.run_id == "fork-1:kid#1"
        fork.end()


def test_a_child_under_way_can_be_given_a_result() -> None:
    """Whether it has begun or not; then it is not started."""
    rehearsal = record(sell, BEGUN)
    for at in ("kid#1", str(len(rehearsal.history))):
        plan = decide_fork(rehearsal.history, at, "fork-1", override={"kid#1": b"5"})
        fork, asked = go_on(rehearsal, plan)
        assert asked == ["task fetch#1 5"]
        fork.end()


@pytest.mark.parametrize(
    ("run", "acts"),
    [
        (sell_with_words, [BEGUN]),
        (sell_with_words, [BEGUN, ("deliver", ("signal(hurry)#1",))]),
        (stop, [BEGUN, ("complete", ("fetch#1",))]),
    ],
)
def test_a_child_that_the_code_went_on_with_cannot_begin_anew(run: Any, acts: list[Any]) -> None:
    """It was sent something, or asked to stop: the error says where to fork instead, and that works."""
    rehearsal = record(run, *acts)
    with pytest.raises(ForkError, match="Fork at 'kid#1'"):
        decide_fork(rehearsal.history, str(len(rehearsal.history)), "fork-1")
    fork, asked = go_on(rehearsal, decide_fork(rehearsal.history, "kid#1", "fork-1"))
    assert "child kid#1 7" in asked
    fork.end()


def test_what_was_sent_to_another_run_is_not_sent_again() -> None:
    """It has the answer that the other run got, however late; and none is taken for a good one."""
    refused = Failure("RunNotFoundError", "no such run")
    for answered, asked in (
        ([], ["task charge#1 1"]),
        ([("deliver", ("signal(hurry)#1",))], ["task charge#1 1"]),
        ([("deliver", ("signal(hurry)#1", refused))], ['result "RunNotFoundError"']),
    ):
        rehearsal = record(tell, *answered)
        for at in ("signal(hurry)#1", "2"):
            plan = decide_fork(rehearsal.history, at, "fork-1")
            assert len(of(MessageDelivered, plan.events)) == 1
            assert plan.again == ()
            fork, said = go_on(rehearsal, plan)
            assert said == asked
            fork.end()


async def order(expires: str) -> list[Any]:
    """Do something, give a URL away, wait for the answer."""
    done = callback(expires=expires or None)
    await charge(1)
    await fetch(done.url)
    return [await done]


async def order_many(_: Any) -> list[Any]:
    """Give a URL away among many items."""
    done = callback()
    await map_tasks(fetch, [done.url])
    return [await done]


def opened(rehearsal: Rehearsal) -> CallbackOpened:
    """Return the callback that a run opened first."""
    found: CallbackOpened = of(CallbackOpened, rehearsal.history)[0]
    return found


def test_a_callback_that_nobody_knows_of_is_made_anew() -> None:
    """With a URL of the fork's own; what gives it away runs in the fork."""
    rehearsal = record(order, ("complete", ("charge#1",)), ("fail", ("fetch#1",)))
    url = opened(rehearsal).url
    plan = decide_fork(rehearsal.history, "fetch#1", "fork-1")
    assert (plan.recorded, plan.again) == (("charge#1",), ("callback#1", "fetch#1"))
    fork, asked = go_on(rehearsal, plan)
    assert asked[0] == "callback callback#1"
    assert asked[1].startswith("task fetch#1 ")
    assert url not in asked[1]
    fork.end()


def test_a_callback_that_was_given_away_has_the_answer_that_the_source_got() -> None:
    """However late; without one it has to be said, and says so itself."""
    rehearsal = record(order, ("complete", ("charge#1",)), ("complete", ("fetch#1",)))
    whole = str(len(rehearsal.history))
    with pytest.raises(ForkError, match="--override 'callback#1=JSON'"):
        decide_fork(rehearsal.history, whole, "fork-1")
    for step in (whole, "callback#1"):
        plan = decide_fork(rehearsal.history, step, "fork-1", override={"callback#1": b"5"})
        assert "callback#1" in plan.recorded
        fork, asked = go_on(rehearsal, plan)
        assert asked == ["result [5]"]
        fork.end()
    answered = record(order, ("complete", ("charge#1",)), ("complete", ("fetch#1",)))
    answered.signal(name_of(token_of(opened(answered).url)), 7)
    answered.write()
    for at, override, result in ((whole, {}, 7), ("callback#1", {}, 7), ("callback#1", {"callback#1": b"8"}, 8)):
        plan = decide_fork(answered.history, at, "fork-1", override=override)
        assert (plan.recorded[-1], plan.again) == ("callback#1", ())
        fork, asked = go_on(answered, plan)
        assert asked == [f"result [{result}]"]
        fork.end()
    assert decide_fork(answered.history, "fetch#1", "fork-1").again == ("callback#1", "fetch#1")


def test_a_callback_that_nobody_can_answer_any_more_is_no_hindrance() -> None:
    """It has expired, so its code waits for it as the source's did; among many items it counts as given away."""
    rehearsal = Rehearsal(Script(order))
    rehearsal.execution.runtime.sign = Callbacks(b"key").sign
    rehearsal.begin("1s")
    rehearsal.complete("charge#1")
    rehearsal.complete("fetch#1")
    rehearsal.time += 2
    rehearsal.signal("anything", 1)
    rehearsal.write()
    assert decide_fork(rehearsal.history, str(len(rehearsal.history)), "fork-1").again == ()
    rehearsal.end()
    among = record(order_many, ("fan_out", ("map#1", [(True, 1)])))
    with pytest.raises(ForkError, match="callback#1"):
        decide_fork(among.history, str(len(among.history)), "fork-1")
    among.end()
