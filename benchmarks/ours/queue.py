"""Tasks through the queue, to workers in other processes.

Owns: the cases `queue` (many tasks in flight) and `round_trip` (one).
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.automations import timed_sequence, trips
from benchmarks.ours.fleet import Place, orchestrating, workers
from benchmarks.ours.stage import finish
from benchmarks.rows import Sample, percentiles

WARM_UP_STEPS = 10


async def measure(
    folder: Path, *, store: str, bus: str, in_flight: int, steps: int, rounds: int, processes: int, slots: int
) -> list[Sample]:
    """Keep `in_flight` runs at a time, each of which waits for one task after the other."""
    place = Place(store, bus)
    rates: list[float] = []
    async with orchestrating(place) as app, workers(place, processes, slots):
        await finish(await app.client.start_many(timed_sequence, [(None, WARM_UP_STEPS)] * in_flight))
        trips.clear()
        for _ in range(rounds):
            began = time.perf_counter()
            await finish(await app.client.start_many(timed_sequence, [(None, steps)] * in_flight))
            rates.append(in_flight * steps / (time.perf_counter() - began))
    return [Sample("tasks", "tasks/s", tuple(rates), in_flight * steps), *percentiles("trip_", trips)]
