"""A workflow may rely on the same things on PostgreSQL, with any bus, and when its stack is killed.

Each scenario that leans on the store is performed with one of the buses, in turn; with the others, and all other
scenarios, when long tests are asked for.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from holdfast.testing.conformance.runtime import FOLDER_VARIABLE, SCENARIOS, Scenario, perform
from tests.backends import OTHERS, STORE_VARIABLE
from tests.conformance.harness import calm, killed

SHORT = {
    "locks",
    "messages",
    "timers",
    "versions",
}
"""Modules whose scenarios lean on the store the most."""
KILLED = ("a_run_continues_as_new_with_its_mail", "a_childs_failure_is_its_parents_to_catch")


def _leans_on_the_store(scenario: Scenario) -> bool:
    return scenario.drive.__module__.rpartition(".")[2] in SHORT


def _each_with_a_bus() -> list[object]:
    """Return every scenario with every bus, long but for one of each that is short."""
    return [
        pytest.param(
            scenario,
            backend,
            id=f"{scenario.name}-{backend}",
            marks=() if _leans_on_the_store(scenario) and place % len(OTHERS) == turn else pytest.mark.long,
        )
        for place, scenario in enumerate(SCENARIOS)
        for turn, backend in enumerate(OTHERS)
    ]


def _each_killed() -> list[object]:
    """Return every scenario with the bus that there is without a word, long but for a few."""
    return [
        pytest.param(each, OTHERS[1], id=each.name, marks=() if each.name in KILLED else pytest.mark.long)
        for each in SCENARIOS
    ]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what scenarios leave in files in the test's own folder."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("scenario", "backend"), _each_with_a_bus(), indirect=["backend"])
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    """The scenario comes to what it has to, whatever rings the bell."""

    async def run() -> None:
        async with calm(tmp_path, os.environ[STORE_VARIABLE]) as harness:
            await perform(scenario, harness)

    asyncio.run(run())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("scenario", "backend"), _each_killed(), indirect=["backend"])
def test_killed(scenario: Scenario, tmp_path: Path) -> None:
    """A stack that is killed in the middle, and found dead by its lease, comes to the same."""

    async def run() -> None:
        async with killed(tmp_path, store=os.environ[STORE_VARIABLE]) as harness:
            await perform(scenario, harness)

    asyncio.run(run())
