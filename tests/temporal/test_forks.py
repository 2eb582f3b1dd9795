"""Forks on Temporal: a run begins with what another one recorded, wherever that is cut, and goes on from there."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from holdfast import (
    Holdfast,
    continue_as_new,
    lock,
    map_tasks,
    now,
    patched,
    random,
    run_info,
    side_effect,
    signal,
    start_child,
    task,
    task_info,
    update,
    wait_for_signal,
    workflow,
)
from holdfast.errors import ForkError, HistoryError
from holdfast.history import WorkflowStarted
from holdfast.history.temporal import from_temporal
from holdfast.replay import Verdict, WorkflowReplayer
from tests.servers.temporal import Temporal

done: list[tuple[str, str]] = []
"""What tasks were called with, each with its idempotency key."""


@task
async def note(word: str) -> str:
    """Say that it was called, and return the word in capitals."""
    info = task_info()
    done.append((word, info.idempotency_key))
    return word.upper()


@task
async def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number


@workflow
async def small(word: str) -> str:
    """Do a task and return what came of it."""
    return await note(word)


@workflow
async def journey(word: str) -> list[Any]:
    """Do a bit of everything."""
    drawn = random().randrange(1_000_000)
    both = await asyncio.gather(note(f"{word} one"), note(f"{word} two"))
    quick = asyncio.create_task(asyncio.sleep(0.2, "slept"))
    chosen = await side_effect(lambda: "chosen")
    if patched("better"):
        both.append(await note(f"{word} three"))
    async with lock(f"lock of {word}") as held:
        under = held.token > 0 and await note(f"{word} four")
    answer = await start_child(small, f"{word} child")
    heard = await wait_for_signal("go", type=str)
    doubled = sum(await map_tasks(double, range(5)))
    try:
        async with asyncio.timeout(0.05):
            await wait_for_signal("never")
    except TimeoutError:
        late = "late"
    return [drawn, both, await quick, chosen, under, answer, heard, doubled, late, now().year > 2000]


@workflow
async def holding(name: str) -> list[Any]:
    """Hold a lock while it waits twice."""
    async with lock(name) as held:
        first = await wait_for_signal("first", type=str)
        second = await wait_for_signal("second", type=str)
        return [first, second, held.token, run_info().execution]


@workflow
class Tally:
    """Adds up until it is closed; goes on anew when it is told to."""

    def __init__(self) -> None:
        self.sum = 0
        self.over = asyncio.Event()

    async def run(self, begun_with: int) -> int:
        """Return the sum."""
        self.sum += begun_with
        await self.over.wait()
        if self.sum < 100:
            continue_as_new(self.sum + 100)
        return self.sum

    @update
    async def add(self, number: int) -> int:
        """Add a number; return the sum."""
        doubled = await double(number)
        self.sum += doubled
        return self.sum

    @add.validator
    def _(self, number: int) -> None:
        if number < 0:
            raise ValueError("not below zero")

    @signal
    def close(self) -> None:
        """End it."""
        self.over.set()


DEFINITIONS = (note, double, small, journey, holding, Tally)


def on_temporal(server: Temporal, folder: Path, body: Callable[[Holdfast], Coroutine[Any, Any, None]]) -> None:
    """Run `body` with a stack whose engine is the server."""
    done.clear()

    async def run() -> None:
        store = f"sqlite:///{folder / 'store.db'}"
        async with Holdfast([], store, definitions=DEFINITIONS, engine=server.url, log_level="ERROR") as app:
            await body(app)

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


async def judged(run_id: str, recorded: str) -> Exception | None:
    """Return what Temporal's own Replayer says to a history as JSON."""
    from temporalio.client import WorkflowHistory  # here, as it may be missing
    from temporalio.worker import Replayer

    from holdfast.temporal import TemporalPlugin

    replayer = Replayer(workflows=[], plugins=[TemporalPlugin(definitions=DEFINITIONS)])
    history = WorkflowHistory.from_json(run_id, recorded)
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure


def problem_with(server: Temporal, run_id: str, definition: Any) -> str:
    """Have a run's history read as ours and replayed, by our replayer and by Temporal's; say what is wrong."""
    recorded = server.show(run_id)
    try:
        history = from_temporal(recorded.encode())
    except HistoryError as error:
        return f"{run_id}: {error}"
    assert history is not None
    if history.started.forked_from != "journey":
        return f"{run_id}: it was forked from {history.started.forked_from!r}"
    result = WorkflowReplayer(definition).replay(history)
    if result.verdict is not Verdict.IDENTICAL:
        return f"{run_id}: {result}"
    failure = asyncio.run(judged(run_id, recorded))
    return "" if failure is None else f"{run_id}: {failure}"


