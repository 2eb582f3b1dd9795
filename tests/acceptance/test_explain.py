"""Runs that are stuck, each for another reason, say why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Retry, lock, signal, start_child, task, wait_for_signal, workflow
from holdfast.cli.output import Exit
from holdfast.ports.engine import Cause
from tests.acceptance.test_operating import call, stack, until
from tests.backends import store_of
from tests.unit.worker.rig import on_loop


@task(pool="gpu")
async def render(name: str) -> str:
    """Need a pool that nobody serves."""
    return name


@task(retry=Retry(attempts=5, initial="1h", maximum="1h"))
async def flaky(name: str) -> str:
    """Fail."""
    raise ConnectionError(f"no route to {name}")


@workflow
async def rendering(name: str) -> str:
    """Hold a lock while something is rendered."""
    async with lock("till"):
        return await render(name)


@workflow
async def waiting(name: str) -> str:
    """Want the same lock."""
    async with lock("till"):
        return name


@workflow
async def failing(name: str) -> str:
    """Try again and again."""
    return await flaky(name)


@workflow
async def waiting_for_a_child(name: str) -> str:
    """Wait for a run that waits for a pool."""
    return await start_child(rendering_freely, name, id=f"child-{name}")


@workflow
async def rendering_freely(name: str) -> str:
    """Have something rendered."""
    return await render(name)


@workflow
class Review:
    """Wait for a word."""

    def __init__(self) -> None:
        self.said = asyncio.Event()

    async def run(self) -> None:
        """Wait."""
        await self.said.wait()

    @signal
    def say(self) -> None:
        """Say it."""
        self.said.set()


@workflow
async def asking(name: str) -> str:
    """Wait for a signal by its name, but not for ever."""
    return await wait_for_signal(name, timeout="1h", type=str)


DEFINITIONS = (asking, rendering, waiting, waiting_for_a_child, rendering_freely, failing, Review, render, flaky)


async def first_cause(app: Any, run_id: str, kind: str) -> Cause:
    """Wait until the first cause of a run is of this kind; return it."""

    async def is_it() -> bool:
        causes = (await app.client.handle(run_id).explain()).causes
        return bool(causes) and causes[0].kind == kind

    await until(is_it)
    return (await app.client.handle(run_id).explain()).causes[0]


@on_loop
async def get_stuck(tmp_path: Path) -> None:
    """Start runs that do not move, and look at what they say while an orchestrator is there."""
    async with stack(tmp_path, *DEFINITIONS) as app:
        await app.client.start(rendering, "a", id="r-1")
        cause = await first_cause(app, "r-1", "no-worker")
        assert "task render (render#1) is queued in pool 'gpu', which no live worker serves" in cause.text
        await app.client.start(waiting, "b", id="w-1")
        cause = await first_cause(app, "w-1", "lock")
        assert cause.run == "r-1"
        assert [each.kind for each in cause.causes] == ["no-worker"], "the chain goes on to what keeps the holder"
        await app.client.start(waiting_for_a_child, "c", id="p-1")
        await first_cause(app, "p-1", "child")
        await first_cause(app, "child-c", "no-worker")
        cause = await first_cause(app, "p-1", "child")
        assert cause.run == "child-c"
        assert [each.kind for each in cause.causes] == ["no-worker"], "the chain goes on to what keeps the child"
        await app.client.start(failing, "bank", id="f-1")
        cause = await first_cause(app, "f-1", "retry")
        assert "(attempt 2)" in cause.text
        assert "because ConnectionError: no route to bank" in cause.text
        await app.client.start(Review, id="m-1")
        text = (await first_cause(app, "m-1", "message")).text
        assert "waits for a signal" in text
        assert "in Review.run" in text
        await app.client.start(asking, "approve", id="a-1")
        await first_cause(app, "a-1", "timer")
        async with await Client.connect(store_of(tmp_path)) as elsewhere:
            for client in (app.client, elsewhere):
                causes = (await client.handle("a-1").explain()).causes
                assert [each.kind for each in causes] == ["timer", "message"]
                assert "waits for signal 'approve'" in causes[1].text
        await app.client.handle("m-1").pause("lunch", by="ada")
        assert (await first_cause(app, "m-1", "paused")).text == "paused by ada: lunch"
        await app.client.start("nobody_has_it", id="n-1")
        assert "has workflow 'nobody_has_it'" in (await first_cause(app, "n-1", "no-code")).text


def test_stuck_runs_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pool, a lock or a child and what keeps it, another attempt, a word, a pause, no code, and nobody.

    The histories are read as long ones are: on from where they were.
    """
    monkeypatch.setattr("holdfast.client.embedded.LONG_EVENTS", 0)
    get_stuck(tmp_path)
    result = call(tmp_path, "runs", "explain", "w-1")
    assert result.exit_code == Exit.DONE
    assert [each["kind"] for each in json.loads(result.stdout)["causes"]] == ["no-orchestrator", "lock"]
    assert call(tmp_path, "runs", "explain", "nobody").exit_code == Exit.NOT_FOUND
