"""`holdfast runs move`: runs of the embedded engine go on on a Temporal cluster, each in one place at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import os
import signal as signals
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Holdfast, lock, map_tasks, run_info, task, task_info, wait_for_signal, workflow
from holdfast.app import leaving, load_settings, make_key
from holdfast.errors import RunClosedError, RunConflictError, RunStateError
from holdfast.history.temporal import PAST_ENCODING, SEALED, from_temporal
from holdfast.replay import Verdict, WorkflowReplayer
from tests.servers.temporal import Temporal

FOLDER = "MOVES_FOLDER"


def note(word: str, key: str) -> None:
    """Note a call."""
    with Path(os.environ[FOLDER], "effects").open("a") as file:
        file.write(json.dumps([word, key]) + "\n")


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a file says it
            await asyncio.sleep(0.02)  # looks again


@task
async def effect(word: str) -> str:
    """Note a call with its key, in a file; return the word in capitals."""
    note(word, task_info().idempotency_key)
    return word.upper()


@task
async def held(word: str) -> str:
    """Note a call, and wait for a file."""
    gate = Path(os.environ[FOLDER], "gate")
    note(word, task_info().idempotency_key)
    await until(gate.exists)
    return word.upper()


@workflow
async def sleeping() -> list[str]:
    """Sleep between two effects."""
    first = await effect("before")
    await asyncio.sleep(15)
    return [first, await effect("after")]


@workflow
async def waiting() -> list[str]:
    """Wait for two signals between effects, with a lock."""
    first = await effect("first")
    async with lock(f"lock of {run_info().run_id}"):
        heard = [await wait_for_signal("word", type=str), await wait_for_signal("word", type=str)]
    return [first, *heard, await effect("last"), run_info().execution]


@workflow
async def working() -> list[Any]:
    """Do what takes a while, beside what does not."""
    slow = asyncio.create_task(held("slow"))
    quick = await effect("quick")
    doubled = await map_tasks(effect, ["a", "b", "c"])
    return [quick, doubled, await slow, await effect("end")]


DEFINITIONS = (effect, held, sleeping, waiting, working)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))


def effects(folder: Path) -> list[tuple[str, str]]:
    """Return what was done, each with its key."""
    lines = (folder / "effects").read_text().splitlines()
    return [tuple(json.loads(each)) for each in lines]


def in_turn(*bodies: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run bodies one after the other."""
    for each in bodies:
        asyncio.run(each())
        gc.collect()  # nothing else closes a connection of the SDK's


def embedded(folder: Path, **settings: Any) -> Holdfast:
    """Return a stack on the embedded engine."""
    return Holdfast([], f"sqlite:///{folder / 'old.db'}", definitions=DEFINITIONS, log_level="ERROR", **settings)


def on_cluster(server: Temporal, folder: Path, **settings: Any) -> Holdfast:
    """Return a stack on the cluster."""
    store = f"sqlite:///{folder / 'new.db'}"
    return Holdfast([], store, definitions=DEFINITIONS, engine=server.url, log_level="ERROR", **settings)


def done(folder: Path, word: str) -> bool:
    """Say whether something was done."""
    return (folder / "effects").exists() and word in {each for each, _ in effects(folder)}


