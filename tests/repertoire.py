"""One workflow for each construct of asyncio that workflows may use, with enough under way for an order to matter.

Owns: the workflows, by name.
Must not know: what happens to them, and what is checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from holdfast.authoring import lock, map_tasks, now, random, uuid4, wait_for_signal
from tests.errands import charge, fetch, undo
from tests.rehearsal import Script

MANY = 12
"""How many things are under way at once: sets of fewer may be in order by accident."""

REPERTOIRE: dict[str, Script] = {}
"""Workflows by name."""


def plays(run: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """Add a workflow to the repertoire, under its function's name."""
    REPERTOIRE[run.__name__] = Script(run)
    return run


async def careful(item: Any) -> Any:
    """Fetch, and undo it on any other end."""
    try:
        return await fetch(item)
    except BaseException:
        await undo(item)
        raise


def tasks() -> list[asyncio.Task[Any]]:
    """Return many tasks under way."""
    return [asyncio.create_task(careful(item)) for item in range(MANY)]


def mixed() -> list[Any]:
    """Return many things under way: steps and tasks in turn."""
    return [fetch(item) if item % 2 else asyncio.create_task(careful(item)) for item in range(MANY)]


@plays
async def sleeping(_: Any) -> Any:
    """Sleep side by side."""
    await asyncio.gather(*(asyncio.sleep(item % 5) for item in range(MANY)))  # virtual time
    return [now().isoformat(), asyncio.get_running_loop().time()]


@plays
async def gathering(_: Any) -> Any:
    """Gather steps and tasks; failures are results."""
    return [str(each) for each in await asyncio.gather(*mixed(), return_exceptions=True)]


@plays
async def gathering_until_one_fails(_: Any) -> Any:
    """Gather, and leave the others under way when one fails."""
    try:
        return await asyncio.gather(*mixed())
    except Exception as error:  # noqa: BLE001 - named in the result
        await charge(str(error))
        return "failed"


@plays
async def gathering_what_is_done(_: Any) -> Any:
    """Gather futures that are done already, while others run."""
    seen: list[Any] = []

    async def note(item: int) -> None:
        await asyncio.sleep(0)
        seen.append(item)
        await charge(item)

    done = [fetch(item) for item in range(3)]
    await asyncio.wait(done)
    noting = [asyncio.create_task(note(item)) for item in range(4)]
    seen += [str(each) for each in await asyncio.gather(*done, return_exceptions=True)]
    await charge("gathered")
    await asyncio.wait(noting)
    return seen


@plays
async def grouping(_: Any) -> Any:
    """Abort a group in which one member fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for item in range(MANY):
                group.create_task(careful(item) if item % 3 else fetch(item))
            await charge("body")
    except BaseExceptionGroup as errors:
        return [str(each) for each in errors.exceptions]
    return "all"


@plays
async def grouping_what_has_failed(_: Any) -> Any:
    """Let steps join a group that have ended already."""
    done = [fetch(item) for item in range(4)]
    await asyncio.wait(done)
    try:
        async with asyncio.TaskGroup() as group:
            for item in range(4):
                group.create_task(careful(item))
                group.create_task(done[item])
            await charge("body")
    except BaseExceptionGroup as errors:
        await charge(len(errors.exceptions))
        return "aborted"
    return "all"


@plays
async def grouping_in_groups(_: Any) -> Any:
    """Cancel groups within groups by a time-out."""

    async def inner(item: int) -> None:
        async with asyncio.TaskGroup() as group:
            for each in range(4):
                group.create_task(careful([item, each]))

    try:
        async with asyncio.timeout(3), asyncio.TaskGroup() as group:
            for item in range(4):
                group.create_task(inner(item))
    except (TimeoutError, BaseExceptionGroup) as error:
        await charge(type(error).__name__)
    return "over"


@plays
async def waiting_for_the_first(_: Any) -> Any:
    """Cancel what did not come first, in the order of the set that `wait` returns."""
    done, pending = await asyncio.wait(mixed(), return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    for each in done:
        await charge(str(each.exception() or each.result()))
    if pending:
        await asyncio.wait(pending)
    return len(done)


@plays
async def waiting_with_a_time_out(_: Any) -> Any:
    """Start something for each of the set that was too late."""
    _done, late = await asyncio.wait(tasks(), timeout=2)
    again = [charge(each.get_name()) for each in late]
    for each in [*late, *again]:
        each.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)


@plays
async def waiting_for_the_first_failure(_: Any) -> Any:
    """Go on with what is left over when one fails."""
    done, pending = await asyncio.wait(tasks(), return_when=asyncio.FIRST_EXCEPTION)
    seen = [str(each.exception()) for each in done]
    for each in pending:
        each.cancel()
    if pending:
        await asyncio.wait(pending)
    return seen


@plays
async def sets_of_tasks(_: Any) -> Any:
    """Keep tasks, steps and futures in sets of one's own."""
    loop = asyncio.get_running_loop()
    kept: set[Any] = set(mixed()) | {loop.create_future() for _item in range(MANY)} | {asyncio.gather(charge(1))}
    kept |= {asyncio.create_task(wait_for_signal("go")) for _item in range(3)}
    await fetch("pause")
    for each in kept:
        await charge(type(each).__name__)
        each.cancel()
    await fetch("pause")
    return [type(each).__name__ for each in kept]


