"""Try again until it works: the first two calls find nobody there."""

from __future__ import annotations

from examples.samples import outside
from holdfast import Retry, task, task_info, workflow


@task(retry=Retry(attempts=10, initial="10ms", maximum="50ms"))
async def deliver(parcel: str) -> str:
    """Deliver a parcel, where somebody is at home."""
    if task_info().attempt < 3:
        raise ConnectionError("nobody is at home")
    return await outside.ask(f"delivered {parcel}")


@workflow
async def ship(parcel: str) -> str:
    """Ship a parcel."""
    return await deliver(parcel)
