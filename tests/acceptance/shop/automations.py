"""A shop's automations, as its people would have written them: what the dashboard is looked at with.

Owns: one automation for each thing that a page has to show.
Must not know: browsers, tests. It is copied into an empty folder and served from there, so that what pages say of its
lines is what a person would read.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from pydantic import BaseModel

from holdfast import Rate, Retry, lock, query, signal, task, workflow


class Line(BaseModel):
    """One thing ordered."""

    name: str
    count: int = 1


class Card(BaseModel):
    """How it is paid."""

    number: str
    until: date


class Order(BaseModel):
    """What is ordered."""

    account: str
    lines: list[Line] = []
    payment: Card | None = None


@task(retry=Retry(attempts=2, initial="10ms"))
async def price(name: str) -> int:
    """Look up a price."""
    if name == "unobtainium":
        raise ValueError(f"nobody sells {name}")
    return len(name)


@task
async def discount(name: str) -> int:
    """Look up what is taken off."""
    return len(name) // 2


@task(pool="gpu")
async def render(name: str) -> str:
    """Draw it, where nobody can."""
    return name


@task(pool="press", rate=Rate("paper <b>", 100, per="1m"))
async def print_page(folder: str) -> str:
    """Print a page: the first time, the printer holds on to it for ever."""
    if is_first(Path(folder, "printed")):
        await asyncio.Event().wait()
    return "printed"


def is_first(mark: Path) -> bool:
    """Say whether nobody was here before."""
    found = not mark.exists()
    mark.touch()
    return found


@workflow
class Fulfil:
    """Price an order, wait for somebody's approval, and tell what it costs."""

    def __init__(self) -> None:
        self.approved = asyncio.Event()
        self.by = ""
        self.notes: list[str] = []

    async def run(self, order: Order) -> dict[str, int]:
        """Price it, and wait."""
        prices = await asyncio.gather(*(price(each.name) for each in order.lines))
        await self.approved.wait()
        return {"total": sum(prices)}

    @signal
    def approve(self, by: str) -> None:
        """Let it go on."""
        self.by = by
        self.approved.set()

    @signal
    def note(self, text: str) -> None:
        """Write something down."""
        self.notes.append(text)

    @query
    def approved_by(self) -> str:
        """Tell who approved it."""
        return self.by


@workflow
async def gallery(name: str) -> str:
    """Have something drawn."""
    return await render(name)


@workflow
async def leaflet(folder: str) -> str:
    """Have a leaflet printed."""
    return await print_page(folder)


@workflow
class Charge:
    """Charge an account; nobody else may at the same time."""

    def __init__(self) -> None:
        self.confirmed = asyncio.Event()

    async def run(self, account: str) -> str:
        """Charge it once the bank has confirmed."""
        async with lock(f"account:{account}"):
            await self.confirmed.wait()
        return account

    @signal
    def confirm(self) -> None:
        """Say that the bank agrees."""
        self.confirmed.set()


@workflow
class Nightly:
    """Close the books of a day."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def run(self, day: str) -> int:
        """Add up, and wait for the bank."""
        total = await price(day)
        await self.closed.wait()
        return total

    @signal
    def close(self) -> None:
        """Say that the bank has closed."""
        self.closed.set()


@workflow
async def ship(order: str) -> str:
    """Ship what was paid."""
    return order


@workflow
async def echo(words: str) -> str:
    """Fail with the words it was given."""
    raise ValueError(words)
