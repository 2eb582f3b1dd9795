"""One task over very many items: how fast, and whether memory stays flat.

Owns: the case `map_tasks`.
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.automations import mapping
from benchmarks.ours.stage import MIB, peak_bytes, resident_bytes, stack
from benchmarks.rows import Sample

WARM_UP_ITEMS = 100


async def measure(folder: Path, *, few: int, many: int) -> list[Sample]:
    """Map a task that does nothing over `few` items, then over `many`, and look at the most memory ever held."""
    async with stack(folder) as app:
        await (await app.client.start(mapping, WARM_UP_ITEMS)).result()
        before = resident_bytes()
        samples = []
        for items in (few, many):
            began = time.perf_counter()
            await (await app.client.start(mapping, items)).result()
            rate = items / (time.perf_counter() - began)
            samples += [
                Sample(f"items_{items}", "items/s", (rate,), items),
                Sample(f"peak_growth_{items}", "MiB", ((peak_bytes() - before) / MIB,)),
            ]
    return samples
