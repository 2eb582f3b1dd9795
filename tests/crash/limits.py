"""Limits under fire: workers that are killed, and receivers that count.

Owns: the tasks, the receivers, whoever kills, and what has to be true of what arrived.
Must not know: how a limit works.

    python -m tests.crash.limits [--workers 16] [--seconds 60] [--kill-every 100] [--store postgres]

Tasks of one kind may start 100 times a second: each sends one datagram, and the kernel notes when it arrived. Tasks of
the other kind may be five at a time: each keeps a connection open for as long as it runs. Workers are killed while they
have one. What must hold: no more than 100 datagrams within any second; never more than five connections; never more
places held than there are, and none free while somebody waits. A place of a worker that was killed comes back with its
lease, which is short here: one in every hundred who has a place is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast import Client, Holdfast, Rate, task, workflow
from holdfast.ports.store import Store
from holdfast.worker.tether import tethered
from tests.crash.own_stores import KINDS, SQLITE, own_store

AMOUNT: Final = 100
PLACES: Final = 5
HOLD_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.05
WORKER_SLOTS: Final = 8
LEASE_SECONDS: Final = 4.0
"""Short, so that places come back soon; not so short that a busy machine takes the living for dead."""
KILL_EVERY: Final = 100
PART: Final = 200
"""So many tasks are one run's: they come into the queue in one transaction."""
IDLE_LOOKS_MAX: Final = 20
"""A free place may be seen for so many looks while somebody waits: between two reads of the store things go on."""
ENVIRONMENT: Final = "LIMITS_RECEIVERS"
SO_TIMESTAMPNS: Final = 35
"""Linux: say with each datagram when it arrived, by the kernel's clock."""


# --- What workers do ----------------------------------------------------------------------------------------------


