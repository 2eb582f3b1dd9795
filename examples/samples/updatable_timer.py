"""Wait until a time that may be changed while it is waited for."""

from __future__ import annotations

import asyncio
from datetime import datetime

from examples.samples import outside
from holdfast import now, query, signal, task, workflow


@task
async def ring(what: str) -> str:
    """Wake somebody."""
    return await outside.ask(f"wake up for {what}")


@workflow
class Alarm:
    """An alarm clock."""

    def __init__(self) -> None:
        self.due: datetime | None = None
        self.changed = asyncio.Event()

    async def run(self, what: str, due: datetime) -> str:
        """Ring when it is time."""
        self.due = self.due or due
        while (left := (self.due - now()).total_seconds()) > 0:
            self.changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self.changed.wait()
            except TimeoutError:
                pass
        return await ring(what)

    @signal
    def set(self, due: datetime) -> None:
        """Ring at another time."""
        self.due = due
        self.changed.set()

    @query
    def rings_at(self) -> datetime | None:
        """Return when it rings."""
        return self.due
