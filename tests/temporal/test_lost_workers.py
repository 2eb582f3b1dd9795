"""A worker on Temporal that is frozen or killed, and a server that is killed: the work moves, and is done."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast import Client
from tests.servers.temporal import Temporal

ROOT = Path(__file__).parents[2]
REFUSED = "this process was taken for dead: what its attempt came to is refused"

Process = asyncio.subprocess.Process


class Fleet:
    """Processes of the command line on one cluster and one store."""

    def __init__(self, server: Temporal, folder: Path) -> None:
        """Begin with none."""
        self.server = server
        self.folder = folder
        self.store = f"sqlite:///{folder / 'store.db'}"
        self._processes: list[Process] = []
        self._pipes = {name: _pipe(folder / name) for name in ("begun-1", "begun-2", "leave-1", "leave-2")}

    async def start(self, role: str) -> Process:
        """Start a process; return once it serves.

        A worker has one slot: with a free one it would go on asking for tasks while it is frozen, in a call that the
        server still holds open, and the server would give it the next attempt, too.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast", role, "tests/temporal/served.py", "--store", self.store, "--json"),
            *(("--pool", "default=1") if role == "worker" else ()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={
                **os.environ,
                "HOLDFAST_ENGINE": self.server.url,
                "HOLDFAST_LEASE_SECONDS": "2",
                "HOLDFAST_LOG_FORMAT": "json",
            },
        )
        self._processes.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline(), f"the {role} did not start"
        return process

    async def begun(self, attempt: int) -> int:
        """Wait until an attempt has begun; return in which process."""
        loop, pipe = asyncio.get_running_loop(), self._pipes[f"begun-{attempt}"]
        there = asyncio.Event()
        loop.add_reader(pipe, there.set)
        await there.wait()
        loop.remove_reader(pipe)
        return int(os.read(pipe, 100))

    def let_go(self, attempt: int) -> None:
        """Let an attempt end."""
        os.write(self._pipes[f"leave-{attempt}"], b"\n")

    async def close(self) -> None:
        """End all that are left."""
        for each in self._pipes.values():
            os.close(each)
        for each in self._processes:
            if each.returncode is None:
                each.send_signal(signal.SIGCONT)
                each.terminate()
            await each.communicate()


def _pipe(path: Path) -> int:
    """Make a pipe with a name that is open at both ends, so that nobody waits who opens it too."""
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


@asynccontextmanager
async def _fleet(server: Temporal, folder: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(server, folder)
    try:
        yield fleet
    finally:
        await fleet.close()


def _with_fleet(server: Temporal, folder: Path, body: Callable[[Fleet, Client], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with (
            asyncio.timeout(90),
            _fleet(server, folder) as fleet,
            await Client.connect(fleet.store, engine=server.url) as client,
        ):
            await body(fleet, client)

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


async def _said(process: Process, event: str) -> dict[str, Any]:
    """Wait for a line of a process's log; return it."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if event.encode() in line:
            said: dict[str, Any] = json.loads(line)
            return said
    raise AssertionError(f"it never said: {event}")


def test_a_frozen_worker_loses_its_task_and_what_it_brings_late_is_refused(
    temporal_server: Temporal, tmp_path: Path
) -> None:
    """Another worker does it; the one that thaws says that its outcome was refused, and goes on working."""

    async def body(fleet: Fleet, client: Client) -> None:
        await fleet.start("orchestrator")
        frozen = await fleet.start("worker")
        handle = await client.start("holding", str(tmp_path), id="frozen")
        assert await fleet.begun(1) == frozen.pid
        frozen.send_signal(signal.SIGSTOP)
        second = await fleet.start("worker")
        assert await fleet.begun(2) == second.pid
        fleet.let_go(1)  # the frozen one finds it when it thaws, before anything else
        fleet.let_go(2)
        assert await handle.result(60) == "attempt 2"
        frozen.send_signal(signal.SIGCONT)
        said = await _said(frozen, REFUSED)
        assert (said["run_id"], said["step"], said["attempt"]) == ("frozen", "hold#1", 1)
        second.terminate()
        await second.communicate()
        assert await (await client.start("served", "ink", id="after-frozen")).result(60) == "INK"
        assert (await handle.describe()).status == "COMPLETED"
        assert await handle.result() == "attempt 2"

    _with_fleet(temporal_server, tmp_path, body)


def test_a_killed_worker_loses_its_task_to_another_one(temporal_server: Temporal, tmp_path: Path) -> None:
    """By the heartbeat time-out."""

    async def body(fleet: Fleet, client: Client) -> None:
        await fleet.start("orchestrator")
        killed = await fleet.start("worker")
        handle = await client.start("holding", str(tmp_path), id="killed-worker")
        assert await fleet.begun(1) == killed.pid
        killed.kill()
        await killed.communicate()
        second = await fleet.start("worker")
        assert await fleet.begun(2) == second.pid
        fleet.let_go(2)
        assert await handle.result(60) == "attempt 2"

    _with_fleet(temporal_server, tmp_path, body)


def test_a_run_of_a_frozen_orchestrator_goes_on_with_another_one(temporal_server: Temporal, tmp_path: Path) -> None:
    """And the one that thaws works on."""

    async def body(fleet: Fleet, client: Client) -> None:
        frozen = await fleet.start("orchestrator")
        await fleet.start("worker")
        handle = await client.start("holding", str(tmp_path), id="frozen-orchestrator")
        await fleet.begun(1)
        frozen.send_signal(signal.SIGSTOP)
        second = await fleet.start("orchestrator")
        fleet.let_go(1)
        assert await handle.result(60) == "attempt 1"
        frozen.send_signal(signal.SIGCONT)
        second.terminate()
        await second.communicate()
        assert await (await client.start("served", "ink", id="after-orchestrator")).result(60) == "INK"

    _with_fleet(temporal_server, tmp_path, body)


def test_a_task_that_is_done_while_the_server_is_dead_is_not_done_again(
    temporal_server: Temporal, tmp_path: Path
) -> None:
    """Its worker tells of it as soon as there is a server again, and the run ends with that."""

    async def body(fleet: Fleet, client: Client) -> None:
        await fleet.start("orchestrator")
        worker = await fleet.start("worker")
        handle = await client.start("holding", str(tmp_path), id="server-killed")
        assert await fleet.begun(1) == worker.pid
        await asyncio.to_thread(temporal_server.kill9)
        fleet.let_go(1)
        await asyncio.to_thread(temporal_server.start)
        assert await handle.result(60) == "attempt 1"

    _with_fleet(temporal_server, tmp_path, body)
