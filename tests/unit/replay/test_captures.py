"""Runs that go wrong leave a capture, and nothing waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast, map_tasks, task, workflow
from holdfast.app import capturing
from holdfast.errors import RunFailedError, SettingsError, UnknownNameError
from holdfast.history import TaskFailed, WorkflowStarted, to_json
from holdfast.history.schema import transcript_schema
from holdfast.replay import WorkflowReplayer, load_history
from holdfast.replay.captures import CaptureFolder
from holdfast.replay.captures import folder as folders
from tests.json_schemas import problems
from tests.unit.replay.test_redaction import CANARY, scan


@task
async def charge(account: str, password: str) -> str:
    """Fail, and say everything."""
    raise TypeError(f"{account} refused {password}")


@task
async def double(number: int) -> int:
    """Do harmless work."""
    return 2 * number


@workflow
async def pay(account: str, password: str) -> str:
    """Lose money."""
    await map_tasks(double, range(3))
    return await charge(account, password)


@workflow
async def succeed(number: int) -> int:
    """End well."""
    return await double(number)


@workflow
async def sleep(seconds: int) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


def app_at(folder: Path, **options: Any) -> Holdfast:
    """Return a stack on a store in a folder."""
    return Holdfast(modules=[__name__], store=f"sqlite:///{folder}/holdfast.db", tune_gc=False, **options)


def fail_one(app: Holdfast, run_id: str = "p-1") -> None:
    """Run a workflow that fails."""
    with pytest.raises(RunFailedError):
        app.start(pay, "acc-1", CANARY, id=run_id).result(timeout=30)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Wait for what happens in the background."""
    until = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen"
        threading.Event().wait(0.01)
    return found