def command(server: Temporal, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line's verb."""
    store = f"sqlite:///{folder / 'old.db'}"
    line = [
        sys.executable,
        "-m",
        "holdfast",
        "runs",
        "move",
        *words,
        "--engine",
        server.url,
        "--store",
        store,
        "--json",
    ]
    return subprocess.run(line, check=False, capture_output=True, text=True, env={**os.environ, **more}, timeout=60)


def test_runs_move_and_end_on_the_cluster(temporal_server: Temporal, tmp_path: Path) -> None:
    """One that sleeps, one that waits, one with tasks under way: with right results, nothing done under two keys."""
    ids = ["sleeping", "waiting", "working"]

    async def before() -> None:
        async with embedded(tmp_path) as app:
            await app.client.start(sleeping, id="sleeping")
            run = await app.client.start(waiting, id="waiting")
            await app.client.start(working, id="working")
            for word in ("before", "first", "slow", "c"):
                await until(lambda word=word: done(tmp_path, word))
            await run.signal("word", "heard here")
            while len(await app.client.handle("waiting").history()) < 6:  # noqa: ASYNC110 - its owner writes it
                await asyncio.sleep(0.02)  # looks again
            async with leaving(load_settings(store=f"sqlite:///{tmp_path / 'old.db'}"), temporal_server.url) as mover:
                for each in ("sleeping", "working"):
                    moved = await mover.move(each)
                    assert moved.execution == each
                assert moved.again == ("held#1",)
            said = await asyncio.to_thread(command, temporal_server, tmp_path, "waiting")
            assert said.returncode == 0, said.stderr
            assert json.loads(said.stdout)["recorded"] == ["effect#1", "lock(lock of waiting)#1"]
            for each in ids:
                described = await app.client.handle(each).describe()
                assert described.status == "TERMINATED"
                with pytest.raises(RunClosedError):
                    await app.client.handle(each).signal("word", "too late")

    async def after() -> None:
        async with on_cluster(temporal_server, tmp_path) as app:
            await app.client.handle("waiting").signal("word", "heard there")
            (tmp_path / "gate").touch()
            results = {each: await asyncio.wait_for(app.client.handle(each).result(), 30) for each in ids}
            assert results == {
                "sleeping": ["BEFORE", "AFTER"],
                "waiting": ["FIRST", "heard here", "heard there", "LAST", "waiting"],
                "working": ["QUICK", ["A", "B", "C"], "SLOW", "END"],
            }
            assert (await app.client.handle("waiting").describe()).forked_from == "waiting"

    in_turn(before, after)
    made = effects(tmp_path)
    assert {word: {key for each, key in made if each == word} for word, _ in made} == {
        word: {key} for word, key in made
    }, "an effect was asked for under another key"
    once = [word for word, _ in made if word != "slow"]
    assert sorted(once) == sorted({*once}), "what has its outcome was done again"
    for each, definition in zip(ids, (sleeping, waiting, working), strict=True):
        history = from_temporal(temporal_server.show(each).encode())
        assert history is not None
        assert WorkflowReplayer(definition).replay(history).verdict is Verdict.IDENTICAL, each


@pytest.mark.parametrize("step", ["pause", "_leave", "take_over"])
def test_a_mover_is_killed(temporal_server: Temporal, tmp_path: Path, step: str) -> None:
    """In front of each step, and behind it: said again, the run goes on on the cluster, once; mail comes along."""
    run_id = f"killed-{step}"

    async def before() -> None:
        async with embedded(tmp_path) as app:
            await app.client.start(waiting, id=run_id)
            await until(lambda: done(tmp_path, "first"))
            for place in ("before", "after"):
                killed = await asyncio.to_thread(kill_at, temporal_server, tmp_path, run_id, step, place)
                assert killed == -signals.SIGKILL, place
                record = await app.client.handle(run_id).describe()
                if record.status in {"RUNNING", "PAUSED"}:
                    await app.client.handle(run_id).signal("word", place)
            moved = await asyncio.to_thread(command, temporal_server, tmp_path, "--where", "workflow=waiting", "--yes")
            assert moved.returncode == 0, (moved.stdout, moved.stderr)
            again = await asyncio.to_thread(command, temporal_server, tmp_path, run_id)
            assert again.returncode == 0, again.stderr
            assert (await app.client.handle(run_id).describe()).status == "TERMINATED"

    async def after() -> None:
        async with on_cluster(temporal_server, tmp_path) as app:
            handle = app.client.handle(run_id)
            for _ in range(2):
                with contextlib.suppress(RunClosedError):  # what it was told here may be enough
                    await handle.signal("word", "there")
            first, *words, last, execution = await asyncio.wait_for(handle.result(), 30)
            expected = {"pause": ["before", "after"], "_leave": ["before", "there"], "take_over": ["there", "there"]}
            assert (first, words, last, execution) == ("FIRST", expected[step], "LAST", run_id)

    in_turn(before, after)
    assert [word for word, _ in effects(tmp_path)] == ["first", "last"]


KILLER = """
import asyncio, os, signal, sys
from holdfast.app import leaving, load_settings
from holdfast.app.leaving import Leaving
from holdfast.client import EmbeddedEngine
from holdfast.temporal import Arrivals

store, url, run_id, step, place = sys.argv[1:]
home = next(each for each in (EmbeddedEngine, Leaving, Arrivals) if step in vars(each))
real = getattr(home, step)

async def killed(*args, **more):
    if place == "after":
        await real(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(home, step, killed)

async def main():
    async with leaving(load_settings(store=store), url) as mover:
        await mover.move(run_id)

asyncio.run(main())
"""


def kill_at(server: Temporal, folder: Path, run_id: str, step: str, place: str) -> int:
    """Move a run with a process that is killed in front of a step of it, or behind; return how it ended."""
    store = f"sqlite:///{folder / 'old.db'}"
    line = [sys.executable, "-c", KILLER, store, server.url, run_id, step, place]
    return subprocess.run(line, check=False, timeout=60, capture_output=True).returncode


def test_an_encrypted_run_is_encrypted_there(
    temporal_server: Temporal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was told here is read with the store's key, and sealed with it on its way, like all that follows."""
    monkeypatch.setenv("MOVES_KEY", make_key())
    keys = ("env:MOVES_KEY",)

    async def before() -> None:
        async with embedded(tmp_path, encryption_keys=keys) as app:
            run = await app.client.start(waiting, id="sealed")
            await run.signal("word", "here")
            await until(lambda: done(tmp_path, "first"))
            settings = load_settings(store=f"sqlite:///{tmp_path / 'old.db'}", encryption_keys=keys)
            async with leaving(settings, temporal_server.url) as mover:
                await mover.move("sealed")

    async def after() -> None:
        async with on_cluster(temporal_server, tmp_path, encryption_keys=keys) as app:
            handle = app.client.handle("sealed")
            await handle.signal("word", "there")
            first, *words, last, _ = await asyncio.wait_for(handle.result(), 30)
            assert (first, words, last) == ("FIRST", ["here", "there"], "LAST")

    in_turn(before, after)
    shown = temporal_server.show("sealed")
    assert base64.b64encode(SEALED.encode()).decode() in shown
    assert base64.b64encode(PAST_ENCODING.encode()).decode() not in shown
    assert base64.b64encode(b'"there"').decode() not in shown


def test_what_does_not_move(temporal_server: Temporal, tmp_path: Path) -> None:
    """It stays where it is, and goes on there."""

    async def body() -> None:
        settings = load_settings(store=f"sqlite:///{tmp_path / 'old.db'}")
        async with (
            embedded(tmp_path) as app,
            await Client.connect(settings.store, engine=temporal_server.url) as there,
            leaving(settings, temporal_server.url) as mover,
        ):
            taken = await app.client.start(waiting, id="taken")
            await there.start("waiting", id="taken")
            with pytest.raises(RunConflictError):
                await mover.move("taken")
            assert (await taken.describe()).status == "RUNNING"
            await there.handle("taken").terminate()
            await taken.pause("a look", by="ada")
            with pytest.raises(RunStateError):
                await mover.move("taken")
            assert (await taken.describe()).paused_by == "ada"
            await taken.terminate()
            with pytest.raises(RunClosedError):
                await mover.move("taken")

    in_turn(body)