def test_a_run_is_forked_at_any_event(temporal_server: Temporal, tmp_path: Path) -> None:
    """It comes to the same, does nothing that has an outcome, and its own history replays, here and in Temporal."""
    forks: list[str] = []

    async def body(app: Holdfast) -> None:
        source = await app.client.start(journey, "ink", id="journey")
        await source.signal("go", "gone")
        result = await source.result()
        events = [each.event for each in await source.history()]
        refused: list[int] = []
        waiting = []
        for at in range(1, len(events)):
            try:
                fork = await app.client.fork(source, at, id=f"journey-{at}")
            except ForkError:
                refused.append(at)
                continue
            forks.append(f"journey-{at}")
            kept = [each for each in events[:at] if getattr(each, "name", "") == "go"]
            if not kept:
                await fork.handle.signal("go", "gone")
            waiting.append(fork.handle)
        assert len(forks) > 15
        for each in waiting:
            assert await asyncio.wait_for(each.result(), 30) == result, each.run_id

    on_temporal(temporal_server, tmp_path, body)
    keys = {key for _, key in done if "child" not in key and ":" not in key}
    assert keys <= {f"journey/note#{number}" for number in range(1, 5)}, "forks keep the keys of what they repeat"
    problems = [problem_with(temporal_server, run_id, journey) for run_id in forks]
    assert [each for each in problems if each] == []


def test_a_fork_asks_again_for_its_locks(temporal_server: Temporal, tmp_path: Path) -> None:
    """It goes on when the other run has given them back, with tokens of its own; and may be forked again."""

    async def body(app: Holdfast) -> None:
        source = await app.client.start(holding, "bank", id="holding")
        await source.signal("first", "1")
        while len(await source.history()) < 4:  # noqa: ASYNC110 - its worker says it
            await asyncio.sleep(0.05)  # looks again
        fork = await app.client.fork(source, 4, id="holding-fork")
        await fork.handle.signal("second", "fork")
        await source.signal("second", "source")
        first, second, token, _ = await source.result()
        again = await fork.handle.result()
        assert (first, second) == ("1", "source")
        assert again[:2] == ["1", "fork"]
        assert again[2] > token
        assert again[3] == "holding-fork"
        last = await app.client.fork("holding-fork", 4, id="holding-last")
        await last.handle.signal("second", "last")
        assert (await last.handle.result())[:2] == ["1", "last"]

    on_temporal(temporal_server, tmp_path, body)
    for run_id in ("holding-fork", "holding-last"):
        recorded = temporal_server.show(run_id)
        history = from_temporal(recorded.encode())
        assert history is not None
        assert WorkflowReplayer(holding).replay(history).verdict is Verdict.IDENTICAL


def test_a_fork_goes_on_as_others_do(temporal_server: Temporal, tmp_path: Path) -> None:
    """It is asked and told, continues as new without its past, and takes another input at its start."""

    async def body(app: Holdfast) -> None:
        source = await app.client.start(Tally, 1, id="tally")
        assert await source.update(Tally.add, 2) == 5
        fork = await app.client.fork(source, len(await source.history()), id="tally-fork")
        with pytest.raises(Exception, match="not below zero"):
            await fork.handle.update(Tally.add, -1)
        assert await fork.handle.update(Tally.add, 3) == 11
        await fork.handle.signal(Tally.close)
        await asyncio.sleep(0)
        while (await fork.handle.describe()).execution != "tally-fork@2":  # noqa: ASYNC110 - its worker does it
            await asyncio.sleep(0.05)  # looks again
        await fork.handle.signal(Tally.close)
        assert await fork.handle.result() == 111
        begun = (await app.client.handle("tally-fork@2").history())[0].event
        assert isinstance(begun, WorkflowStarted)
        assert begun.forked_from == ""
        assert len(json.dumps(temporal_server.show("tally-fork"))) < 100_000
        other = await app.client.fork(source, "start", input=200, id="tally-other")
        await other.handle.signal(Tally.close)
        assert await other.handle.result() == 200
        await source.terminate()

    on_temporal(temporal_server, tmp_path, body)
