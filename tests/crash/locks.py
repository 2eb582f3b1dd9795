"""Locks under fire: clients are stopped, cut off and killed while they hold one, and a register must not notice it.

Owns: the clients, the register, whoever stops, cuts and kills, and what has to be true of what the clients saw.
Must not know: how a lock works.

    python -m tests.crash.locks [--clients 10] [--operations 20000] [--seed 1] [--store pgbouncer] [--fencing off]

The lock is in a store of the campaign's own: a file (`sqlite`), a server (`postgres`), or a server behind a pooler in
transaction mode (`pgbouncer`).

Each client takes the lock, reads the register, writes a value nobody else writes, and gives the lock back. The register
refuses tokens lower than the highest it has seen. Whoever stops and kills does so where it hurts: between a client's
read and its write, or between its write and the answer. A stopped client goes on when its lease is over and others have
had the lock: it is a zombie then, and writes. So is one whose connections to a server, and those of the process that
renews its lease, were all cut, and which was kept waiting for as long.

Read and write together are one swap, and all swaps have to be linearizable. With fencing off they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from holdfast import HoldfastError, lock
from holdfast.worker.tether import tethered
from tests.crash.linearizability import NEVER, Swap, Verdict, check
from tests.crash.own_stores import KINDS, SQLITE, own_store
from tests.servers.passage import Passage

LOCK: Final = "register"
LEASE_SECONDS: Final = 1.0
STOPPED_LEASES: Final = 2.0
"""For so many leases a client is stopped: its own is over, and others have had the lock."""
GIVE_UP_SECONDS: Final = 60.0
"""Nothing happens for so long only when something is wrong."""
VALUES_PER_LIFE: Final = 1_000_000
CUT_EVERY: Final = 800
"""Where there are connections to cut: one read or write of so many."""
AWAY_MAX: Final = 3
"""So many clients are stopped or cut off at a time, at most: the others have to go on."""


# --- The register -------------------------------------------------------------------------------------------------


@dataclass
class Register:
    """What the lock protects, and whoever stops and kills those who use it."""

    operations: int
    fencing: bool
    draw: random.Random
    stop_every: int
    """One read of so many stops its client before it writes; 0 is none."""
    cut_every: int
    """One read of so many cuts its client off before it writes; 0 is none."""
    kill_every: int
    """One read or write of so many kills its client; 0 is none."""
    stopped_seconds: float
    unstopped: int = 0
    """Reads and writes since the last client was stopped; and since the last one was cut off."""
    uncut: int = 0
    value: int = 0
    token: int = 0
    written: int = 0
    refused: int = 0
    stopped: int = 0
    cut: int = 0
    killed: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    sleepers: set[int] = field(default_factory=set)
    ways: dict[int, Passage] = field(default_factory=dict)
    """Client to its way to the server."""
    cut_off: set[int] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client: `pid read token`, `pid write token value`."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                pid, verb, token, *value = line.decode().split()
                answer = self.answer(int(pid), verb, int(token), *map(int, value))
                if int(pid) in self.cut_off:
                    await self.keep_away(int(pid))
                writer.write(answer.encode() + b"\n")
                await writer.drain()
        writer.close()

    def answer(self, pid: int, verb: str, token: int, value: int = 0) -> str:
        """Do what a client asks, and perhaps something to the client."""
        if verb == "read" and self.written >= self.operations:
            return "enough"
        if self.fencing and token < self.token:
            self.refused += 1
            return "refused"
        self.token = max(token, self.token)
        self.moved_at = time.monotonic()
        self.unstopped += 1
        self.uncut += 1
        may_leave = verb == "read" and len(self.sleepers) + len(self.cut_off) < AWAY_MAX
        if self.kill_every and self.draw.randrange(self.kill_every) == 0:
            self.kill(pid)
        elif may_leave and self.stop_every and self.unstopped >= self.stop_every:
            self.unstopped = 0
            self.stop(pid)
        elif may_leave and self.cut_every and self.uncut >= self.cut_every:
            self.uncut = 0
            self.cut += 1
            self.cut_off.add(pid)
        if verb == "read":
            return str(self.value)
        self.value = value
        self.written += 1
        return "written"

    def stop(self, pid: int) -> None:
        """Stop a client for a while."""
        self.stopped += 1
        self.sleepers.add(pid)
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(self.stopped_seconds, self.wake, pid)

    def wake(self, pid: int) -> None:
        """Let a stopped client go on."""
        if pid in self.sleepers:
            self.sleepers.discard(pid)
            os.kill(pid, signal.SIGCONT)

    async def keep_away(self, pid: int) -> None:
        """Cut a client off from the store for a while, and let it wait for us as long."""
        way = self.ways[pid]
        try:
            await way.cut()
            await asyncio.sleep(self.stopped_seconds)
            await way.open()
        finally:
            self.cut_off.discard(pid)

    def kill(self, pid: int) -> None:
        """Kill a client."""
        self.killed += 1
        os.kill(pid, signal.SIGKILL)


# --- A client -----------------------------------------------------------------------------------------------------


def client(address: str, first: int, log: Path) -> None:
    """Swap until it is enough; note each swap as it is called, as it has read, and as it is answered."""
    register = socket.socket(socket.AF_UNIX)
    register.connect(address)
    answers = register.makefile("r")

    def ask(words: str) -> str:
        register.sendall(f"{os.getpid()} {words}\n".encode())
        return answers.readline().strip()

    with log.open("a", buffering=1) as notes:
        for value in range(first, first + VALUES_PER_LIFE):
            notes.write(f"{time.monotonic()!r} called {value}\n")
            try:
                with lock(LOCK) as held:
                    found = ask(f"read {held.token}")
                    if found == "enough":
                        return
                    if found == "refused":
                        continue
                    notes.write(f"{time.monotonic()!r} read {found}\n")
                    answer = ask(f"write {held.token} {value}")
                    notes.write(f"{time.monotonic()!r} {answer}\n")
            except HoldfastError:
                pass  # the lock was lost, or the store was busy: what was answered stands


def read_notes(log: Path) -> list[Swap]:
    """Return the swaps that a client may have made. One that read and heard no more may have written, or not."""
    swaps: list[Swap] = []
    called, new, old = 0.0, 0, -1
    for line in log.read_text().splitlines():
        words = line.split()
        if len(words) < 2:
            continue  # it was killed in the middle of a word
        time_, what, *rest = words
        match what:
            case "called" if rest:
                if old >= 0:
                    swaps.append(Swap(called, NEVER, old, new))
                called, new, old = float(time_), int(rest[0]), -1
            case "read" if rest:
                old = int(rest[0])
            case "written":
                swaps.append(Swap(called, float(time_), old, new))
                old = -1
            case "refused":
                old = -1
            case _:
                pass
    if old >= 0:
        swaps.append(Swap(called, NEVER, old, new))
    return swaps


# --- The campaign -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What came of it."""

    verdict: Verdict
    swaps: int
    unknown: int
    refused: int
    stopped: int
    cut: int
    killed: int
    seconds: float
    per_second: float


