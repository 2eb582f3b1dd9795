"""Runs that have to do with other runs, all of the same large text.

Owns: the ways in which a run gets the text.
Must not know: how it is stored.
"""

from __future__ import annotations

import asyncio

from holdfast import continue_as_new, get_run, map_tasks, signal, start_child, task, workflow

TEXT = "once upon a time " * 1_000


@task
async def take(item: int) -> str:
    """Return something large for an item."""
    return f"{item} {TEXT}"


@workflow
class Hold:
    """Hold texts until told to let go."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.told: list[str] = []
        self.enough = asyncio.Event()

    async def run(self, text: str) -> int:
        """Return how many characters it held, once it is told an empty text."""
        await self.enough.wait()
        return len(text) + sum(map(len, self.told))

    @signal
    def tell(self, text: str) -> None:
        """Hold another text; an empty one is enough."""
        self.told.append(text)
        if not text:
            self.enough.set()


@workflow
async def leave(text: str) -> int:
    """Leave a child behind, and tell another run the text."""
    child = start_child(Hold, text, id="child", parent_close="abandon")
    await child.started
    await get_run("told").signal(Hold.tell, text)
    results = await map_tasks(take, [0, 1])
    return sum(map(len, results))


@workflow
class Renew:
    """Go on as a new execution once, and hold the text there."""

    def __init__(self) -> None:
        """Not yet told."""
        self.enough = asyncio.Event()

    async def run(self, text: str, number: int) -> int:
        """Return the length of the text."""
        if number == 1:
            continue_as_new(text, 2)
        await self.enough.wait()
        return len(text)

    @signal
    def tell(self, _: str) -> None:
        """Let it go."""
        self.enough.set()
