"""Scenarios about steps: one after another, side by side, many at once, tried again.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.authoring import Ok, Retry, heartbeat, map_tasks, task, task_info, workflow
from holdfast.client import RunHandle
from holdfast.errors import TaskError, TaskTimeoutError
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import (
    NotYetError,
    apply,
    apply_at_last,
    apply_held,
    apply_in_thread,
    effect,
    refuse,
)

# --- In order, and side by side ------------------------------------------------------------------------------------


@workflow
async def three_steps(words: list[str]) -> list[str]:
    """Do one thing after another; the second takes long."""
    return [await apply(words[0]), await apply_held(words[1]), await apply(words[2])]


@scenario(result=["a", "b", "c"], effects=["a", "b", "c"])
async def steps_run_one_after_another(stage: Stage) -> RunHandle[Any]:
    """A step begins when the one before it has ended."""
    run = await stage.start(three_steps, ["a", "b", "c"])
    await stage.effects(2)
    await stage.middle()
    return run


@workflow
async def all_at_once(words: list[str]) -> list[str]:
    """Do everything at once, each thing in two steps; one takes long."""

    async def chain(word: str) -> str:
        return await apply(await (apply_held if word == words[0] else apply_in_thread)(word) + "!")

    return await asyncio.gather(*map(chain, words))


@scenario(result=["a!", "b!", "c!"], effects=["a", "a!", "b", "b!", "c", "c!"])
async def gathered_steps_keep_their_order(stage: Stage) -> RunHandle[Any]:
    """What is gathered comes in the order of the call, whatever ends first, and each part happens once."""
    run = await stage.start(all_at_once, ["a", "b", "c"])
    await stage.effects(5)
    await stage.middle()
    return run


@workflow
async def group_that_fails() -> list[str]:
    """Cancel the rest of a group when one member fails, and tidy up."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))
            group.create_task(_fail_after(await apply("begun")))
    except* TaskError as errors:
        failed = len(errors.exceptions)
    else:
        failed = 0
    return [await apply("undone"), str(failed)]


async def _fail_after(word: str) -> None:
    await apply_held(f"{word} more")
    await refuse(word)


@scenario(result=["undone", "1"], effects=["begun", "begun more", "undone"])
async def a_failing_member_ends_its_group(stage: Stage) -> RunHandle[Any]:
    """A TaskGroup whose member fails cancels the others, timers too, and raises."""
    run = await stage.start(group_that_fails)
    await stage.effects(2)
    await stage.middle()
    return run


@workflow
async def first_come(words: list[str]) -> list[str]:
    """Take turns at a queue, with places for two at a time."""
    places, taken = asyncio.Semaphore(2), asyncio.Queue[str]()

    async def work(word: str) -> None:
        async with places:
            await taken.put(await (apply_held if word == words[0] else apply)(word))

    async with asyncio.TaskGroup() as group:
        for each in words:
            group.create_task(work(each))
        return sorted([await taken.get() for _ in words])


@scenario(result=["a", "b", "c", "d"], effects=["a", "b", "c", "d"])
async def asyncios_own_tools_are_durable(stage: Stage) -> RunHandle[Any]:
    """Semaphores, queues and groups of asyncio mean the same after a restart."""
    run = await stage.start(first_come, ["a", "b", "c", "d"])
    await stage.effects(4)
    await stage.middle()
    return run


# --- Many ----------------------------------------------------------------------------------------------------------


@workflow
async def mapped(count: int) -> list[str]:
    """Do one thing for each of many items; the first takes long."""
    numbers = [str(each) for each in range(count)]
    return [*await map_tasks(apply_held, numbers[:1], key="held"), *await map_tasks(apply, numbers)]


@scenario(
    result=["0", *(str(each) for each in range(40))],
    effects=["0", *(str(each) for each in range(40))],
)
async def mapped_items_come_in_order(stage: Stage) -> RunHandle[Any]:
    """`map_tasks` returns one result for each item, by index, and each item's effect happens once."""
    run = await stage.start(mapped, 40)
    await stage.effects(1)
    await stage.middle()
    return run


@task(retry=Retry(attempts=1))
async def apply_even(number: int) -> str:
    """Have an effect for even numbers; fail for others."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return effect(str(number))


@workflow
async def mapped_in_part(count: int) -> list[str]:
    """Do many things, some of which fail."""
    await apply_held("begun")
    outcomes = await map_tasks(apply_even, range(count), on_error="collect")
    return [each.value if isinstance(each, Ok) else each.error.type for each in outcomes]


@scenario(result=["0", "ValueError", "2", "ValueError"], effects=["begun", "0", "2"])
async def failed_items_can_be_collected(stage: Stage) -> RunHandle[Any]:
    """With `on_error="collect"` each item has its own outcome."""
    run = await stage.start(mapped_in_part, 4)
    await stage.effects(1)
    await stage.middle()
    return run


# --- Again ---------------------------------------------------------------------------------------------------------


@workflow
async def tried_again() -> list[str]:
    """Call a task that fails twice, then one that fails for good."""
    held = await apply_held("held")
    seen = [held, await apply_at_last("third time", 3)]
    try:
        await refuse("never")
    except TaskError as error:
        seen.append(error.type)
    return seen


@scenario(result=["held", "third time", "ValueError"], effects=["held", "third time"])
async def failed_attempts_are_repeated_under_one_key(stage: Stage) -> RunHandle[Any]:
    """All attempts have one idempotency key; a failure that is not to be repeated comes at once."""
    run = await stage.start(tried_again)
    await stage.effects(1)
    await stage.middle()
    return run


@task(heartbeat_timeout="30s", retry=Retry(attempts=3, initial="10ms"))
async def count_up(total: int) -> int:
    """Have `total` effects, some in each attempt, going on from what the attempt before reported; return that."""
    begun: int = task_info().last_progress or 0
    for each in range(begun, total):
        effect(str(each), part=f":{each}")
        heartbeat(each + 1)
        if task_info().attempt < 2 and each + 1 == total // 2:
            raise NotYetError(f"{each + 1} of {total}")
    return begun


@workflow
async def counted(total: int) -> list[Any]:
    """Count up in a task that reports its progress, once recorded first and once not."""
    held = await apply_held("held")
    return [held, await count_up(total), await count_up.options(heartbeat_timeout=None)(total)]


@scenario(result=["held", 3, 3], effects=["held", *"012345", *"012345"])
async def the_next_attempt_reads_the_progress(stage: Stage) -> RunHandle[Any]:
    """What `heartbeat` recorded is there for the next attempt, so a long task does not begin again."""
    run = await stage.start(counted, 6)
    await stage.effects(1)
    await stage.middle()
    return run


@task(timeout="100ms", retry=Retry(attempts=1))
async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


@workflow
async def hung() -> list[str]:
    """Call a task that hangs."""
    seen = [await apply_held("held")]
    try:
        await hang()
    except TaskTimeoutError as error:
        seen.append(await apply(type(error).__name__))
    return seen


@scenario(result=["held", "TaskTimeoutError"], effects=["held", "TaskTimeoutError"])
async def an_attempt_that_hangs_is_ended(stage: Stage) -> RunHandle[Any]:
    """A task that takes longer than its time-out raises TaskTimeoutError, and the run goes on."""
    run = await stage.start(hung)
    await stage.effects(1)
    await stage.middle()
    return run
