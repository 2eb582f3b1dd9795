"""Tasks that are never run: what the workflows of tests ask for."""

from __future__ import annotations

from typing import Any

from holdfast.authoring import task


@task
async def fetch(item: Any = None) -> Any:
    """Fetch an item."""


@task
async def charge(item: Any = None) -> Any:
    """Charge for an item."""


@task
async def undo(item: Any = None) -> Any:
    """Undo what was done to an item."""
