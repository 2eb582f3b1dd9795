"""A fleet to measure: one orchestrator in this process, workers in processes of their own, on one database.

Owns: how the product is set up for the cases of `benchmarks.fleet`.
Must not know: any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from benchmarks.automations import DEFINITIONS
from benchmarks.ours.stage import told
from holdfast import Holdfast
from holdfast.stores import migrate

MODULE = "benchmarks.automations"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fleet meets: its store, and what rings between its processes."""

    store: str
    bus: str


@contextlib.asynccontextmanager
async def orchestrating(place: Place) -> AsyncIterator[Holdfast]:
    """Run one orchestrator in this process; every task goes through the queue."""
    await migrate(place.store)
    app = Holdfast(
        definitions=DEFINITIONS, roles=("orchestrator",), store=place.store, bus=place.bus, log_level="ERROR"
    )
    async with app:
        yield app


@contextlib.asynccontextmanager
async def workers(place: Place, processes: int, slots: int) -> AsyncIterator[None]:
    """Run some worker processes, as `holdfast worker` does, while the block lasts."""
    async with contextlib.AsyncExitStack() as started:
        # Started together: each takes a second of CPU time before it can work.
        all_of_them = [await started.enter_async_context(_worker(place, slots)) for _ in range(processes)]
        for each in all_of_them:
            await told(each)  # it announces itself when it serves
        yield


@contextlib.asynccontextmanager
async def _worker(place: Place, slots: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast", "worker", MODULE, "--pool", f"default={slots}", "--json"),
        *("--store", place.store, "--bus", place.bus),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
