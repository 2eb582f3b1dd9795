"""One workflow with a task, a timer, a signal, a child, a side effect, a fan-out and a lock, for changes of its code.

Owns: the code, and what each change is for whoever has a history of it.
Must not know: which engine recorded the history.

Its text is what the changes are made to, so it stands by itself.
"""

# ruff: noqa: D103 - what they do is what they are

from __future__ import annotations

import asyncio

from holdfast import lock, map_tasks, side_effect, start_child, task, wait_for_signal, workflow


@task
async def book(place: str) -> str:
    return place.upper()


@task
async def pack(count: int) -> int:
    return count


@task
async def weigh(bag: int) -> int:
    return bag * 2


@workflow
async def stay(nights: int) -> int:
    await book("room")
    return nights


def weather() -> int:
    return 21


@workflow
async def trip(place: str) -> list[object]:
    booked = await book(place)
    degrees = await side_effect(weather)
    await asyncio.sleep(0.05)
    nights = await start_child(stay, 3)
    word = await wait_for_signal("go", type=str)
    packed = await pack(nights)
    weights = await map_tasks(weigh, [1, 2, 3])
    async with lock("bus"):
        seat = await book("seat")
    return [booked, degrees, nights, word, packed, sum(weights), seat]
