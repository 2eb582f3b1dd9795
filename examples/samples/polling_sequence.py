"""Ask again and again by a sequence of tasks with changing arguments: in a child, whose history begins anew."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import continue_as_new, start_child, task, workflow


@task
async def look(floor: int) -> bool:
    """Look for the cat on a floor."""
    await outside.ask(f"floor {floor}")
    return floor == 5


@workflow
async def search(floor: int, until: int) -> int:
    """Look on a few floors, and go on as a new execution."""
    stop = floor + 2
    while not await look(floor) and floor < until:
        floor += 1
        if floor == stop:
            continue_as_new(floor, until)
        await asyncio.sleep(0.02)
    return floor


@workflow
async def find_cat(floors: int) -> str:
    """Find the cat."""
    return f"on floor {await start_child(search, 1, floors)}"
