"""A workflow may rely on the same things on a Temporal server, but for what is listed as not being there."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from holdfast.testing.conformance.runtime import (
    FOLDER_VARIABLE,
    SCENARIOS,
    RuntimeHarness,
    Scenario,
    perform,
)
from tests.conformance.harness import calm_on_temporal, killed_on_temporal
from tests.servers.temporal import Temporal

ABSENT = {
    "a_fork_repeats_nothing_that_was_recorded": "fork",
    "a_run_that_does_not_fit_waits_for_code_that_does": "parking of runs that diverge",
    "a_pinned_run_is_for_the_version_it_began_with": "pinned versions",
    "timers_fire_in_their_order": "one drain for each input: these timers fire together, and the tasks after them race",
}
"""Scenarios that need what there is not on Temporal, each with what that is. See docs/how-to/temporal.md."""
SHORT = frozenset(
    {
        "a_callback_is_answered_once",
        "a_cancelled_run_cleans_up",
        "a_failing_member_ends_its_group",
        "a_lock_is_given_back_on_any_end",
        "a_patch_is_answered_once",
        "a_paused_run_does_not_move",
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
KILLED = frozenset(
    {
        "a_childs_failure_is_its_parents_to_catch",
        "a_lock_is_held_by_one_run_at_a_time",
        "mapped_items_come_in_order",
    }
)
"""Those in which the worker is killed every time."""

THERE = [each for each in SCENARIOS if each.name not in ABSENT]


def _marked(short: frozenset[str]) -> list[object]:
    return [pytest.param(each, id=each.name, marks=() if each.name in short else pytest.mark.long) for each in THERE]


def test_what_is_said_to_be_absent_is_a_scenario() -> None:
    """So that a scenario that was renamed does not hide behind an old name."""
    known = {each.name for each in SCENARIOS}
    assert {*ABSENT, *SHORT, *KILLED} <= known
    assert len(THERE) == len(SCENARIOS) - len(ABSENT)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Keep what scenarios leave in files in the test's own folder, and nothing of what failed on purpose."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    caplog.set_level(logging.CRITICAL, "temporalio")  # a record of a failure holds all that was around it


@pytest.mark.parametrize("scenario", _marked(SHORT))
def test_scenario(scenario: Scenario, temporal_server: Temporal, tmp_path: Path) -> None:
    """The scenario comes to what it has to."""
    _perform(scenario, calm_on_temporal, tmp_path, temporal_server.url_of("calm"))


@pytest.mark.parametrize("scenario", _marked(KILLED))
def test_killed(scenario: Scenario, temporal_server: Temporal, tmp_path: Path) -> None:
    """A worker that is killed in the middle loses its work to the next one, which comes to the same."""
    _perform(scenario, killed_on_temporal, tmp_path, temporal_server.url_of("killed"))


def _perform(
    scenario: Scenario,
    harness_of: Callable[[Path, str], AbstractAsyncContextManager[RuntimeHarness]],
    folder: Path,
    engine: str,
) -> None:
    async def run() -> None:
        async with harness_of(folder, engine) as harness:
            await perform(scenario, harness)

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's