def test_a_failed_run_is_captured_while_everything_runs(tmp_path: Path) -> None:
    """The capture is self-contained, says what happened, holds no secret, fits the schema and is the owner's alone."""
    folder = CaptureFolder(tmp_path / "captures")
    with app_at(tmp_path) as app:
        fail_one(app)
        (entry,) = wait_for(folder.entries)
    assert entry.path.name == "pay.p-1.6.json"
    assert stat.S_IMODE(entry.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert (entry.workflow, entry.run_id, entry.execution) == ("pay", "p-1", "p-1")
    assert scan(entry.path.read_text("utf-8"), CANARY) == []
    assert list(problems(json.loads(entry.path.read_bytes()), transcript_schema())) == []
    history = load_history(entry.path)
    assert isinstance(history.events[-2], TaskFailed)
    assert history.outcomes["map#1"] == (b"0", b"2", b"4")
    note = history.capture
    assert note is not None
    assert note == entry.note
    assert (note.reason, note.status, note.secrets) == ("failed", "FAILED", 1)
    assert (note.module, note.name) == (__name__, "pay")
    assert note.failure is not None
    assert re.search(r"acc-1 refused REDACTED-password-\d+$", note.failure.message)  # numbered among all known secrets
    assert note.code_version == history.started.code_version != ""
    # Each decision has its line, so that later code can be shown beside the line where a step was.
    assert {re.sub(r":\d+,", ":n,", each.rpartition("/")[2]) for each in history.places.values()} == {
        "test_captures.py:n, in pay"
    }


def test_a_script_leaves_its_capture_when_it_ends(tmp_path: Path) -> None:
    """A process that closes right after a failure captures it first; a run is captured once."""
    folder = CaptureFolder(tmp_path / "captures")
    with app_at(tmp_path) as app:
        fail_one(app)
    (entry,) = folder.entries()
    entry.path.unlink()
    with app_at(tmp_path):
        pass
    assert folder.entries() == []


def test_what_a_crash_left_is_captured_by_the_next_process(tmp_path: Path) -> None:
    """A run that closed without a capture has one after the next look."""
    with app_at(tmp_path, capture_failures=False) as app:
        fail_one(app)
    assert not (tmp_path / "captures").exists()
    with app_at(tmp_path):
        (entry,) = wait_for(CaptureFolder(tmp_path / "captures").entries)
    assert entry.run_id == "p-1"


def test_completed_runs_are_sampled(tmp_path: Path) -> None:
    """None by default, all with a rate of 1."""
    folder = CaptureFolder(tmp_path / "captures")
    with app_at(tmp_path) as app:
        assert app.start(succeed, 3, id="s-1").result(timeout=30) == 6
    assert folder.entries() == []
    with app_at(tmp_path, capture_successes=1.0) as app:
        assert app.start(succeed, 4, id="s-2").result(timeout=30) == 8
    (entry,) = folder.entries()
    assert entry.note is not None
    assert (entry.run_id, entry.note.reason) == ("s-2", "sampled")


def test_a_run_that_ran_out_of_time_is_captured(tmp_path: Path) -> None:
    """And its capture replays to where it waited."""
    folder = CaptureFolder(tmp_path / "captures")
    with app_at(tmp_path) as app:
        app.start(sleep, 3600, id="t-1", timeout=0.05)
        (entry,) = wait_for(folder.entries)
    assert entry.note is not None
    assert (entry.note.reason, entry.note.status) == ("timed out", "TIMED_OUT")
    result = WorkflowReplayer(sleep).replay(load_history(entry.path))
    assert not result.divergences
    assert not result.payload_problems


def test_a_diverged_run_is_captured(tmp_path: Path) -> None:
    """What is parked because its code does not fit its history is captured, with the reason."""

    @workflow(name="changing")
    async def before(seconds: int) -> int:
        await asyncio.sleep(seconds)
        return await double(1)

    @workflow(name="changing")
    async def after(seconds: int) -> int:
        await double(0)
        await asyncio.sleep(seconds)
        return await double(1)

    folder = CaptureFolder(tmp_path / "captures")
    store = f"sqlite:///{tmp_path}/holdfast.db"
    with Holdfast(modules=[], definitions=[before, double], store=store, tune_gc=False) as app:
        app.start(before, 3600, id="c-1")
        wait_for(lambda: len(app.handle("c-1").history()) > 1)
    with Holdfast(modules=[], definitions=[after, double], store=store, tune_gc=False) as app:
        app.handle("c-1").signal("wake up")
        (entry,) = wait_for(folder.entries)
    assert entry.note is not None
    assert (entry.note.reason, entry.note.status) == ("diverged", "PARKED")
    assert "HF301" in entry.note.parked
    # The word for it is the one that a deploy check has, and not that of the first decision that does not fit.
    assert "diverged at event 2: INSERTED" in entry.note.parked
    result = WorkflowReplayer(after).replay(load_history(entry.path))
    assert result.divergences[0].kind == "INSERTED"


def test_a_folder_that_cannot_be_written_warns_once_and_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go on; the capture is made when there is room again."""
    monkeypatch.setattr(folders, "FREE_BYTES_MIN", 1 << 60)
    monkeypatch.setattr("holdfast.replay.captures.writing.RETRY_SECONDS", 0.01)
    folder = CaptureFolder(tmp_path / "captures")
    with caplog.at_level(logging.WARNING), app_at(tmp_path) as app:
        for number in range(3):
            fail_one(app, f"p-{number}")
            wait_for(lambda: "captures cannot be written" in caplog.text)
        assert folder.entries() == []
        assert caplog.text.count("captures cannot be written") == 1
        monkeypatch.undo()
        fail_one(app, "p-9")
        wait_for(lambda: len(folder.entries()) == 4)


def test_a_flood_of_failures_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more captures are made, or kept, than the setting says, and all runs are seen to."""
    monkeypatch.setattr("holdfast.replay.captures.watching.PAUSE_SECONDS", 0.0)
    with app_at(tmp_path, capture_failures=False) as app:
        for number in range(40):
            fail_one(app, f"p-{number}")
    folder = CaptureFolder(tmp_path / "captures")
    with app_at(tmp_path, captures_max=20) as app:
        wait_for(lambda: not app._sync().call(app.stack.store.uncaptured, 1))
    assert sorted(each.run_id for each in folder.entries()) == sorted(f"p-{number}" for number in range(20, 40))


def test_a_pattern_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """A mistake in what is to be taken out does not become a capture with too much in it."""
    with pytest.raises(SettingsError, match="redact_patterns"):
        app_at(tmp_path, redact_patterns=("(",))


# --- The folder --------------------------------------------------------------------------------------------------

START = WorkflowStarted(1.5, 0, "W", "w-1", "w-1", b"null", 1, 0, "", "3.11")


def test_what_is_no_capture_is_left_alone(tmp_path: Path) -> None:
    """Other JSON files are neither listed nor pruned; a damaged capture is listed as one."""
    folder = CaptureFolder(tmp_path)
    (tmp_path / "package.json").write_text('{"format": "esm"}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "notes.txt").write_text("x")
    folder.put("whole", to_json([START]))
    (tmp_path / "cut.json").write_bytes(to_json([START])[:-30])
    (tmp_path / "pretty.json").write_text(json.dumps(json.loads(to_json([START])), indent=4))
    assert sorted((each.name, each.run_id, bool(each.problem)) for each in folder.entries()) == [
        ("cut", "w-1", False),
        ("pretty", "w-1", False),
        ("whole", "w-1", False),
    ]
    (tmp_path / "cut.json").write_bytes(to_json([START])[:60])
    assert [each.problem[:8] for each in folder.entries() if each.name == "cut"] == ["damaged:"]
    assert {each.stem for each in folder.prune(keep=0)} == {"cut", "pretty", "whole"}
    assert (tmp_path / "package.json").exists()


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    """By count, by age, or by both."""
    import os

    folder = CaptureFolder(tmp_path)
    for number in range(5):
        path = folder.put(f"c-{number}", to_json([START]))
        os.utime(path, (number * 100.0, number * 100.0))
    assert sorted(each.stem for each in folder.prune(before=150.0)) == ["c-0", "c-1"]
    assert [each.stem for each in folder.prune(keep=2)] == ["c-2"]
    assert folder.prune(keep=2, before=0.0) == []


def test_a_capture_is_found_by_its_name_or_its_run(tmp_path: Path) -> None:
    """And what is not there is an error that names what is."""
    folder = CaptureFolder(tmp_path)
    folder.put("W.w-1.1", to_json([START]))
    assert folder.find("w-1").name == folder.find("W.w-1.1").name == folder.find("W.w-1.1.json").name == "W.w-1.1"
    with pytest.raises(UnknownNameError, match=r"W\.w-1\.1"):
        folder.find("w-2")


def test_relative_folders_count_from_the_store(tmp_path: Path) -> None:
    """Wherever a process was started, it means the same folder."""
    settings = app_at(tmp_path).settings
    assert capturing.capture_folder(settings).path == tmp_path / "captures"
