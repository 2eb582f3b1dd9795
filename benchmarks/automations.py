"""The workflows and tasks that are measured. A peer's script has the same in its own words.

Owns: the shapes of work.
Must not know: who measures them.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Final

from holdfast import map_tasks, now, task, workflow

STEPS_BEFORE_GATE: Final = 3

arrivals: list[str] = []
"""The steps before the gate that this process ran, and who arrived at it."""

trips: list[float] = []
"""How long it took from step to step of each `timed_sequence` that this process saw through, in seconds."""


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
async def moment() -> float:
    """Return when this was, on the machine's monotonic clock, which is the same for all processes."""
    return time.monotonic()


@workflow
async def timed_sequence(steps: int) -> int:
    """Take some steps one after the other, and note how long it took from one to the next."""
    moments = [await moment() for _ in range(steps)]
    trips.extend(after - before for before, after in itertools.pairwise(moments))
    return steps


@task
async def wait_for_answer(seconds: float) -> None:
    """Wait, as for a service that takes so long to answer."""
    await asyncio.sleep(seconds)


@task
def compute(seconds: float) -> int:
    """Keep a core busy for so long."""
    rounds, until = 0, time.thread_time() + seconds
    while time.thread_time() < until:
        rounds += 1
    return rounds


@workflow
async def map_waiting(items: int, seconds: float) -> int:
    """Map a task that waits over some items."""
    return len(await map_tasks(wait_for_answer, [seconds] * items))


@workflow
async def map_computing(items: int, seconds: float) -> int:
    """Map a task that computes over some items."""
    return len(await map_tasks(compute, [seconds] * items))


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


DEFINITIONS: Final = (
    *(step, sequence, spread, mapping, sleep_until, noted_step, gate, gated),
    *(moment, timed_sequence, wait_for_answer, compute, map_waiting, map_computing),
)
