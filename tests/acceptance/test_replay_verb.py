"""`holdfast replay` as a person meets it: verdict, both sides, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast import Holdfast, RunFailedError
from holdfast.cli import program
from holdfast.cli.output import Exit

BEFORE = """
from holdfast import Retry, task, workflow

@task(retry=Retry(attempts=1))
async def charge(item: str) -> str:
    raise PermissionError("no")

@task
async def reserve(item: str) -> str:
    return item

@workflow
async def order(item: str) -> str:
    await reserve(item)
    return await charge(item)
"""


def call(*arguments: str) -> Result:
    """Run a verb in this process."""
    return CliRunner().invoke(program, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder with a store in which a run has failed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    write(tmp_path, BEFORE)
    with (
        Holdfast(modules=["orders.py"], store=f"sqlite:///{tmp_path}/holdfast.db") as app,
        pytest.raises(RunFailedError),
    ):
        app.start("order", "a", id="ord-1").result(timeout=30)
    yield tmp_path
    sys.modules.pop("orders", None)


def write(folder: Path, source: str) -> None:
    """Deploy a source."""
    sys.modules.pop("orders", None)
    (folder / "orders.py").write_text(source, encoding="utf-8")


def test_code_that_fits_ends_with_0() -> None:
    """The verdict, and where the run ended, from the store and from a file alike."""
    result = call("replay", "ord-1", "orders.py")
    assert result.exit_code == Exit.DONE, result.output
    assert "IDENTICAL  run 'ord-1' of order: FAILED, in production FAILED" in result.stdout
    assert call("runs", "export", "ord-1", "--out", "ord-1.json").exit_code == Exit.DONE
    told = json.loads(call("replay", "ord-1.json", "orders.py", "--json").stdout)
    assert (told["verdict"], told["status"], told["matches_production"]) == ("IDENTICAL", "FAILED", True)
    assert told["error"]["type"] == "TaskError"


def test_a_divergence_ends_with_1_and_shows_both_sides(folder: Path) -> None:
    """The line of code that departs, both sides, and what to do about it."""
    write(folder, BEFORE.replace("await reserve(item)", "await reserve(item.upper())"))
    result = call("replay", "ord-1", "orders.py")
    assert result.exit_code == Exit.FAILED
    assert "DIVERGED" in result.stdout
    assert 'task reserve#1 (input "a")' in result.stdout
    assert 'task reserve#1 (input "A")' in result.stdout
    assert f"INPUT_CHANGED  ({folder}/orders.py:14, in order)" in result.stdout
    told = json.loads(call("replay", "ord-1", "orders.py", "--json").stdout)
    (found,) = told["divergences"]
    assert (found["kind"], found["event_id"], found["attempted"]["step"]) == ("INPUT_CHANGED", 2, "reserve#1")


def test_a_fix_is_tried_with_rerun_failed(folder: Path) -> None:
    """What failed is run again with the code on disk."""
    write(folder, BEFORE.replace('raise PermissionError("no")', 'return f"charged {item}"'))
    told = json.loads(call("replay", "ord-1", "orders.py", "--rerun-failed", "--json").stdout)
    assert (told["status"], told["result"], told["ran"]) == ("COMPLETED", "charged a", ["charge#1"])
    assert "ran charge#1, 1 attempt(s)" in call("replay", "ord-1", "orders.py", "--rerun-failed").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("no-such-run", "orders.py"), Exit.NOT_FOUND, "HF601"),
        (("no-such-file.json", "orders.py"), Exit.USAGE, "cannot be read"),
        (("holdfast.db/x.json", "orders.py"), Exit.USAGE, "cannot be read"),
        (("ord-1", "nowhere"), Exit.USAGE, "there is no module"),
        (("ord-1",), Exit.UNAVAILABLE, "no module was named"),
    ],
)
def test_what_cannot_be_replayed_says_why(arguments: tuple[str, ...], code: Exit, words: str) -> None:
    """With the exit code of its kind."""
    result = call("replay", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
