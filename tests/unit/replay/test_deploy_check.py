"""Which open runs and captures stand in the way of a deploy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast, Registry, RunFailedError, task, workflow
from holdfast.app import load_settings, reading
from holdfast.replay import Checked, DeployCheck
from holdfast.replay.captures import CaptureFolder


@task
async def double(number: int) -> int:
    """Do harmless work."""
    if number < 0:
        raise TypeError("negative")
    return 2 * number


@workflow(name="steady")
async def steady(number: int) -> int:
    """Work, wait, work."""
    first = await double(number)
    await asyncio.sleep(3600)
    return await double(first)


@workflow(name="steady")
async def changed(number: int) -> int:
    """Wait first."""
    await asyncio.sleep(3600)
    return await double(number)


@workflow(name="pinned", version="1", pinned=True)
async def pinned(number: int) -> int:
    """Be for one version alone."""
    await asyncio.sleep(3600)
    return number


@workflow(name="pinned", version="2", pinned=True)
async def rewritten(number: int) -> int:
    """Be another one."""
    return await double(number)


@workflow(name="fails")
async def fails(number: int) -> int:
    """Fail at once."""
    return await double(-number)


def checked(folder: Path, *definitions: Any, **options: Any) -> dict[str, Checked]:
    """Return what comes of every open run and capture, by kind and run id."""

    async def body() -> dict[str, Checked]:
        check = DeployCheck(Registry(*definitions), **options)
        async with reading(load_settings(store=f"sqlite:///{folder}/holdfast.db")) as store:
            found = [each async for each in check.runs(store)]
            assert options or await check.count(store) == len(found)
        found += check.captures(CaptureFolder(folder / "captures").entries())
        return {f"{each.kind} {each.run_id}": each for each in found}

    return asyncio.run(body())


def fill(folder: Path) -> None:
    """Leave runs that wait, one that was paused, and one that failed."""
    store = f"sqlite:///{folder}/holdfast.db"
    with Holdfast(definitions=[steady, pinned, fails, double], store=store, tune_gc=False) as app:
        app.start(steady, 1, id="s-1")
        app.start(pinned, 2, id="p-1")
        app.start("pinned", 2, id="p-2")
        app.start(steady, 3, id="s-2")
        app.handle("s-2").pause()
        with pytest.raises(RunFailedError):
            app.start(fails, 4, id="f-1").result(timeout=30)


def test_the_code_they_ran_with_fits(tmp_path: Path) -> None:
    """Nothing breaks where nothing changed; paused runs and captures are looked at too."""
    fill(tmp_path)
    found = checked(tmp_path, steady, pinned, fails, double)
    assert {name: each.verdict for name, each in found.items() if name != "run s-2"} == {
        "run s-1": "IDENTICAL",
        "run p-1": "IDENTICAL",
        "run p-2": "IDENTICAL",
        "capture f-1": "IDENTICAL",
    }
    assert found["run s-2"].verdict in {"IDENTICAL", "COMPATIBLE_NEW_TAIL"}  # paused before or after its first task
    assert not any(each.breaks for each in found.values())


def test_changed_code_breaks_what_runs_with_it(tmp_path: Path) -> None:
    """With both sides and the line; a pinned run is left to its version; what is gone is said so, once it runs."""
    fill(tmp_path)
    found = checked(tmp_path, changed, rewritten, double)
    broken = found["run s-1"]
    assert broken.breaks
    assert (broken.verdict, broken.workflow) == ("DIVERGED", "steady")
    assert "double#1" in broken.problem
    assert "test_deploy_check.py:" in broken.where
    for pinned_run in ("run p-1", "run p-2"):  # one of them was started by name
        assert (found[pinned_run].verdict, found[pinned_run].breaks) == ("PINNED", False)
    assert (found["capture f-1"].verdict, found["capture f-1"].breaks) == ("UNKNOWN_WORKFLOW", False)


def test_a_workflow_that_is_gone_breaks_its_open_runs(tmp_path: Path) -> None:
    """Nobody would go on with them."""
    fill(tmp_path)
    found = checked(tmp_path, steady, fails, double)
    assert (found["run p-1"].verdict, found["run p-1"].breaks) == ("UNKNOWN_WORKFLOW", True)


def test_only_some_workflows(tmp_path: Path) -> None:
    """Others are not even looked at."""
    fill(tmp_path)
    assert set(checked(tmp_path, changed, double, workflows=["fails"])) == {"capture f-1"}


def test_a_damaged_capture_stands_in_the_way(tmp_path: Path) -> None:
    """What cannot be read cannot be said to fit."""
    fill(tmp_path)
    (path,) = (tmp_path / "captures").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    damaged = checked(tmp_path, steady, pinned, fails, double)["capture f-1"]
    assert (damaged.verdict, damaged.breaks) == ("UNREADABLE", True)
