"""The pytest plugin: a world for a test, a test for each history, and replay after every step."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from holdfast.replay import load_history
from holdfast.testing import World

AUTOMATIONS = """
import asyncio
import random

from holdfast import task, workflow


@task
async def charge(customer: str) -> str:
    raise ConnectionError("no bank here")


@workflow
async def yearly(customer: str) -> str:
    await asyncio.sleep(365 * 86_400)
    return await charge(customer)


@workflow
async def fickle(customer: str) -> str:
    await charge(customer)
    await asyncio.sleep(random.Random().random())  # holdfast: allow
    return await charge(customer)
"""

WORLD_TESTS = """
import pytest
from datetime import UTC, datetime

from shop import charge, fickle, yearly


def test_sync(world):
    world.stub(charge, returns="receipt")
    assert world.start(yearly, "ada").result() == "receipt"
    assert world.now.year == 2031


def test_async(world):
    import asyncio

    async def test():
        world.stub(charge, returns="receipt")
        return world.start(yearly, "ada").result()

    assert asyncio.run(test()) == "receipt"


@pytest.mark.holdfast(start=datetime(2040, 1, 1, tzinfo=UTC))
def test_options(world):
    assert world.now.year == 2040


def test_fickle(world):
    world.stub(charge, returns="receipt")
    world.start(fickle, "ada").result()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Give a project with automations in `shop.py`."""
    pytester.makepyfile(shop=AUTOMATIONS)
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the project's tests in a process of their own."""
    return project.runpytest_subprocess("-p", "holdfast.testing.plugin", *arguments)


def test_it_is_announced_to_pytest() -> None:
    """Installing Holdfast is enough: pytest finds the plugin, under the module's own name."""
    (found,) = (each for each in entry_points(group="pytest11") if each.value.startswith("holdfast"))
    assert found.name == found.value == "holdfast.testing.plugin"


def test_it_is_light() -> None:
    """A project that has Holdfast installed and does not use it pays for no more than the plugin's own module."""
    code = "import sys, holdfast.testing.plugin; print([each for each in sys.modules if each.startswith('holdfast')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert eval(out) == ["holdfast", "holdfast.testing", "holdfast.testing.plugin"]


def test_a_world_for_a_test(project: pytest.Pytester) -> None:
    """The fixture knows what the test's module imports, and takes the marker's options."""
    project.makepyfile(test_shop=WORLD_TESTS)
    run(project).assert_outcomes(passed=4)


def test_replay_after_every_step(project: pytest.Pytester) -> None:
    """With the option, a test whose workflow is not deterministic fails, and only that one."""
    project.makepyfile(test_shop=WORLD_TESTS)
    result = run(project, "--holdfast-replay-every-step")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*test_fickle*", "*[[]HF301[]]*diverged*"])


def test_a_test_for_each_history(project: pytest.Pytester) -> None:
    """The marker runs a test once for each file, and the replayer finds the workflow that each is of."""
    folder = project.mkdir("histories")
    sys.path.insert(0, str(project.path))
    try:
        with World(["shop"]) as world:
            world.stub("charge", returns="receipt")
            for name in ("ada", "bob"):
                run_of = world.start("yearly", name, id=name)
                run_of.result()
                run_of.save(folder / f"{name}.json")
    finally:
        sys.path.remove(str(project.path))
        sys.modules.pop("shop", None)
    assert load_history(folder / "ada.json").started.run_id == "ada"
    project.makepyfile(
        test_shop="""
import pytest
from shop import yearly


@pytest.mark.histories("histories/*.json")
def test_replay(history, replayer):
    assert replayer.replay(history).verdict == "IDENTICAL"


@pytest.mark.histories("histories/a*.json", "histories/b*.json")
def test_each(history):
    assert history.started.workflow == "yearly"
"""
    )
    result = run(project, "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_replay[[]histories/ada.json[]]*", "*test_replay[[]histories/bob.json[]]*"])


def test_no_history_is_a_failure(project: pytest.Pytester) -> None:
    """A pattern that matches nothing fails the test, rather than passing it by."""
    project.makepyfile(
        test_shop="""
import pytest


@pytest.mark.histories("histories/*.json")
def test_replay(history):
    pass


def test_without(history):
    pass
"""
    )
    result = run(project)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*no history matches histories/[*].json*", "*the fixture `history` needs files*"])
