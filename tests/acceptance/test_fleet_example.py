"""The fleet of `examples/fleet/up` works as its words say."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Client
from holdfast.errors import StoreError
from tests.servers.redis import Redis
from tests.unit.worker.rig import on_loop, wait_for

UP = Path(__file__).resolve().parents[2] / "examples" / "fleet" / "up"
END_SECONDS = 60.0


@pytest.fixture
def fleet(postgres_dsn: str, redis_server: Redis, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the fleet, without a controller; it is ended in good order."""
    environment = {**os.environ, "HOLDFAST_STORE": postgres_dsn, "HOLDFAST_BUS": redis_server.url}
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(UP), "controller=0", "orchestrator=1", "worker=2"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(END_SECONDS) == 0, (tmp_path / "output").read_text()


@pytest.mark.usefixtures("fleet")
@on_loop
async def test_the_example_fleet_counts_words(postgres_dsn: str) -> None:
    """A run that is started from outside is done by its processes: `up` makes the schema, and starts them."""

    async def connected() -> Client | None:
        with contextlib.suppress(StoreError):
            return await Client.connect(postgres_dsn)
        return None

    async with await wait_for(connected, END_SECONDS) as client:
        handle = await client.start("count_all", 100, id="count")
        assert await handle.result() == 400
