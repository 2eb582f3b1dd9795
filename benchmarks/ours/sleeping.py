"""Very many sleeping runs: what each costs in memory, and how fast those wake up whose time has come.

Owns: the case `sleeping`.
Must not know: the other cases.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.automations import sleep_until
from benchmarks.ours.stage import resident_bytes, stack, until
from benchmarks.rows import Sample
from holdfast import Holdfast
from holdfast.orchestrator import Orchestrator
from holdfast.ports.operations import COMPLETED

HOUR = 3600.0
STARTED_TOGETHER = 1_000


async def measure(folder: Path, *, warm: int, runs: int, wake: int, live: int, lead: float) -> list[Sample]:
    """Put `runs` runs to sleep for an hour and `wake` more until one moment `lead` seconds on; keep `live` in memory.

    `warm` runs go to sleep before the growth is measured. They fill the memory with live runs, and stretch it once to
    what a batch of starts needs, so that what is measured after them is what evicted runs leave behind.
    """
    async with stack(folder, live_runs_max=live) as app:
        await _sleep(app, warm, time.time() + HOUR)
        await _evicted(app, live)
        before = resident_bytes()
        began = time.perf_counter()
        await _sleep(app, runs, time.time() + HOUR)
        await _evicted(app, live)
        seconds = time.perf_counter() - began
        growth = resident_bytes() - before
        due = time.time() + lead
        await _sleep(app, wake, due)
        await _evicted(app, live)
        late = time.time() > due
        ended = await _completed(app, wake)
        if late:
            raise RuntimeError(f"{wake} runs were not asleep within {lead:g} s: measure with more time")
    return [
        Sample("to_sleep", "runs/s", (runs / seconds,), runs),
        Sample("memory", "bytes/run", (growth / runs,), runs),
        Sample("wake_all", "s", (ended - due,), wake),
    ]


async def _sleep(app: Holdfast, runs: int, due: float) -> None:
    for start in range(0, runs, STARTED_TOGETHER):
        await app.client.start_many(sleep_until, [(None, due)] * min(STARTED_TOGETHER, runs - start))


async def _evicted(app: Holdfast, live: int) -> None:
    orchestrator = app.stack.engine.local
    assert isinstance(orchestrator, Orchestrator)

    async def few_are_left() -> bool:
        return orchestrator.live_runs <= live

    await until(few_are_left)


async def _completed(app: Holdfast, runs: int) -> float:
    async def all_have_ended() -> bool:
        return (await app.stack.store.totals()).runs.get(COMPLETED, 0) >= runs

    await until(all_have_ended)
    return time.time()
