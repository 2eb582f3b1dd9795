"""Scenarios about time: timers and time-outs.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holdfast.authoring import now, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held

SLACK_SECONDS: Final = 1e-5
"""Timestamps are written with microseconds."""
CLOCKS_SECONDS: Final = 0.003
"""How far the system's clocks may move against each other while a timer runs."""


@workflow
async def sleeper(seconds: float) -> list[Any]:
    """Sleep between two steps; say whether the timer was early."""
    before = now()
    seen: list[Any] = [await apply("before")]
    await asyncio.sleep(seconds)
    slept = (now() - before).total_seconds()
    return [*seen, slept >= seconds - SLACK_SECONDS, await apply("after")]


@scenario(result=["before", True, "after"], effects=["before", "after"])
async def a_timer_fires_and_is_never_early(stage: Stage) -> RunHandle[Any]:
    """A timer outlives whoever waits for it, and `now()` has gone on by at least its length."""
    run = await stage.start(sleeper, 0.3)
    await stage.effects(1)
    await stage.middle()
    await run.result()
    asked = [each.at for each in stage.receiver.requests()]
    if asked[-1] - asked[0] < 0.3 - CLOCKS_SECONDS:
        raise AssertionError(f"a timer fired after {asked[-1] - asked[0]:.3f} s instead of 0.3 s")
    return run


@workflow
async def side_by_side(seconds: list[float]) -> list[str]:
    """Wake up in the order of the times."""
    woken: list[str] = []

    async def nap(length: float) -> None:
        await asyncio.sleep(length)
        woken.append(await apply(str(length)))

    await apply_held("held")
    await asyncio.gather(*map(nap, seconds))
    return woken


@scenario(result=["0.05", "0.25", "0.45"], effects=["held", "0.05", "0.25", "0.45"])
async def timers_fire_in_their_order(stage: Stage) -> RunHandle[Any]:
    """Of several timers the shortest fires first."""
    run = await stage.start(side_by_side, [0.45, 0.05, 0.25])
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def impatient() -> list[str]:
    """Give up waiting in three ways."""
    seen = [await apply("begun")]
    try:
        async with asyncio.timeout(0.3):
            await asyncio.Event().wait()
    except TimeoutError:
        seen.append(await apply("timeout"))
    try:
        await asyncio.wait_for(asyncio.sleep(3600), 0.05)
    except TimeoutError:
        seen.append(await apply("wait_for"))
    try:
        await wait_for_signal("never", timeout="50ms")
    except TimeoutError:
        seen.append(await apply("wait_for_signal"))
    return seen


@scenario(
    result=["begun", "timeout", "wait_for", "wait_for_signal"],
    effects=["begun", "timeout", "wait_for", "wait_for_signal"],
)
async def waits_time_out(stage: Stage) -> RunHandle[Any]:
    """`asyncio.timeout`, `asyncio.wait_for` and `wait_for_signal(timeout=)` are durable timers."""
    run = await stage.start(impatient)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def unhurried() -> list[str]:
    """Get something in time; the time-out that was not needed stays away."""
    async with asyncio.timeout(3600):
        seen = [await apply_held("in time")]
    await asyncio.sleep(0.05)
    return [*seen, await apply("after")]


@scenario(result=["in time", "after"], effects=["in time", "after"])
async def a_timeout_that_was_not_needed_does_nothing(stage: Stage) -> RunHandle[Any]:
    """A time-out whose block has ended is forgotten."""
    run = await stage.start(unhurried)
    await stage.effects(1)
    await stage.middle()
    return run
