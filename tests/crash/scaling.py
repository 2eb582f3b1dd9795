"""Workers that are added and removed while they work: each one counts, and nothing is lost with those that go.

Owns: large fan-outs, their workers, and how many items are done a second with how many of them.
Must not know: how items are given out.

    python -m tests.crash.scaling [--workers 1,2,4,2,1] [--seconds 10] [--store postgres]

Each item waits 50 ms and says so with a datagram. Workers are started, and told to end as a deploy does (SIGTERM),
until there are as many as the plan says; then items are counted for some seconds. What must hold: the result has every
item, none was done again because a worker was removed in good order, and more workers do more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast import Holdfast, map_tasks, task, workflow
from holdfast import signal as message
from tests.chaos.fleet import Member
from tests.crash.own_stores import KINDS, POSTGRES, own_store

ITEM_SECONDS: Final = 0.05
SLOTS: Final = 8
PORT_VARIABLE: Final = "SCALING_RECEIVER"
SHELF: Final = 2_000
"""So many items are one fan-out."""
PLAN: Final = (1, 2, 4, 2, 1)
NOTES_BYTES: Final = 64


@task(pool="documents", timeout="60s")
async def read(number: int) -> int:
    """Wait as for a slow disk, and say so."""
    await asyncio.sleep(ITEM_SECONDS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"%d %d" % (os.getpid(), number), ("127.0.0.1", int(os.environ[PORT_VARIABLE])))
    return 2 * number


@workflow
class ReadOn:
    """Read one shelf of documents after the other, until it is enough."""

    def __init__(self) -> None:
        self.is_enough = False

    async def run(self, shelf: int) -> tuple[int, int]:
        """Return how many were read, and the sum."""
        count = total = 0
        while not self.is_enough:
            total += sum(await map_tasks(read, list(range(count, count + shelf))))
            count += shelf
        return count, total

    @message
    def enough(self) -> None:
        """Stop with this shelf."""
        self.is_enough = True


@dataclass
class Receiver:
    """Counts what was done, and by how many."""

    done: Counter[int] = field(default_factory=Counter)
    workers: set[int] = field(default_factory=set)
    """Process ids heard of since they were last forgotten."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, receiver: socket.socket) -> None:
        """Note one datagram."""
        pid, number = map(int, receiver.recv(NOTES_BYTES).split())
        self.done[number] += 1
        self.workers.add(pid)
        self.news.set()

    async def hear_of(self, count: int) -> None:
        """Wait until so many workers, and no more, have done something since now."""
        self.workers.clear()
        while len(self.workers) < count:
            self.news.clear()
            await self.news.wait()


@dataclass(frozen=True)
class Report:
    """What came of it."""

    items: int
    right: bool
    """Whether the result is the sum of all."""
    repeated: int
    """Items that were done more than once."""
    per_second: tuple[tuple[int, float], ...]
    """Workers, and items a second with so many, in the order of the plan."""

    @property
    def problems(self) -> list[str]:
        """What must not be."""
        found = [] if self.right else ["the result is wrong"]
        found += [f"{self.repeated} items were done again"] * bool(self.repeated)
        rates = sorted(self.per_second)
        return found + ["more workers did not do more"] * (rates[-1][1] <= rates[0][1])


async def campaign(
    folder: Path, store: str, *, plan: tuple[int, ...] = PLAN, seconds: float = 10.0, shelf: int = SHELF
) -> Report:
    """Change the number of workers as planned, in the middle of fan-outs; count."""
    receiver = Receiver()
    rates: list[tuple[int, float]] = []
    async with AsyncExitStack() as block:
        listener = block.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, receiver.take, listener)
        block.callback(loop.remove_reader, listener)
        environment = {"HOLDFAST_STORE": store, PORT_VARIABLE: str(listener.getsockname()[1])}
        members: list[Member] = []
        block.callback(lambda: [each.end() for each in members])
        app = await block.enter_async_context(
            Holdfast(modules=["tests.crash.scaling"], store=store, roles=("orchestrator",))
        )
        run = await app.client.start(ReadOn, shelf, id="all")
        for wanted in plan:
            while len(members) < wanted:
                arguments = ["worker", "tests.crash.scaling", "--pool", f"documents={SLOTS}"]
                members.append(Member(f"w{len(members)}", arguments, environment, folder))
            while len(members) > wanted:
                await asyncio.to_thread(members.pop().end)
            await receiver.hear_of(wanted)
            before, began = receiver.done.total(), loop.time()
            await asyncio.sleep(seconds)
            rates.append((wanted, round((receiver.done.total() - before) / (loop.time() - began), 1)))
        await run.signal(ReadOn.enough)
        items, total = await run.result()
        right = total == 2 * sum(range(items))
    return Report(items, right, sum(count > 1 for count in receiver.done.values()), tuple(rates))


def main() -> int:
    """Hold a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.scaling")
    parser.add_argument("--workers", default=",".join(map(str, PLAN)), help="how many there are, one after the other")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long for each of these")
    parser.add_argument("--store", choices=KINDS, default=POSTGRES, help="a store of its own")
    given = parser.parse_args()
    plan = tuple(map(int, given.workers.split(",")))
    with tempfile.TemporaryDirectory() as folder, own_store(given.store) as store:
        place = store or f"sqlite:///{folder}/store.db"
        report = asyncio.run(campaign(Path(folder), place, plan=plan, seconds=given.seconds))
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
