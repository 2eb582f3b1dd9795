"""Clean up when somebody stops the run."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import task, workflow


@task
async def watch(room: str) -> None:
    """Watch a room until nobody wants to know any more."""
    await outside.ask(f"watching {room}")


@task
async def lock_up(room: str) -> None:
    """Leave a room as it was."""
    await outside.ask(f"locked {room}")


@workflow
async def guard(room: str) -> None:
    """Guard a room; lock it when told to stop."""
    try:
        await watch(room)
    except asyncio.CancelledError:
        await lock_up(room)
        raise
