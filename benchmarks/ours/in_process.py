"""Many runs at once in one process, on PostgreSQL: how many steps and runs a second.

Owns: the case `in_process`.
Must not know: the other cases.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.ours import throughput
from benchmarks.rows import Sample
from holdfast.stores import migrate


async def measure(folder: Path, *, store: str, bus: str, runs: int, steps: int, rounds: int) -> list[Sample]:
    """Do what the case `throughput` does, in another store."""
    await migrate(store)
    rates, costs = await throughput.measure(folder, runs=runs, steps=steps, rounds=rounds, store=store, bus=bus)
    return [rates, Sample("runs", "runs/s", tuple(each / steps for each in rates.values), runs), costs]
