"""Start by a schedule that somebody operates: runs now, pauses it, and makes up for times that are over."""

from __future__ import annotations

from examples.samples import outside
from holdfast import schedule, task, workflow


@task
async def close_books(firm: str) -> str:
    """Close a firm's books."""
    return await outside.ask(f"closed the books of {firm}")


@schedule("year-end", cron="0 3 1 1 *", timezone="Europe/Riga", input="the mill", overlap="allow")
@workflow
async def end_year(firm: str) -> str:
    """End a year."""
    return await close_books(firm)
