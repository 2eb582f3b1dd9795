"""Change a workflow that has open runs: runs that came by here before the change go on as they began."""

from __future__ import annotations

from examples.samples import outside
from examples.samples.patch_before import knock, write_letter
from holdfast import patched, task, workflow


@task
async def ring(door: str) -> str:
    """Ring."""
    return await outside.ask(f"rang at {door}")


@workflow
async def visit(door: str) -> str:
    """Visit somebody."""
    if patched("there are bells now"):
        await ring(door)
    else:
        await knock(door)
    return await write_letter(door)
