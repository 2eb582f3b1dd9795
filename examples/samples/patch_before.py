"""Change a workflow that has open runs: the code as it was. See `patch_after`."""

from __future__ import annotations

from examples.samples import outside
from holdfast import task, workflow


@task
async def knock(door: str) -> str:
    """Knock."""
    return await outside.ask(f"knocked at {door}")


@task
async def write_letter(door: str) -> str:
    """Leave a letter."""
    return await outside.ask(f"a letter for {door}")


@workflow
async def visit(door: str) -> str:
    """Visit somebody."""
    await knock(door)
    return await write_letter(door)
