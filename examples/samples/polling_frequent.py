"""Ask every few moments, inside one task: it says that it is alive, and costs history nothing."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import heartbeat, task, task_info, workflow


@task(timeout="1h", heartbeat_timeout="5s")
async def wait_for_train(train: str) -> str:
    """Look until the train is there."""
    looked = task_info().last_progress or 0
    while looked < 5:
        looked += 1
        heartbeat(looked)
        await asyncio.sleep(0.05)
    return await outside.ask(f"{train} is there")


@workflow
async def meet(train: str) -> str:
    """Meet a train."""
    return await wait_for_train(train)
