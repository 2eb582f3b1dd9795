"""The workflows and tasks that are measured. A peer's script has the same in its own words.

Owns: the shapes of work.
Must not know: who measures them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from holdfast import map_tasks, now, task, workflow

STEPS_BEFORE_GATE: Final = 3

arrivals: list[str] = []
"""The steps before the gate that this process ran, and who arrived at it."""


@task
async def step(number: int) -> int:
    """Do nothing, durably."""
    return number


@workflow
async def sequence(steps: int) -> int:
    """Take some steps one after the other."""
    for number in range(steps):
        await step(number)
    return steps


@workflow
async def spread(steps: int) -> int:
    """Take some steps all at once."""
    return sum(await asyncio.gather(*[step(number) for number in range(steps)]))


@workflow
async def mapping(items: int) -> int:
    """Map a task that does nothing over some items."""
    return len(await map_tasks(step, range(items)))


@workflow
async def sleep_until(due: float) -> None:
    """Sleep until `due`, in seconds since the epoch."""
    await asyncio.sleep(due - now().timestamp())


@task
async def noted_step(number: int) -> int:
    """Do nothing, durably, and say in this process that it was done."""
    arrivals.append("step")
    return number


@task
async def gate(path: str) -> bool:
    """Let everybody through once `path` exists, and nobody before."""
    arrivals.append("gate")
    if not Path(path).exists():  # noqa: ASYNC240 - a stat, of a local file
        await asyncio.Event().wait()
    return True


@workflow
async def gated(path: str) -> bool:
    """Take some steps, stand at the gate, take one more."""
    for number in range(STEPS_BEFORE_GATE):
        await noted_step(number)
    await gate(path)
    await step(0)
    return True


DEFINITIONS: Final = (step, sequence, spread, mapping, sleep_until, noted_step, gate, gated)
