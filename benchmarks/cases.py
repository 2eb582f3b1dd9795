"""What is measured, with how much of it.

Owns: the cases, their parameters in full and with `--quick`, which systems take part in which.
Must not know: how a case is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.rows import OURS

DBOS: Final = "dbos"
DBOS_AS_IT_COMES: Final = "dbos-rollback-journal"

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure. Parameters are by system: `(full, quick)`."""

    name: str
    about: str
    parameters: Mapping[str, tuple[Parameters, Parameters]]
    repeats: int = 5
    """How many processes of each system measure it, in turn."""
    alone: bool = field(default=False, kw_only=True)
    """It is measured only when it is asked for."""


CASES: Final = (
    Case(
        "throughput",
        "2,000 runs of 5 steps at once, all started in one commit",
        {
            OURS: (
                {"runs": 2_000, "steps": 5, "rounds": 3},
                {"runs": 500, "steps": 5, "rounds": 2},
            ),
            # A rate does not depend on how many there are, and 2,000 would take half a minute a round.
            DBOS: (
                {"runs": 400, "steps": 5, "rounds": 1, "at_once": 8},
                {"runs": 40, "steps": 5, "rounds": 1, "at_once": 8},
            ),
            DBOS_AS_IT_COMES: (
                {"runs": 400, "steps": 5, "rounds": 1, "at_once": 8},
                {"runs": 20, "steps": 5, "rounds": 1, "at_once": 8},
            ),
        },
    ),
    Case(
        "sequential",
        "one run at a time, of 1 step and of 10, from start to result",
        {
            OURS: ({"runs": 500}, {"runs": 50}),
            DBOS: ({"runs": 100}, {"runs": 10}),
            DBOS_AS_IT_COMES: ({"runs": 100}, {"runs": 5}),
        },
    ),
    Case(
        "fan_out",
        "one run that gathers 1,000 steps",
        {
            OURS: ({"steps": 1_000, "rounds": 10}, {"steps": 1_000, "rounds": 3}),
            DBOS: ({"steps": 1_000, "rounds": 1}, {}),
        },
    ),
    Case(
        "map_tasks",
        "one run that maps a task that does nothing over very many items; memory is the peak's growth",
        {OURS: ({"few": 10_000, "many": 100_000}, {"few": 300, "many": 3_000})},
        repeats=2,
    ),
    Case(
        "recovery",
        "1,000 runs stand half-way when their process is killed (SIGKILL); a new one brings them to their end",
        {
            OURS: ({"runs": 1_000, "lease_seconds": 15.0}, {"runs": 100, "lease_seconds": 1.0}),
            DBOS: ({"runs": 1_000}, {}),
        },
        repeats=3,
    ),
    Case(
        "sleeping",
        "100,000 runs sleep for an hour, evicted from memory; then 1,000 wake at one moment",
        {
            OURS: (
                {"warm": 10_000, "runs": 100_000, "wake": 1_000, "live": 1_000, "lead": 6.0},
                {"warm": 500, "runs": 1_000, "wake": 100, "live": 100, "lead": 1.5},
            )
        },
        repeats=1,
    ),
    Case(
        "start_latency",
        "starts by a second process, one at a time, while the first is under the load of `throughput` all along",
        {
            OURS: (
                {"starts": 1_000, "runs": 2_000, "steps": 5},
                {"starts": 50, "runs": 200, "steps": 5},
            )
        },
        repeats=3,
    ),
    Case(
        "http_starts",
        "starts over HTTP by a second process: one at a time, then 16 at a time",
        {OURS: ({"starts": 1_000, "at_once": 16}, {"starts": 32, "at_once": 16})},
        repeats=3,
    ),
    Case(
        "profile",
        "shares of CPU time in `throughput`, under a profiler",
        {OURS: ({"runs": 2_000, "steps": 5}, {"runs": 300, "steps": 5})},
        repeats=1,
        alone=True,
    ),
)
