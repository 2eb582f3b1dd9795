"""Many runs at once: how many steps a second, and what a step costs.

Owns: the case `throughput`.
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.automations import sequence
from benchmarks.ours.stage import cpu_seconds, finish, stack
from benchmarks.rows import Sample


async def measure(folder: Path, *, runs: int, steps: int, rounds: int, **settings: Any) -> list[Sample]:
    """Start `runs` runs in one commit and wait for all of them, `rounds` times, after a round to warm up."""
    rates, costs = [], []
    async with stack(folder, **settings) as app:
        for number in range(rounds + 1):
            began, began_cpu = time.perf_counter(), cpu_seconds()
            await finish(await app.client.start_many(sequence, [(None, steps)] * runs))
            if number:
                rates.append(runs * steps / (time.perf_counter() - began))
                costs.append((cpu_seconds() - began_cpu) / (runs * steps) * 1e6)
    return [
        Sample("steps", "steps/s", tuple(rates), runs * steps),
        Sample("cpu", "us/step", tuple(costs), runs * steps),
    ]
