"""Runs that go wrong on a cluster: captured by themselves, and pulled into a project."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast
from holdfast.errors import RunFailedError, RunTimedOutError
from holdfast.ports.captures import CaptureEntry
from holdfast.replay import WorkflowReplayer, load_history
from holdfast.replay.captures import CaptureFolder, seeking
from tests.servers.temporal import Temporal
from tests.temporal.billing import DEFINITIONS, bill, overdue, quote, quotes

ROOT = Path(__file__).parents[2]
MODULE = "tests/temporal/billing.py"
CARD = "4242424242424242"


@pytest.fixture(autouse=True)
def _forgetful(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "temporalio.activity")  # a record of a failure holds all that was around it


def with_app(
    server: Temporal, folder: Path, body: Callable[[Holdfast], Coroutine[Any, Any, None]], **settings: Any
) -> None:
    """Run `body` with a stack whose engine is the server."""

    async def run() -> None:
        store = f"sqlite:///{folder / 'store.db'}"
        async with Holdfast(
            [], store, definitions=DEFINITIONS, engine=server.url, log_level="ERROR", **settings
        ) as app:
            await body(app)

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


def holdfast(server: Temporal, folder: Path, *words: str) -> tuple[int, Any]:
    """Return how a verb of the command line ends on the server, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words, "--store", f"sqlite:///{folder / 'other.db'}", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HOLDFAST_ENGINE": server.url, "HOLDFAST_CAPTURE_DIR": str(folder / "none")},
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


async def fail(app: Holdfast, run_id: str) -> None:
    """Run a workflow that fails."""
    handle = await app.client.start(bill, 7, CARD, id=run_id)
    with pytest.raises(RunFailedError):
        await handle.result()


async def captures_in(folder: Path, condition: Callable[[list[CaptureEntry]], Any]) -> list[CaptureEntry]:
    """Wait until the captures of a store are such."""
    async with asyncio.timeout(30):
        while True:
            entries = await asyncio.to_thread(CaptureFolder(folder / "captures").entries)
            if condition(entries):
                return entries


def test_a_failed_run_is_captured_while_everything_runs(temporal_server: Temporal, tmp_path: Path) -> None:
    """With the line and the place of its code, and without its secrets; of runs that end well as many as one wants."""

    async def body(app: Holdfast) -> None:
        await fail(app, "bill-1")
        assert await (await app.client.start(quote, 2, id="quote-1")).result() == 6
        entries = await captures_in(tmp_path, lambda entries: len(entries) == 2)
        for entry in entries:
            assert CARD not in entry.path.read_text()
        sampled, failed = sorted(entries, key=lambda each: each.workflow, reverse=True)
        assert (sampled.note.reason, failed.note.reason) == ("sampled", "failed")  # type: ignore[union-attr]
        note = failed.note
        assert note is not None
        assert (note.module, note.name, note.status) == ("tests.temporal.billing", "bill", "FAILED")
        assert note.failure is not None
        assert "refused for" in note.failure.message
        history = load_history(failed.path)
        assert history.engine == "temporal"
        assert any("billing.py" in each for each in history.places.values())

    with_app(temporal_server, tmp_path, body, capture_successes=1.0)
    code, replayed = holdfast(
        temporal_server, tmp_path, "replay", str(next((tmp_path / "captures").glob("bill.*"))), MODULE
    )
    assert (code, replayed["verdict"]) == (0, "IDENTICAL")


