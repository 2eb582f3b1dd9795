"""Automations that tests of `world` run.

Owns: the workflows and tasks.
Must not know: what a test does with them.
"""

from __future__ import annotations

import asyncio
import random
import threading

from holdfast import (
    Retry,
    continue_as_new,
    lock,
    map_tasks,
    now,
    query,
    signal,
    start_child,
    task,
    task_info,
    update,
    wait_for_signal,
    workflow,
)

held = threading.Event()
"""Lets the thread of `wait_outside` end."""


@task(retry=Retry(attempts=3, initial="1h", maximum="1d"))
async def charge(customer: str, amount: int) -> str:
    """Charge a customer; a test that forgot to stub this fails."""
    raise ConnectionError(f"no bank here for {customer} and {amount}")


@task
async def note(text: str) -> str:
    """Return a text."""
    return f"{task_info().attempt}: {text}"


@task(isolation="thread", timeout="10m", retry=Retry(attempts=1))
def wait_outside() -> str:
    """Wait in a thread, until the test lets it go on."""
    held.wait()
    return "let go"


@task(isolation="process", pool="gpu")
def render(page: int) -> str:
    """Render a page where no test wants to go."""
    raise AssertionError(f"page {page} was rendered")


@task(timeout="10m", retry=Retry(attempts=2, initial="1m"))
async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


@task(timeout=None)
async def poll(times: int) -> int:
    """Look every minute."""
    for _ in range(times):
        await asyncio.sleep(60)  # virtual time
    return times


@workflow
async def sleeper(seconds: float) -> str:
    """Sleep, and say when it is over."""
    await asyncio.sleep(seconds)
    return now().isoformat()


@workflow
async def charging(customer: str) -> str:
    """Charge once."""
    return await charge(customer, 5)


@workflow
async def rendering(pages: int) -> list[str]:
    """Render many pages."""
    return list(await map_tasks(render, range(pages)))


@workflow
async def waiting() -> str:
    """Wait for a thread."""
    return await wait_outside()


@workflow
async def hanging() -> str:
    """Give up on a task."""
    try:
        await hang()
    except TimeoutError:
        return now().isoformat()
    return ""


@workflow
async def polling() -> int:
    """Call a task that waits."""
    return await poll(90)


@workflow
async def asking() -> str:
    """Wait for an answer."""
    return str(await wait_for_signal("answer", type=str))


@workflow
async def locked(seconds: float) -> str:
    """Hold a lock for a while."""
    async with lock("the lock"):
        await asyncio.sleep(seconds)
        return now().isoformat()


@workflow
async def fickle() -> list[str]:
    """Decide by what a replay does not see."""
    first = await note("begun")
    await asyncio.sleep(random.Random().random() + 1)  # holdfast: allow
    return [first, await note("ended")]


@workflow
class Subscription:
    """Charges every month, until it is cancelled or has run for three years."""

    def __init__(self) -> None:
        self.amount = 10
        self.paid: list[str] = []
        self.cancelled = asyncio.Event()

    async def run(self, customer: str, months: int = 36) -> list[str]:
        """Charge, wait for a month, and again."""
        for _ in range(months):
            self.paid.append(await charge(customer, self.amount))
            try:
                async with asyncio.timeout(30 * 86_400):
                    await self.cancelled.wait()
            except TimeoutError:
                continue
            self.paid.append(await note("cancelled"))
            break
        return self.paid

    @signal
    def cancel(self) -> None:
        """End it."""
        self.cancelled.set()

    @query
    def receipts(self) -> int:
        """Return how often it was charged."""
        return len(self.paid)

    @update
    async def change(self, amount: int) -> str:
        """Change the price from the next day on."""
        await asyncio.sleep(86_400)
        self.amount = amount
        return now().isoformat()


@workflow
async def invoice(customer: str, amount: int) -> str:
    """Wait for a week, then charge."""
    await asyncio.sleep(7 * 86_400)
    return await charge(customer, amount)


@workflow
class Membership:
    """Invoices every 30 days by a child, and goes on as a new run each year."""

    def __init__(self) -> None:
        self.amount = 10
        self.upgrades: asyncio.Queue[int] = asyncio.Queue()

    async def run(self, customer: str, months: int, paid: list[str]) -> list[str]:
        """Invoice for a year at most."""
        for _ in range(min(months, 12)):
            child = start_child(invoice, customer, self.amount)
            try:
                async with asyncio.timeout(30 * 86_400):
                    self.amount = await self.upgrades.get()
                    await asyncio.Event().wait()
            except TimeoutError:
                paid.append(await child)
        if months > 12:
            continue_as_new(customer, months - 12, paid)
        return paid

    @signal
    def upgrade(self, amount: int) -> None:
        """Charge another amount from the next month of this year on."""
        self.upgrades.put_nowait(amount)
