"""Scenarios about ends: failures, cancellation, termination.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from holdfast.authoring import continue_as_new, run_info, start_child, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.errors import ChildError, RunConflictError, RunFailedError
from holdfast.ports.operations import TERMINAL, TIMED_OUT
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held


class HopelessError(Exception):
    """What a workflow raises on purpose."""


@workflow
async def hopeless() -> None:
    """Do something, and fail."""
    raise HopelessError(await apply_held("before the end"))


@scenario(status="FAILED", error="HopelessError", effects=["before the end"])
async def a_run_that_raises_fails(stage: Stage) -> RunHandle[Any]:
    """What the workflow raises ends the run, and whoever waits hears of it."""
    run = await stage.start(hopeless)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def tidy() -> None:
    """Wait for ever, and clean up in steps when cancelled."""
    try:
        await apply("begun")
        await asyncio.Event().wait()
    finally:
        await apply_held("cleaned up")
        await asyncio.sleep(0.01)
        await apply("and locked")


@scenario(status="CANCELLED", effects=["begun", "cleaned up", "and locked"])
async def a_cancelled_run_cleans_up(stage: Stage) -> RunHandle[Any]:
    """Cancellation comes as CancelledError; steps and timers of the clean-up run, also through a restart."""
    run = await stage.start(tidy)
    await stage.effects(1)
    await run.cancel("enough", operation_id="cancel")
    await stage.effects(2)
    await stage.middle()
    await run.cancel("enough", operation_id="cancel")
    return run


@workflow
async def stubborn() -> str:
    """Catch a cancellation, and complete nevertheless."""
    try:
        await apply_held("begun")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return await apply("completed all the same")
    return ""


@scenario(result="completed all the same", effects=["begun", "completed all the same"])
async def a_run_may_refuse_to_be_cancelled(stage: Stage) -> RunHandle[Any]:
    """A workflow that catches its cancellation decides how it ends."""
    run = await stage.start(stubborn)
    await stage.effects(1)
    await stage.middle()
    await run.cancel()
    return run


@workflow
async def hurried() -> list[str]:
    """Cancel what is under way, and go on."""
    slow = asyncio.create_task(asyncio.sleep(3600))
    seen = [await apply_held("begun")]
    slow.cancel()
    try:
        await slow
    except asyncio.CancelledError:
        seen.append(await apply("cancelled"))
    return seen


@scenario(result=["begun", "cancelled"], effects=["begun", "cancelled"])
async def a_workflow_cancels_its_own_work(stage: Stage) -> RunHandle[Any]:
    """What a workflow cancels is gone, and the workflow goes on."""
    run = await stage.start(hurried)
    await stage.effects(1)
    await stage.middle()
    return run


@scenario(status="TERMINATED", effects=["begun"])
async def a_terminated_run_is_not_asked(stage: Stage) -> RunHandle[Any]:
    """Termination ends a run at once, without its clean-up."""
    run = await stage.start(tidy)
    await stage.effects(1)
    await stage.middle()
    await run.terminate("enough")
    return run


@workflow
async def endless() -> None:
    """Wait for ever; a clean-up is nothing that a time-out asks for."""
    try:
        await asyncio.Event().wait()
    finally:
        await apply("cleaned up")


@workflow
async def restless(number: int) -> None:
    """Go on as a new execution again and again, each of them in good time."""
    await asyncio.sleep(0.02)
    continue_as_new(number + 1)


@scenario(status="TIMED_OUT", effects=["before"])
async def a_run_whose_time_is_up_ends(stage: Stage) -> RunHandle[Any]:
    """A time-out of an execution, and one of the whole run through all its executions, though killed before it."""
    await stage.start(named, "before", id=" before")
    await stage.effects(1)  # everything is up
    run = await stage.start(restless, 1, timeout="400ms", execution_timeout="1h")
    single = await stage.start(endless, id=" single", execution_timeout="400ms", timeout="1h")
    child = await stage.start(limited, id=" child")
    await stage.middle()
    if (status := (await stage.status(single, *TERMINAL)).status) != TIMED_OUT:
        raise AssertionError(f"the execution is {status}")
    if (heard := await child.result()) != TIMED_OUT:
        raise AssertionError(f"of its child, the parent heard {heard}")
    return run


@workflow
async def limited() -> str:
    """Have a child that takes too long, and say how that ended."""
    try:
        await start_child(endless, timeout="400ms")
    except ChildError as error:
        return error.status
    return "it ended"


@workflow
async def named(word: str) -> str:
    """Apply a word."""
    return await apply_held(word)


@scenario(result="a", effects=["a"])
async def a_run_is_started_once(stage: Stage) -> RunHandle[Any]:
    """The same id with the same input is the same run, before and after a restart; with another it is refused."""
    first = await stage.start(named, "a")
    await stage.effects(1)
    again = await stage.start(named, "a")
    await stage.middle()
    run = await stage.start(named, "a")
    try:
        await stage.start(named, "b")
    except RunConflictError:
        created = (first.created, again.created, run.created)
    else:
        raise AssertionError("an id that is taken was given to another input")
    if created != (True, False, False):
        raise AssertionError(f"created: {created}")
    return run


@scenario(result="new", effects=["old", "new"])
async def a_run_makes_place_for_another(stage: Stage) -> RunHandle[Any]:
    """The one that was under way is terminated, the other begins; an acknowledged start outlives everything."""
    old = await stage.start(named, "old")
    await stage.effects(1)
    run = await stage.start(named, "new", id_conflict_policy="terminate_existing")
    await stage.middle()
    again = await stage.start(named, "other", id_conflict_policy="use_existing", id_reuse_policy="allow_duplicate")
    before = await stage.client.handle(f"{old.run_id}@1").describe()
    if (run.created, again.run_id, before.status) != (True, run.run_id, "TERMINATED"):
        raise AssertionError(f"created {run.created}, then {again.run_id}, after one that is {before.status}")
    return run


@workflow
async def second_time_lucky() -> str:
    """Fail in the first execution, and complete in the second."""
    number = run_info().execution.partition("@")[2] or "1"
    await apply_held(number)
    if number == "1":
        raise HopelessError("not yet")
    return number


@scenario(result="2", effects=["1", "2"])
async def a_run_that_failed_is_started_again(stage: Stage) -> RunHandle[Any]:
    """As the next execution under its id, whose steps are its own; once it completed it is found."""
    first = await stage.start(second_time_lucky)
    await stage.effects(1)
    await stage.middle()
    with suppress(RunFailedError):
        await first.result()
    run = await stage.start(second_time_lucky, id_reuse_policy="allow_duplicate_failed_only")
    await run.result()
    again = await stage.start(second_time_lucky, id_reuse_policy="allow_duplicate_failed_only")
    if (run.created, again.created) != (True, False):
        raise AssertionError(f"created: {run.created}, {again.created}")
    return again


@workflow
async def greeted() -> list[str]:
    """Take three words that come as signals."""
    words = [await wait_for_signal("word", type=str)]
    await apply_held(words[0])
    return [*words, await wait_for_signal("word", type=str), await wait_for_signal("word", type=str)]


@scenario(result=["a", "b", "c"], effects=["a"])
async def a_signal_comes_with_the_start_of_its_run(stage: Stage) -> RunHandle[Any]:
    """The first starts the run, later ones reach it, and the same one twice is one, before and after a restart."""

    async def say(word: str) -> RunHandle[Any]:
        return await stage.client.signal_with_start(
            greeted, id="a_signal_comes_with_the_start", signal="word", signal_args=(word,), operation_id=word
        )

    made = [(await say(word)).created for word in ("a", "a", "b")]
    await stage.effects(1)
    await say("a")
    await stage.middle()
    await say("b")
    run = await say("c")
    if made != [True, False, False]:
        raise AssertionError(f"created: {made}")
    return run
