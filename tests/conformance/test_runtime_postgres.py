"""A workflow may rely on the same things on PostgreSQL, with any bus, and when its stack is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.app import load_settings, migrate_store
from holdfast.testing.conformance.runtime import FOLDER_VARIABLE, SCENARIOS, Scenario, perform
from tests.conformance.harness import calm, killed
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

SHORT = {
    "locks",
    "messages",
    "timers",
    "versions",
}
"""Modules whose scenarios lean on the store the most; all others are performed when long tests are asked for."""
KILLED = ("a_run_continues_as_new_with_its_mail", "a_childs_failure_is_its_parents_to_catch")


def _shortened(is_short: Callable[[Scenario], bool]) -> list[object]:
    marks = {True: [], False: [pytest.mark.long]}
    return [pytest.param(each, id=each.name, marks=marks[is_short(each)]) for each in SCENARIOS]


def _leans_on_the_store(scenario: Scenario) -> bool:
    return scenario.drive.__module__.rpartition(".")[2] in SHORT


@pytest.fixture(scope="module")
def template(postgres_server: Postgres) -> str:
    """Return a database with the tables of a store, to be copied."""
    dsn = postgres_server.create_database()
    asyncio.run(migrate_store(load_settings(store=dsn)))
    return dsn.rpartition("/")[2]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what scenarios leave in files, captures among it, in the test's own folder."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("HOLDFAST_CAPTURE_DIR", str(tmp_path / "captures"))


@pytest.fixture
def store(postgres_server: Postgres, template: str) -> Iterator[str]:
    """Return the address of an empty store."""
    dsn = postgres_server.create_database(template)
    yield dsn
    postgres_server.drop_database(dsn)


@pytest.mark.parametrize("scenario", _shortened(_leans_on_the_store))
def test_scenario(scenario: Scenario, store: str, tmp_path: Path) -> None:
    """The scenario comes to what it has to; PostgreSQL rings the bell."""

    async def run() -> None:
        async with calm(tmp_path, store) as harness:
            await perform(scenario, harness)

    asyncio.run(run())


@pytest.mark.long
@pytest.mark.parametrize("bus", ["redis", "polling"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_scenario_with_another_bus(
    scenario: Scenario, bus: str, store: str, redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario comes to the same when Redis rings the bell, and when nothing does."""
    monkeypatch.setenv("HOLDFAST_BUS", redis_server.url if bus == "redis" else bus)

    async def run() -> None:
        async with calm(tmp_path, store) as harness:
            await perform(scenario, harness)

    asyncio.run(run())


@pytest.mark.parametrize("scenario", _shortened(lambda each: each.name in KILLED))
def test_killed(scenario: Scenario, store: str, tmp_path: Path) -> None:
    """A stack that is killed in the middle, and found dead by its lease, comes to the same."""

    async def run() -> None:
        async with killed(tmp_path, store=store) as harness:
            await perform(scenario, harness)

    asyncio.run(run())