@plays
async def as_they_complete(_: Any) -> Any:
    """Take results as they come."""
    seen = []
    for each in asyncio.as_completed([careful(item) if item % 2 else fetch(item) for item in range(MANY)]):
        try:
            seen.append(await each)
        except Exception as error:  # noqa: BLE001 - named in the result
            seen.append(str(error))
        await charge(len(seen))
    return seen


@plays
async def as_they_complete_in_time(_: Any) -> Any:
    """Take results as they come, until time is up."""
    seen = []
    for each in asyncio.as_completed(tasks(), timeout=2):
        try:
            seen.append(await each)
        except Exception as error:  # noqa: BLE001 - named in the result
            seen.append(type(error).__name__)
    return seen


@plays
async def waiting_for_each(_: Any) -> Any:
    """Give each of many a time of its own."""

    async def limited(item: int) -> Any:
        try:
            return await asyncio.wait_for(careful(item) if item % 2 else fetch(item), item % 4)
        except TimeoutError:
            await charge(item)
            return "late"

    return [str(each) for each in await asyncio.gather(*map(limited, range(MANY)), return_exceptions=True)]


@plays
async def timing_out(_: Any) -> Any:
    """Let nested time-outs run out, and move one."""

    async def limited(item: int) -> Any:
        try:
            async with asyncio.timeout(5) as outer, asyncio.timeout(1 + item % 3):
                await careful(item)
                outer.reschedule(asyncio.get_running_loop().time() + 1)
                return await fetch(item)
        except TimeoutError:
            return "late"

    return [str(each) for each in await asyncio.gather(*map(limited, range(MANY)), return_exceptions=True)]


@plays
async def shielding(_: Any) -> Any:
    """Shield tasks and steps from a time-out."""
    under_way = mixed()
    shielded = [asyncio.create_task(_shielded(each)) for each in under_way]
    try:
        async with asyncio.timeout(1):
            await asyncio.wait(shielded)
    except TimeoutError:
        for each in shielded:
            each.cancel()
    await asyncio.wait(under_way)
    return [str(each.exception() or each.result()) for each in under_way if not each.cancelled()]


async def _shielded(under_way: Any) -> Any:
    return await asyncio.shield(under_way)


@plays
async def queueing(_: Any) -> Any:
    """Hand items from producers to consumers."""
    queue: asyncio.Queue[Any] = asyncio.Queue(3)
    seen: list[Any] = []

    async def consume() -> None:
        while True:
            item = await queue.get()
            seen.append(str(await asyncio.gather(fetch(item), return_exceptions=True)))
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _item in range(4)]
    for item in range(MANY):
        await queue.put(item)
    await queue.join()
    for each in consumers:
        each.cancel()
    return seen


