"""What is measured of a fleet, with how much of it.

Owns: the cases of `benchmarks.fleet`, their parameters in full and with `--quick`, which systems take part in which.
Must not know: how a case is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.cases import DBOS, Case, Parameters
from benchmarks.rows import OURS

NOTIFY: Final = "holdfast-notify"
POLLING: Final = "holdfast-polling"
PROCRASTINATE: Final = "procrastinate"
TASKIQ: Final = "taskiq"

STORE: Final = "store"
BUS: Final = "bus"
WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    OURS: (STORE, BUS),
    NOTIFY: (STORE, BUS),
    POLLING: (STORE, BUS),
    DBOS: (STORE,),
    PROCRASTINATE: (STORE,),
    TASKIQ: (BUS,),
}
"""What each system has to be told of: a database of its own, and what its processes ring each other by."""


def _alike(full: Parameters, quick: Parameters, *systems: str) -> dict[str, tuple[Parameters, Parameters]]:
    return dict.fromkeys(systems, (full, quick))


_QUEUE: Final[Mapping[str, Any]] = {"processes": 2, "slots": 128}
_TRIP: Final[Mapping[str, Any]] = {"processes": 1, "slots": 8}
_IDLE: Final = (
    {"processes": 10, "slots": 32, "settle": 15.0, "seconds": 60.0},
    {"processes": 1, "slots": 32, "settle": 0.5, "seconds": 2.0},
)

FLEET_CASES: Final = (
    Case(
        "in_process",
        "2,000 runs of 5 steps at once, orchestrator and worker in one process, on PostgreSQL",
        {
            OURS: (
                {"runs": 2_000, "steps": 5, "rounds": 3},
                {"runs": 200, "steps": 5, "rounds": 1},
            ),
            # A rate does not depend on how many there are.
            DBOS: (
                {"runs": 400, "steps": 5, "rounds": 1, "at_once": 16},
                {"runs": 20, "steps": 5, "rounds": 1, "at_once": 8},
            ),
        },
        repeats=3,
    ),
    Case(
        "queue",
        "256 tasks in flight through the queue, to 2 worker processes with 128 slots each",
        _alike(
            {"in_flight": 256, "steps": 20, "rounds": 2, **_QUEUE},
            {"in_flight": 16, "steps": 5, "rounds": 1, "processes": 1, "slots": 16},
            *(OURS, NOTIFY),
        )
        | {
            PROCRASTINATE: ({"jobs": 1_000, "rounds": 1, **_QUEUE}, {"jobs": 50, "rounds": 1, **_TRIP}),
            TASKIQ: ({"jobs": 5_000, "rounds": 2, **_QUEUE}, {"jobs": 200, "rounds": 1, **_TRIP}),
        },
        repeats=3,
    ),
    Case(
        "round_trip",
        "one task at a time through the queue of an idle fleet, from its issue to its outcome",
        _alike(
            {"in_flight": 1, "steps": 500, "rounds": 1, **_TRIP},
            {"in_flight": 1, "steps": 20, "rounds": 1, **_TRIP},
            *(OURS, NOTIFY),
        )
        | {
            POLLING: ({"in_flight": 1, "steps": 20, "rounds": 1, **_TRIP}, {}),
            PROCRASTINATE: ({"jobs": 200, **_TRIP}, {"jobs": 20, **_TRIP}),
            TASKIQ: ({"jobs": 500, **_TRIP}, {"jobs": 20, **_TRIP}),
        },
        repeats=3,
    ),
    Case(
        "idle",
        "10 workers with nothing to do for a minute: statements of all kinds that the database is sent",
        _alike(*_IDLE, OURS) | _alike(_IDLE[0], {}, NOTIFY, POLLING) | _alike(_IDLE[0], _IDLE[1], PROCRASTINATE),
        repeats=1,
    ),
    Case(
        "map_waiting",
        "`map_tasks` over 10,000 items that wait 50 ms each, with 1, 2 and 4 workers of 64 slots",
        _alike(
            {"kind": "waiting", "items": 10_000, "seconds": 0.05, "processes": [1, 2, 4], "slots": 64},
            {"kind": "waiting", "items": 100, "seconds": 0.01, "processes": [1, 2], "slots": 16},
            OURS,
        ),
        repeats=2,
    ),
    Case(
        "map_computing",
        "`map_tasks` over 4,000 items that need a core for 5 ms each, with 1, 2 and 4 workers of 4 slots",
        _alike(
            {"kind": "computing", "items": 4_000, "seconds": 0.005, "processes": [1, 2, 4], "slots": 4},
            {"kind": "computing", "items": 50, "seconds": 0.001, "processes": [1, 2], "slots": 4},
            OURS,
        ),
        repeats=2,
    ),
    Case(
        "map_changing",
        "`map_tasks` over 5,000 items that wait 50 ms each, again and again, while there are 1, 2, 4, 2 and 1 workers",
        _alike(
            {"items": 5_000, "seconds": 0.05, "processes": [1, 2, 4, 2, 1], "slots": 64, "stretch": 5.0},
            {"items": 100, "seconds": 0.01, "processes": [1, 2, 1], "slots": 8, "stretch": 2.0},
            OURS,
        ),
        repeats=1,
    ),
    Case(
        "timers",
        "10,000 runs sleep until the same moment: how long after it the first one has ended, and the last one",
        _alike({"timers": 10_000, "lead": 30.0}, {"timers": 200, "lead": 2.0}, OURS),
        repeats=2,
    ),
)