def test_what_nobody_heard_of_is_found(
    temporal_server: Temporal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose time was up, and one that failed while nobody made captures; what is deleted does not come back."""
    monkeypatch.setattr(seeking, "LOOK_SECONDS", 0.1)

    async def before(app: Holdfast) -> None:
        await fail(app, "bill-2")

    async def after(app: Holdfast) -> None:
        handle = await app.client.start(overdue, id="overdue-1", timeout="500ms")
        with pytest.raises(RunTimedOutError):
            await handle.result()
        wanted = {"bill-2": "failed", "overdue-1": "timed out"}
        entries = await captures_in(tmp_path, lambda entries: wanted.keys() <= {each.run_id for each in entries})
        assert {each.run_id: each.note.reason for each in entries if each.note}.items() >= wanted.items()
        await _looked_again(tmp_path)
        for each in entries:
            each.path.unlink()

    async def again(_: Holdfast) -> None:
        await _looked_again(tmp_path)
        assert CaptureFolder(tmp_path / "captures").entries() == []

    with_app(temporal_server, tmp_path, before, capture_failures=False)
    assert CaptureFolder(tmp_path / "captures").entries() == []
    with_app(temporal_server, tmp_path, after)
    with_app(temporal_server, tmp_path, again)


async def _looked_again(folder: Path) -> None:
    """Wait for two whole looks."""
    # One that is just being written has a process's id behind its name.
    (mark,) = (each for each in (folder / "captures").glob(".looked-*") if not each.suffix)
    for _ in range(2):
        before = mark.read_bytes()
        while await asyncio.to_thread(mark.read_bytes) == before:
            pass


def test_what_is_exported_of_a_cluster_replays_as_it_drained(temporal_server: Temporal, tmp_path: Path) -> None:
    """In Holdfast's own form, with what came of the items of a fan-out."""

    async def body(app: Holdfast) -> None:
        assert await (await app.client.start(quotes, 40, id="quotes-1")).result() == 3 * sum(range(40))

    with_app(temporal_server, tmp_path, body)
    file = tmp_path / "quotes.json"
    code, _ = holdfast(temporal_server, tmp_path, "runs", "export", "quotes-1", "--out", str(file))
    history = load_history(file)
    assert (code, history.engine, len(history.outcomes["map#1"])) == (0, "temporal", 40)
    result = WorkflowReplayer(quotes).replay(history)
    assert (result.verdict, result.engine) == ("IDENTICAL", "temporal"), result.diff()


def test_all_that_went_wrong_is_pulled_once(temporal_server: Temporal, tmp_path: Path) -> None:
    """A bad one is named and the others come; again, nothing comes; a change that does not fit them is found."""
    to = tmp_path / "histories"

    async def body(app: Holdfast) -> None:
        for number in range(3):
            await fail(app, f"pulled-{number}")
        from temporalio.api.common.v1 import Payload  # here, as it may be missing
        from temporalio.client import Client
        from temporalio.common import RawValue

        target, _, namespace = temporal_server.url.removeprefix("temporal://").partition("/")
        client = await Client.connect(target, namespace=namespace)
        secret = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?"))
        odd = await client.start_workflow("bill", secret, id="odd", task_queue="nobody")
        await odd.terminate()

    with_app(temporal_server, tmp_path, body, capture_failures=False)
    words = ("capture", "pull", "--to", str(to), "--workflow", "bill", "--status", "FAILED", "--status", "terminated")
    pulled: set[str] = set()
    wanted = {f"pulled-{number}" for number in range(3)}
    while not wanted <= pulled:  # Temporal's lists follow a little later
        code, answer = holdfast(temporal_server, tmp_path, *words, "--since", "5m")
        pulled |= {each.run_id for each in CaptureFolder(to).entries()}
    while not answer["bad"]:
        code, answer = holdfast(temporal_server, tmp_path, *words, "--since", "5m")
    (bad,) = answer["bad"]
    assert (code, bad["run"]) == (1, "odd")
    code, answer = holdfast(temporal_server, tmp_path, *words[:-2])
    count = len(CaptureFolder(to).entries())
    assert (code, answer["pulled"], answer["there"], answer["more"]) == (0, 0, count, False)
    next(to.glob("bill.pulled-0.*")).unlink()
    next(to.glob("bill.pulled-1.*")).unlink()
    code, answer = holdfast(temporal_server, tmp_path, *words[:-2], "--limit", "1")
    assert (code, answer["pulled"], answer["there"], answer["more"]) == (0, 1, 1, True)  # the newest is there
    code, fits = holdfast(
        temporal_server, tmp_path, "deploy-check", MODULE, "--captures", str(to), "--workflow", "bill"
    )
    assert (code, fits["breaking"]) == (0, 0)
    assert fits["captures"] == count - 1
    changed = tmp_path / "changed.py"
    source = (ROOT / MODULE).read_text(encoding="utf-8")
    changed.write_text(source.replace("amount = await price(number)", "amount = 3 * number"))
    code, breaks = holdfast(temporal_server, tmp_path, "deploy-check", str(changed), "--captures", str(to))
    assert (code, breaks["breaking"]) == (1, count - 1)
    assert {each["verdict"] for each in breaks["items"] if each["kind"] == "capture"} == {"DIVERGED"}
