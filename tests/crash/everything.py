"""What the fleet of `test_fleet` does: a bit of everything that goes through the store."""

from __future__ import annotations

import asyncio

from holdfast import Ledger, Retry, lock, map_tasks, task, workflow
from holdfast import signal as message


@task(retry=Retry(attempts=20, initial=0.05))
async def double(number: int) -> int:
    """Take a moment, so that somebody is killed in the middle."""
    await asyncio.sleep(0.05)
    return 2 * number


@task(isolation="process")
def note(number: int) -> int:
    """Write something down in the store, from a process of its own."""
    ledger = Ledger()
    if not ledger.is_already_processed(f"note-{number}"):
        ledger.mark_done(f"note-{number}", number)
    return number


@workflow
class Everything:
    """Tasks, a timer, a lock, a fan-out and a signal."""

    def __init__(self) -> None:
        self.agreed = asyncio.Event()

    async def run(self, number: int) -> int:
        """Return a number that says that each part was done once."""
        first = await double(number)
        await asyncio.sleep(0.2)
        async with lock("one at a time"):
            second = await double(first)
        many = await map_tasks(double, list(range(4)))
        await self.agreed.wait()
        return second + sum(many) + (await note(number) if number == 0 else number)

    @message
    def agree(self) -> None:
        """Let it end."""
        self.agreed.set()
