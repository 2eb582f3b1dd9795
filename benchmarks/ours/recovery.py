"""Runs whose process was killed: how long until a new process has brought all of them to their end.

Owns: the case `recovery`, with its two processes: the one that is killed, and the one that comes after.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from benchmarks import automations
from benchmarks.automations import gated
from benchmarks.ours.stage import LOOK_SECONDS, another, stack, tell, told, until
from benchmarks.rows import Sample
from holdfast.ports.operations import COMPLETED


async def measure(folder: Path, *, runs: int, lease_seconds: float) -> list[Sample]:
    """Kill a process with `runs` runs half-way, start another, and time it."""
    given = msgspec.json.encode({"runs": runs, "lease_seconds": lease_seconds}).decode()
    arguments = ("--folder", str(folder), "--parameters", given)
    async with another("recovery-interrupted", *arguments) as first:
        await told(first)
        first.kill()
        await first.wait()
    (folder / "gate").touch()
    began = time.monotonic()
    async with another("recovery-recovered", *arguments) as second:
        opening, opened, first_end, last_end, again = msgspec.json.decode(await told(second))
    return [
        Sample("from_process_start", "s", (last_end - began,), runs),
        Sample("from_open", "s", (last_end - opening,), runs),
        Sample("first_to_last", "s", (last_end - first_end,), runs),
        Sample("open", "s", (opened - opening,)),
        Sample("steps_repeated", "steps", (float(again),), runs * automations.STEPS_BEFORE_GATE),
    ]


async def be_interrupted(folder: Path, *, runs: int, lease_seconds: float) -> None:
    """Bring all runs to the gate, say so, and stay."""
    async with stack(folder, lease_seconds=lease_seconds) as app:
        await app.client.start_many(gated, [(f"run-{number}", str(folder / "gate")) for number in range(runs)])
        await until(lambda: asyncio.sleep(0, automations.arrivals.count("gate") >= runs))
        tell("all at the gate")
        await asyncio.Event().wait()


async def recover(folder: Path, *, runs: int, lease_seconds: float) -> None:
    """Open the store the other process left, and report when its runs had ended, on the machine's monotonic clock."""
    opening = time.monotonic()
    first_end = 0.0
    async with stack(folder, lease_seconds=lease_seconds) as app:
        opened = time.monotonic()
        ended = 0
        while ended < runs:
            await asyncio.sleep(LOOK_SECONDS)
            ended = (await app.stack.store.totals()).runs.get(COMPLETED, 0)
            if ended and not first_end:
                first_end = time.monotonic()
        last_end = time.monotonic()
    again = automations.arrivals.count("step")
    tell(msgspec.json.encode((opening, opened, first_end, last_end, again)).decode())
