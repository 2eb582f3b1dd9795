"""Tell a run something; it collects until it is told that this was all."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import signal, task, workflow


@task
async def greet(name: str) -> str:
    """Greet somebody."""
    return await outside.ask(f"hello {name}")


@workflow
class Reception:
    """Greets who comes, in order."""

    def __init__(self) -> None:
        self.guests: asyncio.Queue[str | None] = asyncio.Queue()

    async def run(self) -> list[str]:
        """Greet everybody until the door is closed."""
        greeted = []
        while (name := await self.guests.get()) is not None:
            greeted.append(await greet(name))
        return greeted

    @signal
    def arrive(self, name: str) -> None:
        """Let somebody in."""
        self.guests.put_nowait(name)

    @signal
    def close(self) -> None:
        """Close the door."""
        self.guests.put_nowait(None)
