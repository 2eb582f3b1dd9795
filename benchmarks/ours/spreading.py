"""One task over many items, with more and more workers.

Owns: the cases `map_waiting` (items that wait for something) and `map_computing` (items that need a core).
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.automations import map_computing, map_waiting
from benchmarks.ours.fleet import Place, orchestrating, workers
from benchmarks.rows import Sample

KINDS = {"waiting": map_waiting, "computing": map_computing}


async def measure(
    folder: Path, *, store: str, bus: str, kind: str, items: int, seconds: float, processes: list[int], slots: int
) -> list[Sample]:
    """Map over `items` items of `seconds` each, with each number of worker processes in turn."""
    place = Place(store, bus)
    workflow = KINDS[kind]
    samples = []
    async with orchestrating(place) as app:
        for count in processes:
            async with workers(place, count, slots):
                await (await app.client.start(workflow, slots * count, 0.0)).result()
                began = time.perf_counter()
                await (await app.client.start(workflow, items, seconds)).result()
                rate = items / (time.perf_counter() - began)
            samples.append(Sample(f"workers_{count}", "items/s", (rate,), items))
    return samples
