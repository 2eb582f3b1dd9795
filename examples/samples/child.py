"""Have parts of the work done by runs of their own."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import start_child, task, workflow


@task
async def bake(cake: str) -> str:
    """Bake a cake."""
    return await outside.ask(f"a {cake} cake")


@workflow
async def make_cake(cake: str) -> str:
    """Make one cake."""
    return await bake(cake)


@workflow
async def make_party(cakes: list[str]) -> str:
    """Have all cakes made at once."""
    made = await asyncio.gather(*(start_child(make_cake, cake, key=cake) for cake in cakes))
    return " and ".join(made)