@plays
async def signalling(_: Any) -> Any:
    """Wake many who wait for one event, and some by condition."""
    event, condition = asyncio.Event(), asyncio.Condition()

    async def first(item: int) -> None:
        await event.wait()
        await careful(item)

    async def second(item: int) -> None:
        async with condition:
            await condition.wait()
            await charge(item)

    waiting = [asyncio.create_task(first(item)) for item in range(6)]
    waiting += [asyncio.create_task(second(item)) for item in range(6)]
    await wait_for_signal("go")
    event.set()
    async with condition:
        condition.notify(2)
    waiting[6].cancel()  # notified, and cancelled before it could act on it
    await wait_for_signal("stop")
    async with condition:
        condition.notify_all()
    _done, _ = await asyncio.wait(waiting)
    return [str(each.exception()) if not each.cancelled() else "cancelled" for each in waiting]


@plays
async def limiting(_: Any) -> Any:
    """Hand places of a semaphore on, also past those who were cancelled as their turn came."""
    places = asyncio.Semaphore(2)

    async def limited(item: int) -> Any:
        async with places:
            return await careful(item)

    waiting = [asyncio.create_task(limited(item)) for item in range(MANY)]
    await charge("some")
    places.release()
    waiting[2].cancel()
    waiting[5].cancel()
    places.release()
    places.release()
    await asyncio.wait(waiting)
    return [str(each.exception() or each.result()) if not each.cancelled() else "cancelled" for each in waiting]


@plays
async def locking(_: Any) -> Any:
    """Take turns with asyncio's lock and with durable ones."""
    own = asyncio.Lock()

    async def turn(item: int) -> Any:
        async with own if item % 2 else lock("shared") as held:
            return [held and held.token, await careful(item)]

    return [str(each) for each in await asyncio.gather(*map(turn, range(6)), return_exceptions=True)]


@plays
async def passing_a_barrier(_: Any) -> Any:
    """Pass a barrier in parties of four."""
    barrier = asyncio.Barrier(4)

    async def party(item: int) -> Any:
        await asyncio.wait([fetch(item)])
        place = await barrier.wait()
        await asyncio.wait([charge([item, place])])
        return place

    return await asyncio.gather(*map(party, range(8)))


@plays
async def mapping(_: Any) -> Any:
    """Map tasks beside others, and under a time-out."""
    seen = [charge(item) for item in range(3)]
    mapped = await asyncio.gather(map_tasks(fetch, range(5)), map_tasks(charge, [1, 2, 3], key="k"))
    try:
        async with asyncio.timeout(1):
            await map_tasks(undo, [4])
    except TimeoutError:
        seen[0].cancel()
    outcomes = await asyncio.gather(*seen, return_exceptions=True)
    return [[list(each) for each in mapped], [str(each) for each in outcomes]]


@plays
async def drawing(_: Any) -> Any:
    """Draw random numbers and names from many tasks."""

    async def draw(item: int) -> Any:
        await asyncio.wait([fetch(item)])
        return [random().random(), str(uuid4()), random().sample(range(9), 3)]

    return await asyncio.gather(*map(draw, range(MANY)))


@plays
async def generating(_: Any) -> Any:
    """Leave async generators early, and let their clean-ups issue."""
    seen = []

    async def produce(item: int) -> AsyncIterator[Any]:
        try:
            for each in range(3):
                yield await careful([item, each])
        finally:
            seen.append(item)

    async def take(item: int) -> None:
        async for _each in produce(item):
            if item % 2:
                break

    outcomes = await asyncio.gather(*map(take, range(4)), return_exceptions=True)
    return [[str(each) for each in outcomes], seen]


@plays
async def cleaning_up(_: Any) -> Any:
    """Cancel many, each of which cleans up by steps of its own."""
    under_way = tasks()
    await charge("some")
    for each in reversed(under_way):
        each.cancel("enough")
    outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    return [f"{type(each).__name__}: {each}" for each in outcomes]
