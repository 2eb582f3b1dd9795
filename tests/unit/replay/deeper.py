"""A task that no workflow's module shows."""

from __future__ import annotations

from holdfast.authoring import task


@task
async def hidden(item: str) -> str:
    """Do it out of sight."""
    return f"hidden {item}"
