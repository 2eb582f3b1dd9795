"""From production to a test: histories of runs that were killed, and of runs that failed, against code of today."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast import Holdfast, RunFailedError
from holdfast.cli import program
from holdfast.history import History
from holdfast.replay import WorkflowReplayer, load_history
from tests.unit.replay.shapes import load

SECONDS_MAX = 60.0

PRODUCTION = """
import asyncio
from pathlib import Path
from holdfast import task, workflow

@task
async def fetch(page: str) -> str:
    return page.upper()

@task
async def hang_once(page: str) -> str:
    if not Path("hung").exists():
        Path("hung").touch()
        await asyncio.Event().wait()
    return page * 2

@workflow
class MyAutomationWorkflow:
    async def run(self, page: str) -> str:
        first = await fetch(page)
        second = await hang_once(first)
        await asyncio.sleep(0.01)
        return await fetch(second)
"""

# As the design shows it, to the letter.
BLOCK = """
from holdfast.replay import WorkflowReplayer, load_history
def test_workflow_replay():
    history = load_history("prod_failure_log.json")
    replayer = WorkflowReplayer(MyAutomationWorkflow)
    result = replayer.replay(history)       # reaches the same terminal state as production
    assert result.status == "COMPLETED"
"""

ROLES = (("controller", "--port", "0"), ("orchestrator",), ("worker",))


class Fleet:
    """The three tiers of production, each in a process of its own."""

    def __init__(self, folder: Path, block: ExitStack) -> None:
        self.folder = folder
        self.block = block
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all three."""
        for role in ROLES:
            log = self.block.enter_context((self.folder / f"{role[0]}.log").open("ab"))
            argv = [sys.executable, "-m", "holdfast", *role[:1], "automations", *role[1:]]
            process = subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
            self.processes.append(process)

    def kill(self) -> None:
        """Kill all three, whatever they are doing."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Stand in for production, and leave nothing of it behind."""
    (tmp_path / "automations.py").write_text(PRODUCTION, encoding="utf-8")
    with ExitStack() as block:
        fleet = Fleet(tmp_path, block)
        try:
            yield fleet
        finally:
            fleet.kill()


def holdfast(folder: Path, *arguments: str) -> str:
    """Run a verb as a person would; return what it prints."""
    argv = [sys.executable, "-m", "holdfast", *arguments]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_run_whose_whole_fleet_was_killed_replays_to_the_same_end(fleet: Fleet) -> None:
    """Worker, orchestrator and controller are killed in the middle; the run completes, and so does its export."""
    folder = fleet.folder
    fleet.start()
    holdfast(folder, "start", "MyAutomationWorkflow", '"a"', "--id", "prod-1")
    deadline = time.monotonic() + SECONDS_MAX
    while not (folder / "hung").exists():
        assert time.monotonic() < deadline, (folder / "worker.log").read_text()
        time.sleep(0.02)  # looks again
    fleet.kill()
    fleet.start()
    waited = holdfast(folder, "start", "MyAutomationWorkflow", '"a"', "--id", "prod-1", "--wait", "--timeout", "60")
    assert waited.strip() == '"AA"'
    holdfast(folder, "runs", "export", "prod-1", "--out", "prod_failure_log.json")
    (folder / "test_block.py").write_text("from automations import MyAutomationWorkflow\n" + BLOCK, encoding="utf-8")
    (folder / "holdfast.db").rename(folder / "elsewhere.db")  # a replay needs no store
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_block.py"]
    tested = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout


FAILING = """
from pathlib import Path
from holdfast import Retry, TaskError, task, workflow

def note(step):
    with Path("done.txt").open("a") as file:
        file.write(step + "\\n")

@task
async def reserve(item: str) -> str:
    note("reserve")
    return "shelf 3"

@task(retry=Retry(attempts=1))
async def charge(item: str) -> str:
    note("charge")
    raise ConnectionError("bank is down")

@task
async def ship(item: str) -> str:
    note("ship")
    return f"shipped {item}"

@workflow(name="order")
async def shape(item: str) -> str:
    shelf = await reserve(item)
    await charge(item)
    return await ship(shelf)
"""
FIXED_TASK = FAILING.replace('raise ConnectionError("bank is down")', 'return "receipt"')
FIXED_WORKFLOW = FAILING.replace(
    "    await charge(item)\n",
    "    try:\n        await charge(item)\n    except TaskError:\n        shelf += ', on account'\n",
)


@pytest.fixture
def failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Return the export of a run that failed in production."""
    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{tmp_path}/production.db"
    workflow, module = load(FAILING, tmp_path, "production")
    definitions = [workflow, module.reserve, module.charge, module.ship]
    with Holdfast(definitions=definitions, store=store) as app, pytest.raises(RunFailedError):
        app.start(workflow, "book", id="ord-1").result(timeout=30)
    exported = CliRunner().invoke(program, ["runs", "export", "ord-1", "--out", "ord-1.json", "--store", store])
    assert exported.exit_code == 0
    assert done() == ["reserve", "charge"]
    Path("done.txt").unlink()
    return load_history("ord-1.json")


def done() -> list[str]:
    """Return which tasks ran, in order."""
    return Path("done.txt").read_text(encoding="utf-8").split() if Path("done.txt").exists() else []


def deploy(source: str, folder: Path) -> object:
    """Return the workflow of a source, deployed in another folder than production's."""
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    return load(source, staging, "staging")[0]


def test_a_failed_run_fails_again_and_passes_after_the_fix(failure: History, tmp_path: Path) -> None:
    """Recorded: FAILED as in production. With the task mended: COMPLETED, and nothing that was recorded runs again."""
    recorded = WorkflowReplayer(deploy(FAILING, tmp_path)).replay(failure)
    assert (recorded.status, recorded.verdict, recorded.matches_production) == ("FAILED", "IDENTICAL", True)
    assert done() == []
    red = WorkflowReplayer(deploy(FAILING, tmp_path), tasks="rerun-failed").replay(failure)
    assert (red.status, done()) == ("FAILED", ["charge"])
    Path("done.txt").unlink()
    green = WorkflowReplayer(deploy(FIXED_TASK, tmp_path), tasks="rerun-failed").replay(failure)
    assert (green.status, green.output, green.verdict) == ("COMPLETED", "shipped shelf 3", "COMPATIBLE_NEW_TAIL")
    assert done() == ["charge", "ship"]
    assert green.ran == ("charge#1", "ship#1")


def test_a_fix_in_the_workflow_completes_with_a_new_tail(failure: History, tmp_path: Path) -> None:
    """The task fails as before, and the code has learned what to do then."""
    result = WorkflowReplayer(deploy(FIXED_WORKFLOW, tmp_path), tasks="rerun-failed").replay(failure)
    assert (result.status, result.verdict) == ("COMPLETED", "COMPATIBLE_NEW_TAIL")
    assert result.output == "shipped shelf 3, on account"
    assert done() == ["charge", "ship"]