async def campaign(
    folder: Path,
    *,
    store: str = "",
    clients: int = 10,
    operations: int = 20_000,
    seed: int = 1,
    fencing: bool = True,
    stop_every: int = 800,
    cut_every: int = 0,
    kill_every: int = 400,
    lease_seconds: float = LEASE_SECONDS,
) -> Report:
    """Let clients swap until it is enough, stopping, cutting off and killing some; judge what they saw."""
    began = time.monotonic()
    seconds = STOPPED_LEASES * lease_seconds
    register = Register(operations, fencing, random.Random(seed), stop_every, cut_every, kill_every, seconds)
    address = str(folder / "register")
    server = await asyncio.start_unix_server(register.serve, address)
    environment = {
        **os.environ,
        "HOLDFAST_STORE": store or f"sqlite:///{folder / 'store.db'}",
        "HOLDFAST_LEASE_SECONDS": str(lease_seconds),
    }
    logs: list[Path] = []

    async def life() -> int | None:
        logs.append(folder / f"client-{len(logs)}.log")
        first = len(logs) * VALUES_PER_LIFE
        arguments = ("client", address, str(first), str(logs[-1]))
        async with _way_to(store if cut_every else "") as (way, dsn):
            place = {"HOLDFAST_STORE": dsn} if way is not None else {}
            child = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-m", "tests.crash.locks", *arguments]), env=environment | place
            )
            if way is not None:
                register.ways[child.pid] = way
            try:
                return await child.wait()
            finally:
                register.sleepers.discard(child.pid)
                if child.returncode is None:
                    child.kill()
                    await child.wait()

    async def seat() -> None:
        while await life() == -signal.SIGKILL:
            pass

    async def watch() -> None:
        while (left := register.moved_at + GIVE_UP_SECONDS - time.monotonic()) > 0:  # noqa: ASYNC110 - no event: silence
            await asyncio.sleep(left)
        raise TimeoutError(f"nothing was swapped for {GIVE_UP_SECONDS:g} s, after {register.written} swaps")

    watching = asyncio.create_task(watch())
    seats = asyncio.gather(*(seat() for _ in range(clients)))
    try:
        await asyncio.wait([watching, seats], return_when=asyncio.FIRST_COMPLETED)
        if not seats.done():
            await watching
    finally:
        watching.cancel()
        seats.cancel()
        await asyncio.gather(watching, seats, return_exceptions=True)
        server.close()
    swaps = [swap for log in logs for swap in read_notes(log)]
    return Report(
        verdict=check(swaps),
        swaps=register.written,
        unknown=sum(swap.answered == NEVER for swap in swaps),
        refused=register.refused,
        stopped=register.stopped,
        cut=register.cut,
        killed=register.killed,
        seconds=round(time.monotonic() - began, 1),
        per_second=round(register.written / (time.monotonic() - began), 1),
    )


@contextlib.asynccontextmanager
async def _way_to(store: str) -> AsyncIterator[tuple[Passage | None, str]]:
    """Give a way to the server at `store` that can be cut, and the address by it; None where there is no server."""
    if not store:
        yield None, store
        return
    there = urlsplit(store)
    assert there.port is not None
    way = Passage(there.port)
    await way.open()
    try:
        yield way, there._replace(netloc=there.netloc.replace(f":{there.port}", f":{way.port}")).geturl()
    finally:
        await way.cut()


def main() -> int:
    """Run a campaign, or be one of its clients."""
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.crash.locks")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=KINDS, default=SQLITE, help="where the lock is")
    parser.add_argument("--fencing", choices=("on", "off"), default="on")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_store(given.store) as store:
        report = asyncio.run(
            campaign(
                Path(folder),
                store=store,
                cut_every=CUT_EVERY if store else 0,
                clients=given.clients,
                operations=given.operations,
                seed=given.seed,
                fencing=given.fencing == "on",
            )
        )
    print(report)
    return 0 if report.verdict.linearizable is (given.fencing == "on") else 1


if __name__ == "__main__":
    sys.exit(main())
