"""The twins of the workflows in `ours.py`, written with Temporal's own SDK and nothing of Holdfast's.

Owns: the activities and workflows, by name.
Must not know: Holdfast.
"""

# ruff: noqa: D101, D102, D103 - what they do is what they are

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError
from temporalio.exceptions import TimeoutError as OutOfTime

HOW: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=0.1), maximum_attempts=3),
}


@dataclass
class Line:
    article: str
    count: int


@activity.defn
async def fetch(article: str) -> str:
    return article.upper()


@activity.defn
async def price(article: str, count: int) -> float:
    return len(article) * count / 4


@activity.defn
async def ship(line: Line) -> Line:
    return Line(line.article, line.count - 1)


@activity.defn
async def note(_: Any) -> None:
    pass


@activity.defn
async def refuse(reason: str) -> str:
    raise ValueError(reason)


@activity.defn
async def stall(article: str) -> str:
    await asyncio.Event().wait()
    return article


@workflow.defn(sandboxed=False)
class Order:
    def __init__(self) -> None:
        self.approved = asyncio.Event()
        self.items: list[str] = []

    @workflow.run
    async def run(self, name: str) -> list[str]:
        first = await workflow.execute_activity(fetch, name, **HOW)
        await asyncio.sleep(0.2)
        second, third = await asyncio.gather(
            workflow.execute_activity(fetch, "b", **HOW), workflow.execute_activity(fetch, "c", **HOW)
        )
        async with asyncio.timeout(100):
            await self.approved.wait()
        return [first, second, third, *self.items]

    @workflow.signal
    def approve(self, by: str) -> None:
        self.items.append(by)
        self.approved.set()

    @workflow.update
    async def add(self, item: str) -> int:
        self.items.append(await workflow.execute_activity(fetch, item, **HOW))
        return len(self.items)


@workflow.defn(sandboxed=False)
class Shipment:
    @workflow.run
    async def run(self, line: Line) -> dict[str, Any]:
        cost = await workflow.execute_activity(price, args=[line.article, line.count], **HOW)
        left = await workflow.execute_activity(ship, line, **HOW)
        await workflow.execute_activity(note, None, **HOW)
        return {"cost": cost, "left": left.count, "article": left.article}


@workflow.defn(sandboxed=False)
class Refused:
    @workflow.run
    async def run(self, reason: str) -> str:
        try:
            return await workflow.execute_activity(refuse, reason, **HOW)
        except ActivityError as error:
            await workflow.execute_activity(note, reason, **HOW)
            return f"put right: {getattr(error.cause, 'type', None)}"


@workflow.defn(sandboxed=False)
class Doomed:
    @workflow.run
    async def run(self, reason: str) -> str:
        await workflow.execute_activity(fetch, reason, **HOW)
        return await workflow.execute_activity(refuse, reason, **HOW)


@workflow.defn(sandboxed=False)
class Race:
    @workflow.run
    async def run(self, article: str) -> list[str]:
        timer = asyncio.create_task(asyncio.sleep(600))
        work = workflow.start_activity(fetch, article, **HOW)
        await asyncio.wait([timer, work], return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        seen = [work.result()]
        try:
            async with asyncio.timeout(0.5):
                seen.append(await workflow.execute_activity(stall, article, **HOW))
        except ActivityError:  # a cancelled activity raises this, and asyncio.timeout() does not know it
            seen.append("late")
        try:
            seen.append(
                await workflow.execute_activity(
                    stall,
                    article,
                    start_to_close_timeout=timedelta(seconds=0.3),
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            )
        except ActivityError as error:
            seen.append("timed out" if isinstance(error.cause, OutOfTime) else "failed")
        return seen


@workflow.defn(sandboxed=False)
class Patient:
    @workflow.run
    async def run(self, article: str) -> str:
        await workflow.execute_activity(fetch, article, **HOW)
        try:
            await asyncio.sleep(3600)
        finally:
            await workflow.execute_activity(note, article, **HOW)
        return article


@workflow.defn(sandboxed=False)
class Changed:
    @workflow.run
    async def run(self, article: str) -> str:
        await workflow.execute_activity(fetch, article, **HOW)
        if workflow.patched("dearer"):
            await workflow.execute_activity(note, article, **HOW)
        return article


ARTICLE: Final = SearchAttributeKey.for_keyword("article")
COUNT: Final = SearchAttributeKey.for_int("count")
PAID: Final = SearchAttributeKey.for_bool("paid")


@workflow.defn(sandboxed=False)
class Labelled:
    @workflow.run
    async def run(self, article: str) -> str:
        workflow.upsert_search_attributes([ARTICLE.value_set(article), COUNT.value_set(3)])
        await workflow.execute_activity(fetch, article, **HOW)
        workflow.upsert_search_attributes([ARTICLE.value_unset(), PAID.value_set(True)])
        return article


ACTIVITIES: Final = (fetch, price, ship, note, refuse, stall)
WORKFLOWS: Final[dict[str, Any]] = {
    each.__name__: each for each in (Order, Shipment, Refused, Doomed, Race, Patient, Changed, Labelled)
}
