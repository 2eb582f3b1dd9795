"""Very many timers that are due at one moment.

Owns: the case `timers`.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from benchmarks.automations import sleep_until
from benchmarks.ours.fleet import Place, orchestrating
from benchmarks.rows import Sample

STARTED_TOGETHER = 1_000


async def measure(folder: Path, *, store: str, bus: str, timers: int, lead: float) -> list[Sample]:
    """Put `timers` runs to sleep until one moment, `lead` seconds on, and see when they have ended.

    Raises:
        RuntimeError: a run ended early, or some were not asleep yet when they were due.
    """
    async with orchestrating(Place(store, bus)) as app:
        due = time.time() + lead
        handles = []
        for start in range(0, timers, STARTED_TOGETHER):
            count = min(STARTED_TOGETHER, timers - start)
            handles += await app.client.start_many(sleep_until, [(None, due)] * count)
        if time.time() > due:
            raise RuntimeError(f"{timers} runs were not started within {lead:g} s: measure with more time")
        ended = await asyncio.gather(*[_ended(handle) for handle in handles])
    if min(ended) < due:
        raise RuntimeError(f"a timer fired {due - min(ended):.6f} s early")
    return [
        Sample("first_ended", "s", (min(ended) - due,), timers),
        Sample("last_ended", "s", (max(ended) - due,), timers),
    ]


async def _ended(handle: Any) -> float:
    await handle.result()
    return time.time()
