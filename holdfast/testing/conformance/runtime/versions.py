"""Scenarios about code that changes while runs are under way: versions, pinned runs, divergences.

Owns: the scenarios, and the versions that they are played with.
Must not know: any engine.

A version is what one deploy brings beside MODULES. A driver goes to another one by `stage.deploy`, which is its middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from holdfast.authoring import wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.ports.operations import PARKED, RUNNING
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held

FIRST: Final = "1"
"""The version that everything begins with."""


def _edition(version: str, first: Any, second: str) -> tuple[Any, ...]:
    """Return one version of two workflows that do the same, one of which pins its runs to the version."""

    async def run() -> list[str]:
        begun = await first("begun")
        await wait_for_signal("on")
        return [version, begun, await apply(second)]

    return (
        workflow(name="edited", version=version)(run),
        workflow(name="edited_pinned", version=version, pinned=True)(run),
    )


VERSIONS: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        FIRST: _edition(FIRST, apply_held, "as it was"),
        "2": _edition("2", apply, "broken"),
        "3": _edition("3", apply_held, "mended"),
    }
)
"""What is served beside MODULES, by version. The second does another step where the first and the third do the same."""


@scenario(result=["3", "begun", "mended"], effects=["begun", "mended"])
async def a_run_that_does_not_fit_waits_for_code_that_does(stage: Stage) -> RunHandle[Any]:
    """Parked as DIVERGED by the broken version, it stays so through a kill, and goes on by itself with the mended."""
    edited, _ = VERSIONS[FIRST]
    run = await stage.start(edited)
    await stage.recorded(run, "apply_held#1")
    run = await stage.deploy("2", run)
    await run.signal("on")
    record = await stage.status(run, PARKED)
    if not record.parked.startswith("DIVERGED"):
        raise AssertionError(f"parked because {record.parked}")
    await stage.middle()
    if (record := await run.describe()).status != PARKED:
        raise AssertionError(f"it is {record.status} with the version that it does not fit")
    return await stage.deploy("3", run)


@scenario(result=["1", "begun", "as it was"], effects=["begun", "begun", "as it was", "mended"])
async def a_pinned_run_is_for_the_version_it_began_with(stage: Stage) -> RunHandle[Any]:
    """Another version takes new runs and leaves it alone; when its own is back, it goes on."""
    _, pinned = VERSIONS[FIRST]
    run = await stage.start(pinned)
    await stage.effects(1)
    run = await stage.deploy("3", run)
    await run.signal("on")
    other = await stage.start(VERSIONS["3"][1], id=" other")
    await other.signal("on")
    if (came := await other.result()) != ["3", "begun", "mended"]:
        raise AssertionError(f"the new run came to {came}")
    if (record := await run.describe()).status != RUNNING or len(stage.receiver.applied()) != 3:
        raise AssertionError(f"the pinned run is {record.status}")
    return await stage.deploy(FIRST, run)
