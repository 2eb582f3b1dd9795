"""Letting parked runs go on, so many at a time.

Owns: the option `--rate`, and keeping to it.
Must not know: why they were parked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

import typer

from holdfast.app import Client
from holdfast.ports.operations import Operation

RateOption = Annotated[float, typer.Option(min=0.1, max=100_000, help="How many runs go on a second, at most.")]
PART: Final = 100
"""How many runs go on in one transaction."""


async def in_parts(client: Client, rate: float, operation: Callable[[int], Operation]) -> int:
    """Write an operation, made for so many runs, until it lets fewer go on than it might; return how many did."""
    resumed, part = 0, max(1, min(PART, int(rate)))
    went_on: int
    while True:
        (went_on,) = await client.store.write([operation(part)])
        resumed += went_on
        if went_on < part:
            return resumed
        await asyncio.sleep(part / rate)
