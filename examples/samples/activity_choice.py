"""Choose the task by the data: an order is made of things that are each bought elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from examples.samples import outside
from holdfast import task, workflow


class Item(BaseModel):
    """One line of a shopping list."""

    fruit: Literal["apples", "bananas", "cherries"]
    amount: int


@task
async def order_apples(amount: int) -> str:
    """Buy apples."""
    return await outside.ask(f"{amount} apples")


@task
async def order_bananas(amount: int) -> str:
    """Buy bananas."""
    return await outside.ask(f"{amount} bananas")


@task
async def order_cherries(amount: int) -> str:
    """Buy cherries."""
    return await outside.ask(f"{amount} cherries")


ORDER = {"apples": order_apples, "bananas": order_bananas, "cherries": order_cherries}


@workflow
async def shop(items: list[Item]) -> list[str]:
    """Buy what is on the list, in its order."""
    return [await ORDER[item.fruit](item.amount) for item in items]
