"""What runs while everything around it is stopped, cut off and killed.

Owns: a workflow whose result can be told from its number, and its tasks.
Must not know: what happens to the processes.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from holdfast import Retry, signal, task, task_info, workflow
from holdfast.testing.receiver import Receiver

FOLDER_VARIABLE: Final = "CHAOS_RECEIVER"
POOL: Final = "bulk"
PLANT_VARIABLE: Final = "CHAOS_PLANT"
"""Names a bug: `keyless` has effects under a new key each time, `deaf` forgets some signals."""
PLANTED: Final = os.environ.get(PLANT_VARIABLE, "")
PARTS: Final = 2
"""How many signals each run waits for."""


def receiver_at(folder: Path) -> Receiver:
    """Return the receiver in a folder."""
    return Receiver(folder)


def receiver() -> Receiver:
    """Return the receiver that the environment names."""
    return Receiver(Path(os.environ[FOLDER_VARIABLE]))


def part(number: int, place: int) -> int:
    """Return what signal number `place` carries."""
    return 1_000 * number + place


def result(number: int) -> int:
    """Return what a run comes to."""
    return prepared(number) + booked(number) + sum(part(number, place) for place in range(PARTS))


def prepared(number: int) -> int:
    """Return what the first task comes to."""
    return 3 * number


def booked(number: int) -> int:
    """Return what the second task comes to."""
    return 7 * number + 1


@task
async def prepare(number: int) -> int:
    """Work in the orchestrator's own process, or in any worker's."""
    return prepared(number)


@task(pool=POOL, retry=Retry(attempts=20, initial="50ms", maximum="1s"))
async def book(number: int) -> int:
    """Work in a pool of its own, and have an effect."""
    info = task_info()
    key = info.idempotency_key
    if PLANTED == "keyless":
        key += f"/{info.fencing_token}"
    receiver().apply(key, str(number), info.attempt, info.fencing_token)
    return booked(number)


@workflow
class Order:
    """Prepare, hear of every part, book."""

    def __init__(self) -> None:
        self.parts: list[int] = []
        self.has_all = asyncio.Event()

    async def run(self, number: int) -> int:
        """Return the sum of everything."""
        first = await prepare(number)
        await self.has_all.wait()
        return first + await book(number) + sum(self.parts)

    @signal
    def deliver(self, value: int) -> None:
        """Take one part."""
        self.parts.append(0 if PLANTED == "deaf" and value % 7 == 0 else value)
        if len(self.parts) == PARTS:
            self.has_all.set()
