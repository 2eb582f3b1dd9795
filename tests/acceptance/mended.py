"""Runs that stand still, where the command line finds their code."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from holdfast import Recovery, Retry, task, workflow
from holdfast.http import http

READ: list[str] = ["rate"]
"""Under which name today's code reads a rate."""
BOOKED: list[float] = []


class Order(BaseModel):
    """What is ordered."""

    amount: int
    currency: str


class ClosedError(Exception):
    """The desk is closed."""


@task(retry=Retry(attempts=1))
async def rate(url: str) -> float | None:
    """Ask for a rate."""
    found: float = (await http.get(url)).json()[READ[0]]
    return found


@task(recovery={ClosedError: Recovery.park("the desk is closed")})
async def check(order: Order) -> str:
    """Have somebody check it."""
    if not BOOKED:
        raise ClosedError
    return "checked"


@task
async def book(amount: float) -> str:
    """Book it."""
    BOOKED.append(amount)
    return f"booked {amount:g}"


@workflow
async def convert(amount: int, url: str) -> str:
    """Book an amount in another currency, or as it is where there is no rate."""
    return await book(amount * (await rate(url) or 1))


@workflow
async def order(order: Order) -> str:
    """Book what is ordered."""
    return await book(order.amount)


@workflow
async def checked(order: Order) -> Any:
    """Have it checked."""
    return await check(order)
