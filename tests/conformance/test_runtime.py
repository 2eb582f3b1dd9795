"""Every engine does what `holdfast.testing.conformance.runtime` says a workflow may rely on, also when it is killed."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.app import make_key
from holdfast.orchestrator.timers import Timers
from holdfast.testing.conformance.runtime import (
    FOLDER_VARIABLE,
    MODULES,
    SCENARIOS,
    Scenario,
    perform,
    steps,
)
from tests.conformance.engines import (
    ABSENT_ON_TEMPORAL,
    KILLED_ON_POSTGRES,
    KILLED_ON_TEMPORAL,
    LEANING,
    SHORT_ON_TEMPORAL,
    Engine,
    cases,
)
from tests.conformance.harness import calm, killed

pytestmark = pytest.mark.usefixtures("nursery_of_stacks")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Keep what scenarios leave in files in the test's own folder, and nothing of what failed on purpose."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    caplog.set_level(logging.CRITICAL, "temporalio")  # a record of a failure holds all that was around it


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("scenario", "engine", "backend"), cases(), indirect=["backend"])
def test_scenario(scenario: Scenario, engine: Engine, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The scenario comes to what it has to."""

    async def run() -> None:
        async with engine.open(tmp_path, request) as harness:
            await perform(scenario, harness)

    asyncio.run(run())
    engine.leave()


def test_what_is_said_of_scenarios_is_of_some() -> None:
    """So that a scenario that was renamed does not hide behind an old name."""
    known = {each.name for each in SCENARIOS}
    assert {*ABSENT_ON_TEMPORAL, *SHORT_ON_TEMPORAL, *KILLED_ON_TEMPORAL, *KILLED_ON_POSTGRES} <= known
    assert {each.drive.__module__.rpartition(".")[2] for each in SCENARIOS} > LEANING


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if each.drive.__module__ == steps.__name__], ids=lambda each: each.name
)
def test_between_effect_and_record(scenario: Scenario, tmp_path: Path) -> None:
    """A stack that is killed when a step has had its effect, and nobody was told, comes to the same."""

    async def run() -> None:
        async with killed(tmp_path, "effect-done:1=kill") as harness:
            await perform(scenario, harness)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["a_run_continues_as_new_with_its_mail", "a_childs_failure_is_its_parents_to_catch"])
def test_encrypted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys a killed stack comes to the same, and the store's files hold nothing of what was said."""
    monkeypatch.setenv("CONFORMANCE_KEY", make_key())
    monkeypatch.setenv("HOLDFAST_ENCRYPTION_KEYS", '["env:CONFORMANCE_KEY"]')

    async def run() -> None:
        async with killed(tmp_path) as harness:
            await perform(_named(name), harness)

    asyncio.run(run())
    content = b"".join(each.read_bytes() for each in tmp_path.glob("store.db*") if each.is_file())
    assert [each for each in (b"it cannot be", b'"payload"', b'["a","b"') if each in content] == []


def test_another_key_for_another_attempt_is_seen(tmp_path: Path) -> None:
    """A scenario fails on an engine that repeats an effect under another key, also when that engine is killed."""

    async def run() -> None:
        async with killed(tmp_path, plant="new_key_for_another_attempt") as harness:
            await perform(_named("failed_attempts_are_repeated_under_one_key"), harness)

    with pytest.raises(AssertionError, match="the effects"):
        asyncio.run(run())


def test_an_early_timer_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario fails on an engine whose timers fire early and say that they did not."""
    begin = Timers.__init__

    def init(timers: Timers, now: Callable[[], float], fire: Any) -> None:
        begin(timers, lambda: now() + 0.25, fire)

    monkeypatch.setattr(Timers, "__init__", init)

    async def run() -> None:
        async with calm(tmp_path) as harness:
            await perform(_named("a_timer_fires_and_is_never_early"), harness)

    with pytest.raises(AssertionError, match=r"0\.\d+ s instead of 0\.3 s"):
        asyncio.run(run())


def _named(name: str) -> Scenario:
    (found,) = (each for each in SCENARIOS if each.name == name)
    return found


def test_no_scenario_asks_which_engine_it_is() -> None:
    """Scenarios import what workflows and clients import, and nothing by which they could tell engines apart."""
    allowed = ("holdfast.authoring", "holdfast.client", "holdfast.errors", "holdfast.ports", "holdfast.testing")
    foreign = {
        f"{module.__name__}: {name}"
        for module in MODULES
        for name in _imports(inspect.getsource(module))
        if name.startswith("holdfast") and not name.startswith(allowed)
    }
    assert foreign == set()
    words = ("sqlite", "postgres", "temporal", "embedded", "engine ==", "harness.")
    sources = {module.__name__: inspect.getsource(module).lower() for module in MODULES}
    assert [(name, word) for name, source in sources.items() for word in words if word in source] == []


def test_every_scenario_has_a_middle_and_a_promise() -> None:
    """Each driver says where it may be killed, and what it promises."""
    assert len(SCENARIOS) > 20
    drivers = {each.name: inspect.getsource(each.drive) for each in SCENARIOS}
    assert [
        name for name, code in drivers.items() if "stage.middle()" not in code and "stage.deploy(" not in code
    ] == []
    assert [each.name for each in SCENARIOS if not each.drive.__doc__] == []
    assert len({each.name for each in SCENARIOS}) == len(SCENARIOS)


def _imports(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names]
    return found