@task(rate=Rate("datagrams", AMOUNT, per="1s"))
async def send(number: int) -> int:
    """Send one datagram."""
    port = int(os.environ[ENVIRONMENT].split(":")[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"%d" % number, ("127.0.0.1", port))
    return number


@task(concurrency=PLACES)
async def stay(number: int) -> int:
    """Keep a connection open for a while."""
    port = int(os.environ[ENVIRONMENT].split(":")[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"%d\n" % os.getpid())
        await reader.readline()
        await asyncio.sleep(HOLD_SECONDS)
    finally:
        writer.close()
        await writer.wait_closed()
    return number


@workflow
async def send_all(count: int) -> int:
    """Send so many."""
    return len(await asyncio.gather(*(send(number) for number in range(count))))


@workflow
async def stay_all(count: int) -> int:
    """Stay so often."""
    return len(await asyncio.gather(*(stay(number) for number in range(count))))


# --- What receivers see -------------------------------------------------------------------------------------------


@dataclass
class Receivers:
    """Who gets the datagrams and the connections, and kills some of those who connect."""

    draw: random.Random
    kill_every: int
    """One connection of so many is its worker's last; 0 is none."""
    arrived: list[float] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    connections: int = 0
    kills_max: int = 1_000_000
    killed: int = 0

    def take(self, receiver: socket.socket) -> None:
        """Note when datagrams arrived, by the kernel's clock."""
        with contextlib.suppress(BlockingIOError):
            while True:
                _, about, _, _ = receiver.recvmsg(64, 64)
                ((_, _, stamp),) = about
                seconds, nanoseconds = struct.unpack("qq", stamp[:16])
                self.arrived.append(seconds + nanoseconds / 1e9)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count a connection until it ends."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.connections += 1
        with contextlib.suppress(ConnectionError, ValueError):
            pid = int(await reader.readline())
            if self.kill_every and self.killed < self.kills_max and self.draw.randrange(self.kill_every) == 0:
                self.killed += 1
                os.kill(pid, signal.SIGKILL)
            writer.write(b"\n")
            await reader.read()
        self.open -= 1
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen; give the ports."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            receiver.setblocking(False)
            receiver.bind(("127.0.0.1", 0))
            loop = asyncio.get_running_loop()
            loop.add_reader(receiver, self.take, receiver)
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            try:
                yield f"{receiver.getsockname()[1]}:{server.sockets[0].getsockname()[1]}"
            finally:
                loop.remove_reader(receiver)
                server.close()


def most_within(times: list[float], seconds: float) -> int:
    """Return how many of `times` lie in the fullest window of so many seconds."""
    ordered = sorted(times)
    first = most = 0
    for last, time_ in enumerate(ordered):
        while time_ - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


# --- The campaign -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What came of it."""

    problems: tuple[str, ...]
    sent: int
    most_in_a_second: int
    per_second: float
    stays: int
    most_at_once: int
    killed: int
    seconds: float


def _parts(count: int) -> list[tuple[int, int]]:
    """Return where each part of so many begins, and how large it is."""
    return [(first, min(PART, count - first)) for first in range(0, count, PART)]


@dataclass
class Watch:
    """Looks at the places again and again."""

    problems: list[str] = field(default_factory=list)
    idle: int = 0

    async def run(self, store: Store) -> None:
        """Look until cancelled."""
        while True:
            for limit in await store.limits():
                if limit.kind == "concurrency":
                    self.judge(len(limit.holders), limit.waiting)
            await asyncio.sleep(LOOK_SECONDS)

    def judge(self, held: int, waiting: int) -> None:
        """Note what must not be."""
        if held > PLACES:
            self.problems.append(f"{held} of {PLACES} places were held")
        self.idle = self.idle + 1 if waiting and held < PLACES else 0
        if self.idle > IDLE_LOOKS_MAX:
            self.problems.append(f"{PLACES - held} places were free while {waiting} waited")


async def campaign(
    folder: Path,
    *,
    store: str = "",
    workers: int = 16,
    sends: int = 6_000,
    stays: int = 4_000,
    kill_every: int = KILL_EVERY,
    kills_max: int = 1_000_000,
    lease_seconds: float = LEASE_SECONDS,
) -> Report:
    """Let workers send and stay while some of them are killed; judge what arrived."""
    store = store or f"sqlite:///{folder / 'store.db'}"
    receivers, watch = Receivers(random.Random(1), kill_every, kills_max=kills_max), Watch()
    worker = ["-m", "holdfast", "worker", __name__, "--pool", f"default={WORKER_SLOTS}"]
    command = tethered([sys.executable, *worker])
    async with (
        receivers.listening() as ports,
        Holdfast(modules=[__name__], store=store, roles=("orchestrator",), lease_seconds=lease_seconds) as app,
        await Client.connect(store) as looker,
    ):
        environment = {**os.environ, ENVIRONMENT: ports, "HOLDFAST_LEASE_SECONDS": str(lease_seconds)}
        environment["HOLDFAST_STORE"] = store

        async def seat() -> None:
            while True:
                child = await asyncio.create_subprocess_exec(
                    *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=quiet
                )
                try:
                    await child.wait()
                finally:
                    if child.returncode is None:
                        child.terminate()
                        await child.wait()

        with (folder / "workers.log").open("wb") as quiet:
            seats = [asyncio.create_task(seat()) for _ in range(workers)]
            watching = asyncio.create_task(watch.run(looker.store))
            began = time.monotonic()
            try:
                runs = [
                    *[await app.client.start(send_all, size, id=f"sends-{at}") for at, size in _parts(sends)],
                    *[await app.client.start(stay_all, size, id=f"stays-{at}") for at, size in _parts(stays)],
                ]
                done = sum([await run.result() for run in runs])
            finally:
                for each in (*seats, watching):
                    each.cancel()
                await asyncio.gather(*seats, watching, return_exceptions=True)
        left = [limit for limit in await looker.store.limits() if limit.holders or limit.waiting]
    problems = watch.problems
    most = most_within(receivers.arrived, 1.0)
    if most > AMOUNT:
        problems.append(f"{most} datagrams arrived within a second")
    if receivers.most_open > PLACES:
        problems.append(f"{receivers.most_open} were there at once")
    if done != sends + stays or len(receivers.arrived) < sends:
        problems.append(f"{done} were done")
    if left:
        problems.append(f"in the end somebody holds or waits: {left}")
    span = max(receivers.arrived) - min(receivers.arrived)
    return Report(
        problems=tuple(dict.fromkeys(problems)),
        sent=len(receivers.arrived),
        most_in_a_second=most,
        per_second=round(len(receivers.arrived) / max(span, 1e-9), 1),
        stays=receivers.connections,
        most_at_once=receivers.most_open,
        killed=receivers.killed,
        seconds=round(time.monotonic() - began, 1),
    )


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.limits")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--kill-every", type=int, default=KILL_EVERY, help="one connection of so many is its worker's last"
    )
    parser.add_argument("--store", choices=KINDS, default=SQLITE, help="a store of its own")
    given = parser.parse_args()
    sends = given.seconds * AMOUNT
    stays = int(given.seconds * PLACES / HOLD_SECONDS / 2)
    with tempfile.TemporaryDirectory() as folder, own_store(given.store) as store:
        report = asyncio.run(
            campaign(
                Path(folder),
                store=store,
                workers=given.workers,
                sends=sends,
                stays=stays,
                kill_every=given.kill_every,
            )
        )
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    # Workers import the module by name; it must be the same one here.
    from tests.crash import limits

    sys.exit(limits.main())
