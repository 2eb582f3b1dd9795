"""Workflows that go wrong, for the tests of captures on Temporal.

Owns: the definitions.
Must not know: which engine runs them.
"""

from __future__ import annotations

import asyncio

from holdfast import Retry, map_tasks, task, workflow


@task
async def price(number: int) -> int:
    """Return a price."""
    return 3 * number


@task(retry=Retry(attempts=1))
async def charge(amount: int, card_number: str) -> str:
    """Fail, and say everything."""
    raise ValueError(f"{amount} refused for {card_number}")


@workflow
async def bill(number: int, card_number: str) -> str:
    """Lose money."""
    amount = await price(number)
    return await charge(amount, card_number)


@workflow
async def quote(number: int) -> int:
    """End well."""
    return await price(number)


@workflow
async def quotes(count: int) -> int:
    """Map over many, in two parts at once."""
    half, other = await asyncio.gather(map_tasks(price, range(count)), price(0))
    return sum(half) + other


@workflow
async def overdue() -> None:
    """Wait for longer than there is time."""
    await asyncio.sleep(3_600)


DEFINITIONS = (price, charge, bill, quote, quotes, overdue)
