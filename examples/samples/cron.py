"""Start by the clock."""

from __future__ import annotations

from examples.samples import outside
from holdfast import schedule, task, workflow


@task
async def strike(clock: str) -> None:
    """Strike once."""
    await outside.ask(f"{clock} strikes")


@schedule("tower", cron="* * * * * *", input="the tower")  # six fields begin with seconds
@workflow
async def tell_time(clock: str) -> str:
    """Tell that another second has gone by."""
    await strike(clock)
    return clock
