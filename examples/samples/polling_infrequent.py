"""Ask now and then, by trying again: between two attempts nothing runs, not even a task that waits."""

from __future__ import annotations

from examples.samples import outside
from holdfast import Retry, task, task_info, workflow


class NotYetError(Exception):
    """It is not there yet."""


@task(retry=Retry(attempts=1000, initial="50ms", factor=1))  # minutes, where there is time
async def look_for_letter(address: str) -> str:
    """Look into the letter box."""
    if task_info().attempt < 4:
        raise NotYetError(address)
    return await outside.ask(f"a letter for {address}")


@workflow
async def expect_letter(address: str) -> str:
    """Wait for a letter."""
    return await look_for_letter(address)
