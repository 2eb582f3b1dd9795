"""A run is started that is to begin later: by each door, on a whole stack."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Client, Holdfast, now, wait_for_signal, workflow
from holdfast.cli import program
from holdfast.errors import InputError, RunCancelledError, RunStateError
from holdfast.replay import WorkflowReplayer, load_history
from tests.unit.worker.rig import on_loop


@workflow
class Tell:
    """Say when it began, and what it was told by then."""

    async def run(self, word: str) -> tuple[str, str, str]:
        """Wait for a word."""
        return word, now().isoformat(), await wait_for_signal("word", type=str)


def address(folder: Path) -> str:
    """Return the store's address."""
    return f"sqlite:///{folder / 'store.db'}"


@on_loop
async def test_a_run_begins_later_and_not_before(tmp_path: Path) -> None:
    """Its clock says the time at which it was to begin, and a signal from before is there."""
    async with Holdfast(store=address(tmp_path), definitions=[Tell], tune_gc=False) as app:
        at = datetime.now(UTC) + timedelta(seconds=0.4)
        handle = await app.client.start(Tell, "a", id="t-1", start_at=at)
        await app.client.signal_with_start(Tell, "b", id="t-2", signal="word", signal_args=["hey"], delay="0.4s")
        await handle.signal("word", "ho")
        assert (await handle.describe()).starts_at == pytest.approx(at.timestamp())
        (cause,) = (await handle.explain()).causes
        assert cause.kind == "scheduled"
        word, began, told = await handle.result()
        assert (word, told) == ("a", "ho")
        assert datetime.fromisoformat(began) == at
        assert datetime.now(UTC) >= at
        assert (await app.client.handle("t-2").result())[2] == "hey"


def test_a_run_that_is_cancelled_first_never_begins(tmp_path: Path) -> None:
    """It is CANCELLED, and its history replays."""
    asyncio.run(call_off(tmp_path))
    file = tmp_path / "h.json"
    words = ["runs", "export", "t-1@1", "--out", str(file), "--store", address(tmp_path)]
    done = CliRunner().invoke(program, words)
    assert done.exit_code == 0, done.output
    result = WorkflowReplayer(Tell).replay(load_history(file))
    assert (result.status, result.verdict) == ("CANCELLED", "IDENTICAL")


async def call_off(tmp_path: Path) -> None:
    """Cancel a run before it begins. An update says why it cannot be asked, and its id follows the policies."""
    async with Holdfast(store=address(tmp_path), definitions=[Tell], tune_gc=False) as app:
        handle = await app.client.start(Tell, "a", id="t-1", delay="1h")
        assert not (await app.client.start(Tell, "a", id="t-1")).created
        with pytest.raises(RunStateError, match="is to start later"):
            await handle.update("change", timeout=5.0)
        await handle.cancel("not needed")
        with pytest.raises(RunCancelledError, match="not needed"):
            await handle.result()
        again = await app.client.start(Tell, "b", id="t-1", delay="1h", id_reuse_policy="allow_duplicate")
        assert again.created


@on_loop
async def test_what_is_no_time_is_refused(tmp_path: Path) -> None:
    """Two times, one without a zone, and one before now."""
    async with await Client.connect(address(tmp_path)) as client:
        wrong: list[dict[str, Any]] = [
            {"delay": "1h", "start_at": datetime.now(UTC)},
            {"start_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - that is what is refused
        ]
        for each in wrong:
            with pytest.raises(InputError):
                await client.start("W", "a", **each)
        assert await client.runs() == ([], None)


def test_a_run_is_started_for_later_on_the_command_line(tmp_path: Path) -> None:
    """And shown with when it begins."""

    def call(*words: str) -> Any:
        done = CliRunner().invoke(program, [*words, "--store", address(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    call("start", "W", '"a"', "--id", "r-1", "--start-at", "2090-01-01T08:00Z")
    call("start", "W", '"a"', "--id", "r-2", "--delay", "90d")
    assert call("runs", "show", "r-1")["start_at"].startswith("2090-01-01T08:00")
    assert call("runs", "explain", "r-2")["causes"][0]["kind"] == "scheduled"
    done = CliRunner().invoke(program, ["start", "W", "--start-at", "soon", "--store", address(tmp_path)])
    assert "names no time" in done.output


def test_another_process_begins_it(tmp_path: Path) -> None:
    """Nothing of a run that begins later is held in memory."""

    async def first() -> None:
        async with Holdfast(store=address(tmp_path), definitions=[Tell], tune_gc=False) as app:
            await app.client.signal_with_start(Tell, "a", id="t", signal="word", signal_args=["x"], delay="0.3s")

    async def second() -> str:
        async with Holdfast(store=address(tmp_path), definitions=[Tell], tune_gc=False) as app:
            told: tuple[str, str, str] = await app.client.handle("t", Tell).result()
            return told[2]

    asyncio.run(first())
    assert asyncio.run(second()) == "x"
