"""Do five things at once, and go on when all are done."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import task, workflow


@task
async def greet(name: str) -> str:
    """Greet somebody."""
    return await outside.ask(f"hello {name}")


@workflow
async def greet_everybody(names: list[str]) -> list[str]:
    """Greet everybody at once; the greetings come in the order of the names."""
    return await asyncio.gather(*map(greet, names))
