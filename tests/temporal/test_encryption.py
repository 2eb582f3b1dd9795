"""Keys on Temporal: nothing of what users wrote can be read there, and everything still works."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast
from holdfast.app import close_connections, load_codec, make_key
from holdfast.errors import (
    EncryptionError,
    QueryError,
    RunCancelledError,
    RunFailedError,
    UpdateFailedError,
    UpdateRejectedError,
)
from holdfast.ports.engine import StartRequest
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from tests.servers.temporal import Temporal
from tests.temporal import veiled
from tests.temporal.veiled import Passing
from tests.unit.app import secrets_told
from tests.unit.app.secrets_told import Talk, fall, wait

WORDS = {**secrets_told.WORDS, **veiled.WORDS}
LARGE = WORDS["large"] + "x" * 10_000
UNSENT = {"ledger", "progress", "query", "query-answer", "query-failure", "refused"}
"""Words that no history of Temporal's holds."""
TOLD = {"reason"}
"""Why a run is cancelled is a plain text for Temporal."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have a folder, and three keys."""
    caplog.set_level(logging.CRITICAL, "temporalio")  # a record of a failure holds all that was around it
    monkeypatch.chdir(tmp_path)
    for name in ("OLD", "NEW", "OTHER"):
        monkeypatch.setenv(name, make_key())
    yield
    close_connections()


@asynccontextmanager
async def running(server: Temporal, *keys: str) -> AsyncIterator[Holdfast]:
    """Run the workflows that tell secrets."""
    async with Holdfast(
        [secrets_told, veiled], "sqlite:///store.db", engine=server.url, encryption_keys=keys, log_level="CRITICAL"
    ) as app:
        yield app


async def tell_everything(app: Holdfast, server: Temporal, prefix: str) -> bytes:
    """Have every word travel in every way; return all that the server says of it."""
    client = app.client
    talk = await client.start(Talk, WORDS["input"], LARGE, id=f"{prefix}-talk")
    await talk.signal(Talk.tell, WORDS["signal"])
    assert await talk.query(Talk.last, WORDS["query"]) == WORDS["query-answer"]
    assert await talk.update(Talk.add, WORDS["update"]) == WORDS["update-answer"]
    assert await talk.result() == WORDS["outcome"]
    request = StartRequest("fall", f"{prefix}-fall", f'"{WORDS["input"]}"'.encode(), memo={"note": WORDS["memo"]})
    await app.stack.engine.start([request])
    with pytest.raises(RunFailedError, match=WORDS["raised"]):
        await client.handle(f"{prefix}-fall", fall).result()
    waiting = await client.start(wait, WORDS["input"], id=f"{prefix}-wait")
    await waiting.cancel(WORDS["reason"])
    with pytest.raises(RunCancelledError, match=WORDS["reason"]):
        await waiting.result()
    seen = await pass_everything(app, server, f"{prefix}-passing")
    for name in ("talk", "fall", "wait", "passing"):
        seen += await said_of(server, f"{prefix}-{name}")
    return seen


async def pass_everything(app: Holdfast, server: Temporal, run_id: str) -> bytes:
    """Have words travel between runs; return what the server says while a task is under way."""
    folder = Path(run_id).absolute()  # noqa: ASYNC240 - it takes no time
    folder.mkdir()
    for name in ("begun", "leave"):
        os.mkfifo(folder / name)
    passing = await app.client.start(Passing, str(folder), id=run_id)
    with pytest.raises(QueryError, match=WORDS["query-failure"]):
        await passing.query(Passing.fail)
    with pytest.raises(UpdateRejectedError, match=WORDS["refused"]):
        await passing.update(Passing.change, "anything")
    with pytest.raises(UpdateFailedError, match=WORDS["update-failure"]):
        await passing.update(Passing.change, "")
    await passing.signal("later", WORDS["unread"])
    await passing.signal(Passing.go)
    await asyncio.to_thread((folder / "begun").read_text)
    while not (seen := await beats_of(server, run_id)):  # noqa: ASYNC110 - the server does not say when it has it
        await asyncio.sleep(0)
    await asyncio.to_thread((folder / "leave").write_text, "")
    assert await passing.result() == WORDS["next-result"] + WORDS["unread"]
    for child in ("listen#1", "child#1", "child#2"):
        seen += await said_of(server, f"{run_id}:{child}")
    return seen


async def beats_of(server: Temporal, run_id: str) -> bytes:
    """Return the progress of a run's task as the server has it."""
    from temporalio.client import Client  # here, as it may be missing: then there is no server either

    described = await (await Client.connect(server.target)).get_workflow_handle(run_id).describe()
    return b"".join(
        payload.SerializeToString()
        for each in described.raw_description.pending_activities
        for payload in each.heartbeat_details.payloads
    )


async def said_of(server: Temporal, run_id: str) -> bytes:
    """Return all that the server says of a run's executions to somebody without keys."""
    from temporalio.client import Client  # the same

    client = await Client.connect(server.target)
    seen, run = b"", ""
    while True:
        handle = client.get_workflow_handle(run_id, run_id=run or None)
        seen += (await handle.describe()).raw_description.SerializeToString()
        events = (await handle.fetch_history()).events
        seen += b"".join(each.SerializeToString() for each in events)
        run = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not run:
            return seen


def run(body: Coroutine[Any, Any, None]) -> None:
    """Run `body`, and let go of its connections."""
    asyncio.run(body)
    gc.collect()  # nothing else closes a connection of the SDK's


