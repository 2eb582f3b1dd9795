"""The engines that the runtime's conformance suite runs on: the embedded one on each store, and a Temporal server.

Owns: how each is reached, calm and killed in the middle; which scenarios it performs every time, and which not at all.
Must not know: any scenario but by its name.

On SQLite all scenarios are performed every time, calm and killed. On PostgreSQL those that lean on the store the most
are, with one of the buses in turn, and on Temporal a few of each kind; all others when long tests are asked for.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.testing.conformance.runtime import SCENARIOS, RuntimeHarness, Scenario
from tests.backends import OTHERS, SQLITE, STORE_VARIABLE
from tests.conformance.harness import calm, calm_on_temporal, killed, killed_on_temporal
from tests.servers.temporal import Temporal

LEANING = frozenset({"locks", "messages", "timers", "versions"})
"""Modules whose scenarios lean on the store the most."""
KILLED_ON_POSTGRES = frozenset({"a_run_continues_as_new_with_its_mail", "a_childs_failure_is_its_parents_to_catch"})
"""Those whose stack is killed there every time."""
ABSENT_ON_TEMPORAL: Mapping[str, str] = {
    "timers_fire_in_their_order": "one drain for each input: these timers fire together, and the tasks after them race",
}
"""Scenarios that need what there is not on Temporal, each with what that is. See docs/how-to/temporal.md."""
SHORT_ON_TEMPORAL = frozenset(
    {
        "a_callback_is_answered_once",
        "a_cancelled_run_cleans_up",
        "a_failing_member_ends_its_group",
        "a_fork_repeats_nothing_that_was_recorded",
        "a_lock_is_given_back_on_any_end",
        "a_patch_is_answered_once",
        "a_paused_run_does_not_move",
        "a_pinned_run_is_for_the_version_it_began_with",
        "a_run_continues_as_new_with_its_mail",
        "a_run_is_found_by_what_it_says_of_itself",
        "a_run_whose_time_is_up_ends",
        "a_side_effect_is_recorded",
        "chance_and_time_are_recorded",
        "failed_items_can_be_collected",
        "messages_between_runs_arrive_once",
        "the_next_attempt_reads_the_progress",
    }
)
"""Those that are performed every time; the others when long tests are asked for."""
KILLED_ON_TEMPORAL = frozenset(
    {
        "a_childs_failure_is_its_parents_to_catch",
        "a_lock_is_held_by_one_run_at_a_time",
        "mapped_items_come_in_order",
    }
)
"""Those in which the worker is killed every time."""

Harness = AbstractAsyncContextManager[RuntimeHarness]


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that runs workflows, and what happens to it."""

    name: str
    backend: str
    """What its store is on: see `tests.backends`."""
    open: Callable[[Path, pytest.FixtureRequest], Harness]
    """Gives it in a folder."""
    performs: Callable[[int, Scenario], bool] = lambda _, __: True
    """Says whether a scenario, which has a place among them, is performed every time."""
    absent: Collection[str] = ()
    """Scenarios that need what there is not."""
    servers: tuple[str, ...] = ()
    """Fixtures of the servers that it needs besides."""
    leave: Callable[[], object] = field(default=lambda: None)
    """Called when everything of it has ended."""


def _on_postgres(name: str, turn: int) -> Engine:
    def performs(place: int, scenario: Scenario) -> bool:
        return scenario.drive.__module__.rpartition(".")[2] in LEANING and place % len(OTHERS) == turn

    return Engine(name, name, lambda folder, _: calm(folder, os.environ[STORE_VARIABLE]), performs)


def _on_temporal(
    name: str, namespace: str, harness: Callable[[Path, str], Harness], performed: Collection[str]
) -> Engine:
    def opened(folder: Path, request: pytest.FixtureRequest) -> Harness:
        server: Temporal = request.getfixturevalue("temporal_server")
        return harness(folder, server.url_of(namespace))

    return Engine(
        name,
        SQLITE,
        opened,
        lambda _, scenario: scenario.name in performed,
        ABSENT_ON_TEMPORAL,
        ("temporal_server",),
        gc.collect,  # nothing else closes a connection of the SDK's
    )


ENGINES = (
    Engine(SQLITE, SQLITE, lambda folder, _: calm(folder)),
    Engine(f"{SQLITE}-killed-in-the-middle", SQLITE, lambda folder, _: killed(folder)),
    *(_on_postgres(name, turn) for turn, name in enumerate(OTHERS)),
    Engine(
        "postgres-killed-in-the-middle",
        OTHERS[1],
        lambda folder, _: killed(folder, store=os.environ[STORE_VARIABLE]),
        lambda _, scenario: scenario.name in KILLED_ON_POSTGRES,
    ),
    _on_temporal("temporal", "calm", calm_on_temporal, SHORT_ON_TEMPORAL),
    _on_temporal("temporal-killed-in-the-middle", "killed", killed_on_temporal, KILLED_ON_TEMPORAL),
)


def cases() -> list[object]:
    """Return each scenario with each engine that has what it needs, as parameters `scenario`, `engine`, `backend`."""
    return [
        pytest.param(
            scenario,
            engine,
            engine.backend,
            id=f"{scenario.name}-{engine.name}",
            marks=() if engine.performs(place, scenario) else pytest.mark.long,
        )
        for engine in ENGINES
        for place, scenario in enumerate(SCENARIOS)
        if scenario.name not in engine.absent
    ]
