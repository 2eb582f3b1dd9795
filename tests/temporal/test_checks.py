"""Code on disk against runs that a cluster keeps: `holdfast replay RUN` and `holdfast deploy-check`."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import RunFailedError
from holdfast.replay import load_history
from tests.servers.temporal import Temporal
from tests.temporal.runs import Basket, failing
from tests.temporal.test_runs import serving

ROOT = Path(__file__).parents[2]
MODULE = "tests/temporal/runs.py"


def holdfast(server: Temporal, folder: Path, *words: str) -> tuple[int, Any]:
    """Return how a verb of the command line ends on the server, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words, "--store", f"sqlite:///{folder / 'store.db'}", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HOLDFAST_ENGINE": server.url},
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_open_runs_of_a_cluster_are_checked_before_a_deploy(temporal_server: Temporal, tmp_path: Path) -> None:
    """One that the code on disk would break is found, by name and kind; one run is replayed by its id."""
    changed = tmp_path / "changed.py"
    source = (ROOT / MODULE).read_text(encoding="utf-8")
    changed.write_text(source.replace("self.articles.append(await fetch(article))", "self.articles.append(article)"))

    async def begin() -> None:
        async with serving(temporal_server, tmp_path) as app:
            handle = await app.client.start(Basket, id="checked")
            assert await handle.update(Basket.add, "ink") == 1

    asyncio.run(begin())
    gc.collect()  # nothing else closes a connection of the SDK's
    code, replayed = holdfast(temporal_server, tmp_path, "replay", "checked", MODULE)
    assert (code, replayed["verdict"]) == (0, "IDENTICAL")
    code, fits = holdfast(temporal_server, tmp_path, "deploy-check", MODULE, "--workflow", "Basket")
    assert (code, fits["breaking"]) == (0, 0)
    assert fits["runs"] >= 1
    code, breaks = holdfast(temporal_server, tmp_path, "deploy-check", str(changed), "--workflow", "Basket")
    found = next(each for each in breaks["items"] if each["run_id"] == "checked")
    assert (code, found["verdict"]) == (1, "DIVERGED")


def test_a_failed_run_of_a_cluster_becomes_a_capture(temporal_server: Temporal, tmp_path: Path) -> None:
    """`capture pull` fetches it, and `replay` comes to the end that it had there."""

    async def begin() -> None:
        async with serving(temporal_server, tmp_path) as app:
            handle = await app.client.start(failing, "captured", id="captured")
            with pytest.raises(RunFailedError):
                await handle.result()

    asyncio.run(begin())
    gc.collect()  # nothing else closes a connection of the SDK's
    code, pulled = holdfast(temporal_server, tmp_path, "capture", "pull", "captured", "--to", str(tmp_path))
    assert code == 0
    (capture,) = pulled["items"]
    assert load_history(capture["file"]).capture.reason == "failed"  # type: ignore[union-attr]
    code, replayed = holdfast(temporal_server, tmp_path, "replay", capture["file"], MODULE)
    assert (code, replayed["verdict"], replayed["status"]) == (0, "IDENTICAL", "FAILED")
