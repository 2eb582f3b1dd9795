"""Starts from a second process while the first is fully loaded: how long until one is durable.

Owns: the case `start_latency`, with the process that is the load.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from benchmarks.automations import sequence
from benchmarks.ours.stage import another, finish, leash_let_go, stack, store_in, tell, told
from benchmarks.rows import Sample, percentiles
from holdfast import Client


async def measure(folder: Path, *, starts: int, runs: int, steps: int) -> list[Sample]:
    """Start runs from here, one after the other, while another process runs `runs` runs at a time without a pause."""
    given = msgspec.json.encode({"runs": runs, "steps": steps}).decode()
    async with another("start_latency-load", "--folder", str(folder), "--parameters", given) as load:
        await told(load)
        seconds = []
        async with await Client.connect(store_in(folder)) as client:
            for _ in range(starts):
                began = time.perf_counter()
                await client.start("sequence", 1)
                seconds.append(time.perf_counter() - began)
        assert load.stdin is not None
        load.stdin.close()
        rate = float(await told(load))
    return [*percentiles("", seconds), Sample("load", "steps/s", (rate,))]


async def load(folder: Path, *, runs: int, steps: int) -> None:
    """Be under full load until the leash is let go; then report how many steps there were each second."""
    async with stack(folder) as app:
        await finish(await app.client.start_many(sequence, [(None, steps)] * runs))
        tell("loaded")
        released = asyncio.ensure_future(leash_let_go())
        began, rounds = time.perf_counter(), 0
        while not released.done():
            await finish(await app.client.start_many(sequence, [(None, steps)] * runs))
            rounds += 1
        tell(str(rounds * runs * steps / (time.perf_counter() - began)))
