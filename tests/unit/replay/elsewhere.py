"""A task, and a helper that calls another one: what a workflow sees of a module that it imports."""

from __future__ import annotations

from holdfast.authoring import task
from tests.unit.replay import deeper


@task
async def remote(item: str) -> str:
    """Do it far away."""
    return f"remote {item}"


async def indirect(item: str) -> str:
    """Let another module's task do it."""
    return await deeper.hidden(item)
