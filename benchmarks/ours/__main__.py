"""Carry out one case and print its samples: `python -m benchmarks.ours CASE --folder FOLDER --parameters JSON`.

Owns: which word means which case.
Must not know: how any case works.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.ours import (
    breakdown,
    coming,
    http,
    idle,
    in_process,
    latency,
    mapping,
    queue,
    recovery,
    sleeping,
    spreading,
    starting,
    throughput,
    timers,
)
from benchmarks.ours.stage import tell
from benchmarks.rows import Sample

CASES: Final[Mapping[str, Callable[..., Coroutine[Any, Any, list[Sample] | None]]]] = {
    "throughput": throughput.measure,
    "sequential": latency.measure_sequential,
    "fan_out": latency.measure_fan_out,
    "map_tasks": mapping.measure,
    "recovery": recovery.measure,
    "recovery-interrupted": recovery.be_interrupted,
    "recovery-recovered": recovery.recover,
    "sleeping": sleeping.measure,
    "start_latency": starting.measure,
    "start_latency-load": starting.load,
    "http_starts": http.measure,
    "http_starts-server": http.serve,
    "profile": breakdown.measure,
    "in_process": in_process.measure,
    "queue": queue.measure,
    "round_trip": queue.measure,
    "idle": idle.measure,
    "map_waiting": spreading.measure,
    "map_computing": spreading.measure,
    "map_changing": coming.measure,
    "timers": timers.measure,
}


def main() -> None:
    """Run the case that the command line names."""
    parser = argparse.ArgumentParser(prog="benchmarks.ours")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parameters", type=msgspec.json.decode, default={})
    given = parser.parse_args()
    samples = asyncio.run(CASES[given.case](given.folder, **given.parameters))
    if samples is not None:
        tell(msgspec.json.encode({"samples": samples}).decode())


main()