def read_in(content: bytes) -> set[str]:
    """Return the words that can be read."""
    return {name for name, word in WORDS.items() if word.encode() in content}


def test_without_keys_every_word_can_be_read(temporal_server: Temporal) -> None:
    """The search finds what is there: each way of travelling leaves its word."""

    async def body() -> None:
        async with running(temporal_server) as app:
            assert read_in(await tell_everything(app, temporal_server, "plain")) == set(WORDS) - UNSENT

    run(body())


def test_with_a_key_no_word_can_be_read_and_everything_works(temporal_server: Temporal) -> None:
    """Not in histories, nor in what the server says of runs; with the key histories are shown and replayed."""

    async def body() -> None:
        async with running(temporal_server, "env:NEW") as app:
            assert read_in(await tell_everything(app, temporal_server, "sealed")) == TOLD
            events = repr([each.event for each in await app.client.handle("sealed-talk").history()])
            assert WORDS["failure"] in events
            assert WORDS["item-failure"] in events
            described = await app.client.handle("sealed-passing").describe()
            assert (described.execution, described.status) == ("sealed-passing@2", "COMPLETED")
            assert WORDS["cause"] in repr(await app.client.handle("sealed-passing:child#2").history())
            place = len(await app.client.handle("sealed-talk").history()) - 2
            fork = await app.client.fork("sealed-talk", place, id="sealed-fork")
            assert await fork.handle.result() == WORDS["outcome"]
            assert read_in(await said_of(temporal_server, "sealed-fork")) == set()

    run(body())
    recorded = temporal_server.show("sealed-talk").encode()
    with pytest.raises(EncryptionError, match="has no keys"):
        load_history(recorded)
    with pytest.raises(EncryptionError, match="the keys of this process are"):
        load_history(recorded, codec=load_codec(["env:OTHER"]))
    result = WorkflowReplayer(Talk).replay(load_history(recorded, codec=load_codec(["env:NEW"])))
    assert (result.verdict, result.output) == (Verdict.IDENTICAL, WORDS["outcome"])
    command = ("replay", "sealed-talk", str(ROOT / "tests/unit/app/secrets_told.py"))
    assert "IDENTICAL" in told(temporal_server, "NEW", *command).stdout
    wrong = told(temporal_server, "OTHER", *command)
    assert wrong.returncode != 0
    assert "HF810" in wrong.stderr + wrong.stdout
    assert "sealed-talk" in told(temporal_server, "OTHER", "runs", "list").stdout
    pulled = told(temporal_server, "NEW", "capture", "pull", "--workflow", "fall")
    assert pulled.returncode == 0, pulled.stderr
    assert "sealed-fall" in pulled.stdout


def told(server: Temporal, key: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Return what the command line says to somebody with a key."""
    setting = {"HOLDFAST_ENGINE": server.url, "HOLDFAST_ENCRYPTION_KEYS": f'["env:{key}"]'}
    return subprocess.run(
        [sys.executable, "-m", "holdfast", *command, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **setting, "PYTHONPATH": str(ROOT)},
    )


def test_keys_change_under_an_open_run(temporal_server: Temporal) -> None:
    """A new key writes, the old one still reads. Who has another one says so, and the run waits for who has it."""

    async def body() -> None:
        async with running(temporal_server, "env:OLD") as app:
            handle = await app.client.start(Talk, WORDS["input"], LARGE, id="rotated")
            await handle.signal(Talk.tell, WORDS["signal"])
            assert await handle.query(Talk.last, "") == WORDS["query-answer"]
        async with running(temporal_server, "env:OTHER") as app:
            handle = app.client.handle("rotated", Talk)
            with pytest.raises(EncryptionError, match="does not have that key"):
                await handle.describe()
            await app.stack.engine.signal("rotated", "tell", b'"unreadable"', "a")
        async with running(temporal_server, "env:NEW", "env:OLD", "env:OTHER") as app:
            handle = app.client.handle("rotated", Talk)
            assert await handle.result() == WORDS["outcome"]
            events = repr([each.event for each in await handle.history()])
            assert "unreadable" in events

    run(body())


def test_a_plugin_encrypts_where_its_client_has_it(temporal_server: Temporal) -> None:
    """The client's own calls, its workers, and Temporal's Replayer; a worker whose client has no keys is refused."""
    from temporalio.client import Client  # here, as it may be missing: then there is no server either
    from temporalio.worker import Replayer, Worker

    from holdfast.errors import SettingsError
    from holdfast.temporal import TemporalPlugin

    async def body() -> None:
        plugin = TemporalPlugin(definitions=[veiled.child], codec=load_codec(["env:NEW"]))
        client = await Client.connect(temporal_server.target, plugins=[plugin])
        async with Worker(client, task_queue="veiled"):
            options: Any = {"task_queue": "veiled"}
            handle = await client.start_workflow("child", WORDS["child-input"], id="plugged", **options)
            assert await handle.result() == WORDS["child-result"]
        assert read_in(await said_of(temporal_server, "plugged")) == set()
        replayer = Replayer(workflows=[], plugins=[plugin])
        assert (await replayer.replay_workflow(await handle.fetch_history())).replay_failure is None
        plain = await Client.connect(temporal_server.target)
        with pytest.raises(SettingsError, match="does not encrypt"):
            Worker(plain, task_queue="veiled", plugins=[plugin])

    run(body())
