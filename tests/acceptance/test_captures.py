"""From a failure in production to the fix in production, with two folders that share nothing but a copied file."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CARD = "4242424242424242"
SHOP = """\
import asyncio
from pathlib import Path

from holdfast import Retry, task, workflow


@task
async def reserve(order: str) -> str:
    with Path("effects.log").open("a", encoding="utf-8") as file:
        file.write(f"reserve {order}\\n")
    return f"reserved {order}"


@task(retry=Retry(attempts=2, initial="10ms"))
async def charge(order: str, card: str) -> str:
    raise ValueError(f"the gateway refused {card} for {order}")


@workflow
async def sell(order: str, card_number: str) -> str:
    place = await reserve(order)
    receipt = await charge(order, card_number)
    return f"{place}, {receipt}"


@workflow
async def remind(order: str) -> str:
    await asyncio.sleep(86_400)
    return await reserve(order)
"""
FIXED = SHOP.replace('    raise ValueError(f"the gateway refused {card} for {order}")', '    return f"charged {order}"')
BROKEN = FIXED.replace(
    "    await asyncio.sleep(86_400)\n", "    await reserve('first')\n    await asyncio.sleep(86_400)\n"
)


def holdfast(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command line in a folder as a process of its own; return what it printed."""
    return run(folder, "-m", "holdfast", *arguments, code=code)


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run Python in a folder."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=clean()
    )
    assert done.returncode == code, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def clean() -> dict[str, str]:
    """Return an environment in which nothing is set that a developer's shell may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "PYTEST_"))}


def order(name: str) -> str:
    """Return the input of a sale."""
    return json.dumps({"order": name, "card_number": CARD})


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Have production run while the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "dev", "shop", "--port", "0", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean(),
    )
    try:
        assert process.stdout is not None
        assert "url" in process.stdout.readline()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture
def production(tmp_path: Path) -> Path:
    """Make the folder that production runs in."""
    folder = tmp_path / "production"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    return folder


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """Make the folder of a developer, with the same code."""
    folder = tmp_path / "staging"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    return folder


def test_from_a_failure_to_its_fix(production: Path, staging: Path) -> None:
    """Capture, pull, red test, fix, green test, deploy check, deploy, fork: each a command in its own process."""
    store = f"sqlite:///{production}/holdfast.db"
    with serving(production):
        holdfast(
            production,
            "start",
            "sell",
            json.dumps({"order": "o-1", "card_number": CARD}),
            "--id",
            "o-1",
            "--wait",
            code=1,
        )
        holdfast(production, "start", "remind", '"o-2"', "--id", "o-2")

        # What is pulled has no card in it, and there is nothing else in the folder of staging than that.
        (listed,) = wait_for_captures(production)
        assert (listed["run_id"], listed["reason"]) == ("o-1", "failed")
        holdfast(staging, "capture", "pull", "o-1", "--store", store)
        (pulled,) = (staging / "tests" / "histories").iterdir()
        assert CARD not in pulled.read_text("utf-8")
        assert not (staging / "holdfast.db").exists()

        # A red test, in a folder that has no store.
        holdfast(staging, "capture", "gen-test", "o-1")
        (test,) = (staging / "tests").glob("test_*.py")
        red = run(staging, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test), code=1)
        assert "test_o_1_is_fixed" in red
        assert "1 failed, 1 passed" in red

        # A deploy that would break an open run is refused, with the line; production notices nothing of being asked.
        (staging / "shop.py").write_text(BROKEN, encoding="utf-8")
        refused = json.loads(holdfast(staging, "deploy-check", "shop", "--store", store, "--json", code=1))
        (bad,) = (each for each in refused["items"] if each["breaks"])
        assert (bad["run_id"], bad["workflow"], bad["verdict"]) == ("o-2", "remind", "DIVERGED")
        assert re.search(r"shop\.py:\d+", bad["where"])

        # The fix: a green test that repeats nothing that was done, and a deploy check that lets it through.
        (staging / "shop.py").write_text(FIXED, encoding="utf-8")
        green = run(staging, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test))
        assert "2 passed" in green
        assert not (staging / "effects.log").exists()
        allowed = json.loads(holdfast(staging, "deploy-check", "shop", "--store", store, "--json"))
        assert {(each["kind"], each["run_id"], each["verdict"]) for each in allowed["items"]} == {
            ("run", "o-2", "IDENTICAL"),
            ("capture", "o-1", "IDENTICAL"),
        }
    assert (production / "effects.log").read_text("utf-8") == "reserve o-1\n"

    # The deploy.
    shutil.copyfile(staging / "shop.py", production / "shop.py")
    with serving(production):
        sold = holdfast(production, "start", "sell", order("o-3"), "--id", "o-3", "--wait")
        assert "charged o-3" in sold
        assert json.loads(holdfast(production, "runs", "show", "o-2", "--json"))["status"] == "RUNNING"

        # The run that failed is made good: what it had done is not done again.
        holdfast(production, "runs", "fork", "o-1", "--at", "charge#1", "--id", "o-1-again")
        for _ in range(60):
            forked = json.loads(holdfast(production, "runs", "show", "o-1-again", "--json"))
            if forked["status"] != "RUNNING":
                break
        assert (forked["status"], forked["result"]) == ("COMPLETED", "reserved o-1, charged o-1")
    assert (production / "effects.log").read_text("utf-8") == "reserve o-1\nreserve o-3\n"


def wait_for_captures(folder: Path) -> list[dict[str, str]]:
    """Return the captures of a folder, as the command line lists them, once there are some."""
    for _ in range(60):
        items: list[dict[str, str]] = json.loads(holdfast(folder, "capture", "list", "--json"))["items"]
        if items:
            return items
    raise AssertionError("there is no capture")


# --- The verbs, one by one ---------------------------------------------------------------------------------------


@pytest.fixture
def failed(production: Path) -> Path:
    """Have a run fail in production, and stop it."""
    (production / "once.py").write_text(
        "import contextlib, shop\nfrom holdfast import Holdfast, RunFailedError\n"
        "with Holdfast(modules=['shop']) as app, contextlib.suppress(RunFailedError):\n"
        f"    app.start(shop.sell, 'o-1', '{CARD}', id='o-1').result()\n",
        encoding="utf-8",
    )
    run(production, "once.py")
    return production


def test_show_says_what_happened(failed: Path) -> None:
    """For a person and for a program; a run id will do; what is not there ends with its own exit code."""
    shown = json.loads(holdfast(failed, "capture", "show", "o-1", "--json"))
    assert (shown["run_id"], shown["reason"], shown["code"]) == ("o-1", "failed", "shop:sell")
    assert "the gateway refused 1000000000000001 for o-1" in holdfast(failed, "capture", "show", "o-1")
    holdfast(failed, "capture", "show", "o-9", code=3)


def test_pull_makes_a_capture_of_any_run(failed: Path, staging: Path) -> None:
    """A run without a capture gets one where it is wanted; production's store and folder stay as they are."""
    shutil.rmtree(failed / "captures")
    store = f"sqlite:///{failed}/holdfast.db"
    (row,) = json.loads(holdfast(staging, "capture", "pull", "o-1", "--to", "here", "--store", store, "--json"))[
        "items"
    ]
    assert row["made now"] is True
    assert CARD not in (staging / row["file"]).read_text("utf-8")
    assert not (failed / "captures").exists()
    holdfast(staging, "capture", "pull", "o-9", "--store", store, code=3)
    # Its code is not known where nobody runs it, so a test is told where it is.
    holdfast(staging, "capture", "gen-test", row["file"], code=2)
    holdfast(staging, "capture", "gen-test", row["file"], "--workflow", "shop:sell", "--out", "test_it.py")
    assert '/ "here/sell.o-1.6.json"' in (staging / "test_it.py").read_text("utf-8")
    assert "1 failed, 1 passed" in run(staging, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py", code=1)


def test_prune(failed: Path) -> None:
    """By number and by age; without either, nothing."""
    holdfast(failed, "capture", "prune", code=5)
    holdfast(failed, "capture", "prune", "--older-than", "soon", code=2)
    assert "nothing" in holdfast(failed, "capture", "prune", "--older-than", "1d", "--keep", "5")
    assert "sell.o-1.6.json" in holdfast(failed, "capture", "prune", "--keep", "0")
    assert "nothing" in holdfast(failed, "capture", "list")


def test_deploy_check_finds_what_is_gone(failed: Path) -> None:
    """An open run whose workflow the modules do not have stands in the way; a capture of one does not."""
    holdfast(failed, "start", "forgotten", "1", "--id", "f-1")
    (failed / "empty.py").write_text("", encoding="utf-8")
    found = json.loads(holdfast(failed, "deploy-check", "empty", "--json", code=1))
    assert {(each["run_id"], each["verdict"], each["breaks"]) for each in found["items"]} == {
        ("f-1", "UNKNOWN_WORKFLOW", True),
        ("o-1", "UNKNOWN_WORKFLOW", False),
    }
    table = holdfast(failed, "deploy-check", "empty", code=1)
    assert re.search(r"f-1 +forgotten +UNKNOWN_WORKFLOW +the modules have no workflow of this name", table)
    holdfast(failed, "deploy-check", "shop", "--workflow", "sell")


def test_generated_tests_are_well_formed(failed: Path) -> None:
    """A generated test is written the way the project's own are: nothing to lint, nothing to format."""
    holdfast(failed, "capture", "gen-test", "o-1")
    (test,) = (failed / "tests").glob("test_*.py")
    ruff = Path(sys.executable).parent / "ruff"
    options = ["--isolated", "--line-length", "120", "--no-cache"]
    subprocess.run([ruff, "format", "--check", *options, test], check=True, capture_output=True)
    subprocess.run(
        [ruff, "check", "--select", "E,F,I,UP,D1", "--ignore", "S101", *options, test], cwd=failed, check=True
    )
