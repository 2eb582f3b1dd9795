"""Ask a run how it stands, without disturbing it."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import query, signal, task, workflow


@task
async def paint(part: str) -> str:
    """Paint a part."""
    return await outside.ask(f"painted {part}")


@workflow
class Paint:
    """Paint a house, and wait until somebody has looked at it."""

    def __init__(self) -> None:
        self.painted: list[str] = []
        self.seen = asyncio.Event()

    async def run(self, parts: list[str]) -> int:
        """Paint all parts; return how many."""
        for part in parts:
            await paint(part)
            self.painted.append(part)
        await self.seen.wait()
        return len(self.painted)

    @query
    def progress(self) -> list[str]:
        """Return what is painted."""
        return self.painted

    @signal
    def see(self) -> None:
        """Have looked at it."""
        self.seen.set()
