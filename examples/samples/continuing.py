"""Go on as a new execution before the history grows too long: a loop for years."""

from __future__ import annotations

from examples.samples import outside
from holdfast import continue_as_new, run_info, task, workflow


@task
async def pour(number: int) -> str:
    """Pour a cup."""
    return await outside.ask(f"cup {number}")


@workflow
async def pour_tea(cups: int, poured: int = 0) -> int:
    """Pour so many cups; each second one begins with an empty history."""
    while poured < cups:
        poured += 1
        await pour(poured)
        if run_info().should_continue_as_new or poured % 2 == 0:  # so often here to show it
            continue_as_new(cups, poured)
    return poured
