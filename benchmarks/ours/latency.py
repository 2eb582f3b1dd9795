"""One run at a time: how long it takes from its start to its result.

Owns: the cases `sequential` and `fan_out`.
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.automations import sequence, spread
from benchmarks.ours.stage import stack
from benchmarks.rows import Sample, percentiles

WARM_UPS = 3


async def measure_sequential(folder: Path, *, runs: int) -> list[Sample]:
    """Run one workflow of one step, and one of ten, again and again, never two at once."""
    async with stack(folder) as app:
        return [
            sample
            for steps in (1, 10)
            for sample in percentiles(f"{steps}_step_", await _time(app, sequence, steps, runs))
        ]


async def measure_fan_out(folder: Path, *, steps: int, rounds: int) -> list[Sample]:
    """Run one workflow that gathers `steps` steps."""
    async with stack(folder) as app:
        seconds = await _time(app, spread, steps, rounds)
    return [Sample("latency", "ms", tuple(each * 1e3 for each in seconds))]


async def _time(app: Any, workflow: Any, steps: int, runs: int) -> list[float]:
    seconds = []
    for number in range(runs + WARM_UPS):
        began = time.perf_counter()
        await (await app.client.start(workflow, steps)).result()
        if number >= WARM_UPS:
            seconds.append(time.perf_counter() - began)
    return seconds
