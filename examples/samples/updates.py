"""Change a run and get an answer; what makes no sense is refused before it is recorded."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import signal, task, update, workflow


@task
async def reserve(article: str) -> str:
    """Put an article aside."""
    return await outside.ask(f"reserved {article}")


@workflow
class Cart:
    """A shopping cart."""

    def __init__(self) -> None:
        self.articles: list[str] = []
        self.paid = asyncio.Event()

    async def run(self) -> list[str]:
        """Return what was bought."""
        await self.paid.wait()
        return self.articles

    @update
    async def add(self, article: str) -> int:
        """Put an article into the cart; return how many there are."""
        self.articles.append(article)
        await reserve(article)
        return len(self.articles)

    @add.validator
    def _(self, article: str) -> None:
        if not article:
            raise ValueError("an article has a name")

    @signal
    def pay(self) -> None:
        """Pay."""
        self.paid.set()
