"""Workflows whose histories of version 0.1 are kept. Never edited: a change here is a change of history."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from holdfast import (
    Err,
    Ok,
    Retry,
    TaskError,
    all_handlers_finished,
    lock,
    map_tasks,
    now,
    query,
    random,
    run_info,
    semaphore,
    signal,
    task,
    update,
    uuid4,
    wait_for_signal,
    workflow,
)


@dataclass
class Order:
    """An order."""

    id: str
    items: list[str]
    total: float


@dataclass
class Receipt:
    """What was charged."""

    order: str
    amount: float


@task(retry=Retry(attempts=3), timeout="30s")
async def charge(order: Order, fence: int = 0) -> Receipt:
    """Charge an order."""


@task
async def refund(order: str) -> None:
    """Give the money back."""


@task
async def ship(item: str, name: str) -> str:
    """Ship an item."""


@task
def summarize(path: str) -> dict[str, Any]:
    """Summarize a document."""


@task
async def fetch(item: Any) -> Any:
    """Fetch something."""


@workflow
async def order(order: Order) -> dict[str, Any]:
    """Charge under a lock, then ship all items at once."""
    async with lock(f"account:{order.id}") as held:
        receipt = await charge(order, fence=held.token)
    shipped = await asyncio.gather(*(ship(item, name=str(uuid4())) for item in order.items))
    return {"amount": receipt.amount, "shipped": shipped, "at": now().isoformat()}


@workflow
async def order_undone(order: Order) -> str:
    """Give the money back when shipping fails."""
    await charge.options(key=order.id)(order)
    try:
        async with asyncio.TaskGroup() as group:
            for item in order.items:
                group.create_task(ship(item, name="x"))
            group.create_task(asyncio.sleep(3600))
    except* TaskError:
        await refund(order.id)
    return "undone"


@workflow
class Review:
    """Wait for approvals, answer questions, take additions, end by time-out or when there are enough."""

    def __init__(self) -> None:
        self.approved: list[str] = []
        self.documents: list[str] = []
        self.enough = asyncio.Event()

    async def run(self, needed: int) -> dict[str, Any]:
        """Wait for as many approvals as are needed, for three days at most."""
        try:
            async with asyncio.timeout(3 * 86400):
                await self.enough.wait()
        except TimeoutError:
            return {"approved": self.approved, "late": True}
        while not all_handlers_finished():  # noqa: ASYNC110 - a durable sleep
            await asyncio.sleep(1)
        return {"approved": self.approved, "documents": self.documents, "needed": needed}

    @signal
    def approve(self, by: str) -> None:
        """Take an approval."""
        self.approved.append(by)
        if len(self.approved) >= 2:
            self.enough.set()

    @signal
    async def look_up(self, path: str) -> None:
        """Summarize a document on the side."""
        self.documents.append((await summarize(path))["title"])

    @update
    async def add(self, path: str) -> int:
        """Add a document."""
        if path in self.documents:
            raise ValueError(f"{path} is there already")
        self.documents.append(path)
        await fetch(path)
        return len(self.documents)

    @query
    def progress(self) -> list[str]:
        """Return who has approved."""
        return self.approved


@workflow
async def report(paths: list[str]) -> list[Any]:
    """Map over documents, with failures collected."""
    strict = await map_tasks(summarize, paths)
    lenient = await map_tasks(fetch, [1, 2, 3], on_error="collect", key="lenient")
    async with semaphore("printer", 2):
        await asyncio.sleep(1.5)
    return [
        [each["title"] for each in strict],
        [each.value if isinstance(each, Ok) else each.error.type for each in lenient if isinstance(each, Ok | Err)],
    ]


@workflow
async def race(names: list[str]) -> list[Any]:
    """Take the first of many, cancel the rest, then take others as they come."""
    tasks = [asyncio.create_task(_fetched(name)) for name in names]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    winners = [each.result() for each in done]
    async with asyncio.timeout(60):
        seen = [await each for each in asyncio.as_completed([fetch(name) for name in names], timeout=30)]
    return [winners, seen, random().randint(1, 1000)]


async def _fetched(name: str) -> Any:
    return await fetch(name)


@workflow
async def patient(_: None) -> list[Any]:
    """Wait for signals with and without a limit."""
    first = await wait_for_signal("go")
    try:
        second = await wait_for_signal("go", timeout="10s")
    except TimeoutError:
        second = await asyncio.wait_for(fetch("default"), 20)
    return [first, second, run_info().run_id]


@workflow
async def careful(item: str) -> None:
    """Clean up on cancellation."""
    try:
        await fetch(item)
        await asyncio.sleep(10)
    finally:
        await asyncio.shield(refund(item))


@workflow
async def doomed(item: str) -> None:
    """Fail, with a cause."""
    try:
        await fetch(item)
    except TaskError as error:
        raise ValueError(f"no {item}") from error


@workflow
async def large(count: int) -> int:
    """Move payloads that are stored outside their page."""
    texts = [await fetch("x" * 3000 + str(item)) for item in range(count)]
    return sum(map(len, texts))


@workflow
async def crossing(_: None) -> str:
    """Cancel tasks whose outcomes cross the cancellation."""
    slow = [fetch(item) for item in range(3)]
    await fetch("quick")
    for each in slow:
        each.cancel()
    dropped = fetch("never")
    dropped.cancel()
    await asyncio.sleep(5)
    return "done"
