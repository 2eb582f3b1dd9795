"""Bookings against three services on their worst day, by stacks that are killed: each exactly once, or undone.

Owns: starting and killing the stacks, settling drifts as a person would, and counting.
Must not know: what is booked how; that is `examples/booking`.

    python -m tests.crash.bookings --runs 2000 --kills 10 --seed 1 [--limit 25] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from examples.booking import services
from holdfast import Client
from holdfast.ports.operations import COMPLETED, FAILED, DriftChange, SettleDrift
from holdfast.testing.fake_api import FakeApi

STACKS = 2
PAGE = 500
STUCK_SECONDS = 90.0
"""How long nothing may end, before what is left counts as stuck."""
LEASE_SECONDS = 3.0
LATE_MIN, LATE_SHARE = 3, 0.1
"""So many more than the limit may arrive within a second: turns are spaced, and a busy machine is late with some."""
LOOK_SECONDS = 0.5
"""The services are in this process: whoever looks all the time keeps them from answering."""
MODULE = "examples.booking.automations"
STATEMENTS = (sys.executable, "-m", "holdfast")


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    runs: int = 0
    booked: int = 0
    undone: int = 0
    kills: int = 0
    drifts: int = 0
    changes: int = 0
    """In how many ways answers of prices changed, and runs were parked for it."""
    parked: int = 0
    """Runs that stood under a report for a while."""
    requests: int = 0
    refused: int = 0
    """Requests that came when the limit was reached."""
    refused_later: int = 0
    """Those of them that came when the fleet knew of it."""
    busiest: int = 0
    """Requests in the busiest second, since those under way at the first refusal were through."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Campaign:
    """Three services, one store, and stacks that are killed."""

    def __init__(self, folder: Path, seed: int, limit: int) -> None:
        """Keep files in `folder`; the services take `limit` requests a second."""
        self._folder = folder
        self._random = Random(seed)
        self._limit = limit
        self._orders = str(folder / "orders.db")
        self._store = f"sqlite:///{folder / 'store.db'}"
        self._stacks: list[asyncio.subprocess.Process] = []
        self._api = FakeApi()
        self._batches: list[range] = []
        """Journeys that are not booked yet: prices change in the middle of each batch."""
        self._changes: list[tuple[DriftChange, ...]] = []

    async def run(self, runs: int, kills: int, bad_days: int, dead_ends: int, drifts: int) -> Tally:
        """Book so many journeys; return what came of it."""
        tally = Tally(runs=runs)
        began = time.monotonic()
        services.prepare(self._orders)
        with self._api as api:
            services.open_services(api)
            services.misbehave(api, self._random, bad_days, dead_ends, drifts)
            services.limit(api, self._limit)
            await self._verb("migrate", "--outcomes", f"sqlite:///{self._orders}")
            try:
                async with await Client.connect(self._store) as client:
                    for _ in range(STACKS):
                        await self._start_stack()
                    size = -(-runs // len(services.OVERNIGHT))
                    self._batches = [range(first, min(first + size, runs)) for first in range(0, runs, size)]
                    await self._book_more(client)
                    await self._watch(client, tally, kills)
                    completed, failed = await self._ended(client)
            finally:
                await self._end_stacks()
            tally.booked, tally.undone = len(completed), len(failed)
            tally.problems += services.judge(api, self._orders, completed, failed)
            tally.changes = len(self._changes)
            self._count_requests(tally)
        tally.seconds = time.monotonic() - began
        return tally

    async def _book_more(self, client: Client) -> None:
        """Book the next batch; in the middle of it prices change in the next way."""
        batch = self._batches.pop(0)
        services.change(self._api, len(services.OVERNIGHT) - len(self._batches) - 1, after=len(batch) // 2)
        for number in batch:
            reference = f"j-{number}"
            await client.start("book_journey", {"reference": reference, "city": services.CITY}, id=reference)

    async def _watch(self, client: Client, tally: Tally, kills: int) -> None:
        """Kill stacks and settle drifts until all has ended."""
        moved, changed_at, killed_at = -1, time.monotonic(), time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for each in await client.store.drifts():
                if each.settled_at is None and each.parked:
                    tally.drifts += 1
                    tally.parked += each.parked
                    if services.PRICES in each.endpoint and each.changes not in self._changes:
                        self._changes.append(each.changes)  # somebody has called the provider, who has mended it
                        services.mend(self._api)
                        if self._batches:
                            await self._book_more(client)
                if each.parked:
                    await client.store.write([SettleDrift(each.drift, "campaign", 100)])
            through = sum(map(len, await self._ended(client)))
            if through == tally.runs:
                return
            now, before, moved = time.monotonic(), moved, len(self._api.effects()) + through
            if moved != before:
                changed_at = now
            elif now - changed_at > STUCK_SECONDS:
                tally.problems.append(f"nothing happened for {STUCK_SECONDS:.0f} s")
                return
            if tally.kills < kills and now - killed_at > self._random.uniform(1.0, 3.0):
                killed_at = now
                tally.kills += 1
                victim = self._stacks.pop(self._random.randrange(len(self._stacks)))
                victim.send_signal(signal.SIGKILL)
                await victim.wait()
                await self._start_stack()

    async def _ended(self, client: Client) -> tuple[Sequence[str], Sequence[str]]:
        """Return which journeys were booked, and which were not."""
        found: list[list[str]] = []
        for status in (COMPLETED, FAILED):
            names: list[str] = []
            cursor: str | None = None
            while True:
                records, cursor = await client.store.runs(status=status, cursor=cursor, limit=PAGE)
                names += [each.run_id for each in records]
                if cursor is None:
                    break
            found.append(names)
        return found[0], found[1]

    def _count_requests(self, tally: Tally) -> None:
        requests = self._api.requests()
        tally.requests = len(requests)
        refused = [each.at for each in requests if not each.let_in]
        tally.refused = len(refused)
        if not refused:
            return  # whoever wants to see the limit kept looks whether it was reached: a slow machine asks too little
        # What was under way when the first one was refused was refused as well; from then on the fleet knows.
        since = max(each for each in refused if each - refused[0] < 1.0)
        tally.refused_later = sum(each > since for each in refused)
        tally.busiest = self._api.busiest(1.0, since=since)
        if tally.busiest > self._limit + max(LATE_MIN, self._limit * LATE_SHARE):
            tally.problems.append(f"{tally.busiest} requests came within a second, and {self._limit} are taken")

    # --- Processes ---------------------------------------------------------------------------------------------------

    async def _start_stack(self) -> None:
        command = (*STATEMENTS, "dev", MODULE, "--port", "0", "--store", self._store)
        with (self._folder / "errors.txt").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environment(), stdout=asyncio.subprocess.DEVNULL, stderr=errors
            )
        self._stacks.append(process)

    async def _end_stacks(self) -> None:
        for each in self._stacks:
            with suppress(ProcessLookupError):
                each.send_signal(signal.SIGKILL)
        for each in self._stacks:
            await each.wait()

    async def _verb(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *STATEMENTS, *arguments, env=self._environment(), stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0, arguments

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "BOOKING_SERVICES": self._api.url,
            "BOOKING_ORDERS": self._orders,
            "HOLDFAST_LEASE_SECONDS": str(LEASE_SECONDS),
            "HOLDFAST_CAPTURE_FAILURES": "false",
        }


def main() -> None:
    """Run a campaign, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=25)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bookings-"))
    campaign = Campaign(folder, given.seed, given.limit)
    tally = asyncio.run(
        campaign.run(given.runs, given.kills, given.runs // 2, max(3, given.runs // 20), max(4, given.runs // 200))
    )
    if not tally.refused:
        tally.problems.append("the limit was never reached: nothing is shown")
    sys.stdout.write(json.dumps({name: getattr(tally, name) for name in tally.__slots__}, indent=1) + "\n")
    sys.exit(1 if tally.problems else 0)


if __name__ == "__main__":
    main()
