"""Workflows written with Holdfast, each with a twin in `theirs.py` that decides the same with Temporal's SDK.

Owns: the tasks and workflows, by name.
Must not know: Temporal.
"""

# ruff: noqa: D101, D102, D103 - what they do is what they are

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from holdfast.authoring import Retry, TaskDefinition, patched, set_attributes, signal, task, update, workflow
from holdfast.errors import TaskError, TaskTimeoutError


@dataclass
class Line:
    article: str
    count: int


@task
async def fetch(article: str) -> str:
    return article.upper()


@task
async def price(article: str, count: int) -> float:
    return len(article) * count / 4


@task
async def ship(line: Line) -> Line:
    return Line(line.article, line.count - 1)


@task
async def note(_: Any) -> None:
    pass


@task(retry=Retry(attempts=3, initial=0.05))
async def refuse(reason: str) -> str:
    raise ValueError(reason)


@task
async def stall(article: str) -> str:
    await asyncio.Event().wait()
    return article


@workflow
class Order:
    """Waits in every way: for tasks one by one and together, for time, for a signal within a time, with an update."""

    def __init__(self) -> None:
        self.approved = asyncio.Event()
        self.items: list[str] = []

    async def run(self, name: str) -> list[str]:
        first = await fetch(name)
        await asyncio.sleep(0.2)
        second, third = await asyncio.gather(fetch("b"), fetch("c"))
        async with asyncio.timeout(100):
            await self.approved.wait()
        return [first, second, third, *self.items]

    @signal
    def approve(self, by: str) -> None:
        self.items.append(by)
        self.approved.set()

    @update
    async def add(self, item: str) -> int:
        self.items.append(await fetch(item))
        return len(self.items)


@workflow
class Shipment:
    """Passes dataclasses, several arguments, and nothing at all."""

    async def run(self, line: Line) -> dict[str, Any]:
        cost = await price(line.article, line.count)
        left = await ship(line)
        await note(None)
        return {"cost": cost, "left": left.count, "article": left.article}


@workflow
class Refused:
    """Goes on after a task has failed for good, and puts it right."""

    async def run(self, reason: str) -> str:
        try:
            return await refuse(reason)
        except TaskError as error:
            await note(reason)
            return f"put right: {error.type}"


@workflow
class Doomed:
    """Fails with what its task failed with."""

    async def run(self, reason: str) -> str:
        await fetch(reason)
        return await refuse(reason)


@workflow
class Race:
    """Takes what comes first, and gives up what does not come in time."""

    async def run(self, article: str) -> list[str]:
        timer = asyncio.create_task(asyncio.sleep(600))
        work = asyncio.ensure_future(fetch(article))
        await asyncio.wait([timer, work], return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        seen = [work.result()]
        try:
            async with asyncio.timeout(0.5):
                seen.append(await stall(article))
        except TimeoutError:
            seen.append("late")
        try:
            seen.append(await stall.options(timeout=0.3)(article))
        except TaskTimeoutError:
            seen.append("timed out")
        return seen


@workflow
class Patient:
    """Waits until it is cancelled, and cleans up."""

    async def run(self, article: str) -> str:
        await fetch(article)
        try:
            await asyncio.sleep(3600)
        finally:
            await note(article)
        return article


@workflow
class Changed:
    """Was changed, and new runs take the changed side."""

    async def run(self, article: str) -> str:
        await fetch(article)
        if patched("dearer"):
            await note(article)
        return article


@workflow
class Labelled:
    """Says what it is about."""

    async def run(self, article: str) -> str:
        set_attributes({"article": article, "count": 3})
        await fetch(article)
        set_attributes({"article": None, "paid": True})
        return article


TASKS: Final[tuple[TaskDefinition[Any, Any], ...]] = (fetch, price, ship, note, refuse, stall)
WORKFLOWS: Final[dict[str, Any]] = {
    each.__name__: each for each in (Order, Shipment, Refused, Doomed, Race, Patient, Changed, Labelled)
}
