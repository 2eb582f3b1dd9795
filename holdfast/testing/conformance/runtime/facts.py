"""Scenarios about what a workflow may know: time, chance, itself.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

from typing import Any

from holdfast.authoring import now, random, run_info, uuid4, workflow
from holdfast.client import RunHandle
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply_held, note


@workflow
async def drawing() -> bool:
    """Draw, tell somebody outside, and draw the same again after a restart; say whether time went on."""
    began = now()
    drawn = [str(uuid4()), str(random().random()), str(random().sample(range(100), 5)), began.isoformat()]
    await note(" ".join(drawn))
    await apply_held("held")
    await note(" ".join([*drawn, str(uuid4()), str(random().random())]))
    return began <= now() and now() == now() and len(set(drawn)) == len(drawn)


@scenario(result=True, effects=["held"])
async def chance_and_time_are_recorded(stage: Stage) -> RunHandle[Any]:
    """`now`, `random` and `uuid4` give the same values in every replay: a step made from them never changes."""
    run = await stage.start(drawing)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def introspection() -> dict[str, Any]:
    """Say what is known about the run, before and after a step."""
    before = run_info()
    await apply_held("held")
    after = run_info()
    return {
        "run_id": after.run_id,
        "execution": after.execution,
        "workflow": after.workflow,
        "same start": before.started_at == after.started_at <= now(),
        "history grew": before.history_events < after.history_events,
    }


@scenario(
    result={
        "run_id": "a_run_knows_itself",
        "execution": "a_run_knows_itself",
        "workflow": "introspection",
        "same start": True,
        "history grew": True,
    },
    effects=["held"],
)
async def a_run_knows_itself(stage: Stage) -> RunHandle[Any]:
    """`run_info()` says which run this is, since when, and how long its history is."""
    run = await stage.start(introspection)
    await stage.effects(1)
    await stage.middle()
    return run
