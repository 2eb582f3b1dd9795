"""Thousands of runs on a fleet whose database, bus and processes are stopped, frozen and killed.

Owns: feeding the fleet, waiting for it, and the account of what came of it.
Must not know: how a storm is drawn.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from holdfast import Client
from holdfast.errors import RunClosedError, StoreError
from holdfast.ports.operations import COMPLETED, RunFilter
from holdfast.stores import migrate
from tests.chaos.automations import FOLDER_VARIABLE, PARTS, PLANT_VARIABLE, POOL, Order, part, receiver_at, result
from tests.chaos.fleet import Member
from tests.chaos.storms import Storms
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

MODULE: Final = "tests.chaos.automations"
LEASE_SECONDS: Final = 4.0
BATCH: Final = 50
"""How many runs are started, and signals sent, at a time."""
STUCK_SECONDS: Final = 60.0
"""How long nothing may end, before what is left counts as stuck."""


@dataclass(slots=True)
class Account:
    """What a campaign came to."""

    runs: int = 0
    signals: int = 0
    storms: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    requests: int = 0
    """What the receiver was asked for."""
    repeated: int = 0
    """Requests for keys that had been asked for before; none of them had an effect."""
    refused: int = 0
    """Late writes that the store refused."""
    ended_by_themselves: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Campaign:
    """One campaign, drawn from a seed."""

    def __init__(self, seed: int, *, runs: int, minutes: float, with_redis: bool = True, plant: str = "") -> None:
        self._seed = seed
        self._runs = runs
        self._minutes = minutes
        self._with_redis = with_redis
        self._plant = plant
        self.account = Account()

    async def run(self, folder: Path) -> Account:
        """Run it; output and effects go to `folder`."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            database = stack.enter_context(Postgres({"max_connections": "200"}))
            bus = stack.enter_context(Redis()) if self._with_redis else None
            dsn = database.create_database()
            await migrate(dsn)
            environment = {
                "HOLDFAST_STORE": dsn,
                "HOLDFAST_BUS": bus.url if bus is not None else "auto",
                "HOLDFAST_LEASE_SECONDS": str(LEASE_SECONDS),
                "HOLDFAST_LOG_FORMAT": "json",
                FOLDER_VARIABLE: str(folder / "receiver"),
                PLANT_VARIABLE: self._plant,
            }
            members: list[Member] = []
            stack.callback(lambda: [each.end() for each in members])
            members += [Member(f"o{number}", ["orchestrator", MODULE], environment, folder) for number in range(2)]
            serve = ["worker", MODULE, "--pool", f"{POOL}=16", "--pool", "default=8"]
            members += [Member(f"w{number}", serve, environment, folder) for number in range(4)]
            client = await stack.enter_async_context(await Client.connect(dsn))
            storms = Storms(self._seed, LEASE_SECONDS)
            storms.begin(database, bus, members[:2], members[2:])
            watching = asyncio.create_task(self._watch(members))
            try:
                await self._feed(client, began + 60 * self._minutes * 0.8)
                await asyncio.sleep(max(0.0, began + 60 * self._minutes - time.monotonic()))
            finally:
                await storms.end()
                self.account.storms = storms.tally
            await self._let_all_end(client)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._check(client, folder)
        self.account.seconds = time.monotonic() - began
        return self.account

    # --- While it goes on --------------------------------------------------------------------------------------------

    async def _feed(self, client: Client, until: float) -> None:
        """Start all runs and send all signals, evenly until then; whatever fails is done again under the same name."""
        draw = Random(f"feed {self._seed}")
        numbers = list(range(self._runs))
        late: list[tuple[int, int]] = []
        for first in range(0, self._runs, BATCH):
            batch = numbers[first : first + BATCH]
            inputs = [(f"order-{number}", number) for number in batch]
            await self._insist(lambda inputs=inputs: client.start_many(Order, inputs))
            self.account.runs += len(batch)
            late += [(number, place) for number in batch for place in range(PARTS)]
            draw.shuffle(late)
            now, late = late[: PARTS * BATCH], late[PARTS * BATCH :]
            await asyncio.gather(*(self._signal(client, *each) for each in now))
            left = (self._runs - first) // BATCH
            await asyncio.sleep(max(0.0, (until - time.monotonic()) / max(left, 1)))
        await asyncio.gather(*(self._signal(client, *each) for each in late))

    async def _signal(self, client: Client, number: int, place: int) -> None:
        handle = client.handle(f"order-{number}", Order)
        name = f"{number}/{place}"

        async def send() -> None:
            # One that has closed has had this signal: the answer to an earlier try was lost.
            with suppress(RunClosedError):
                await handle.signal(Order.deliver, part(number, place), operation_id=name)

        await self._insist(send)
        self.account.signals += 1

    async def _insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await act()
            except StoreError:
                await asyncio.sleep(0.1)
            else:
                return

    async def _watch(self, members: list[Member]) -> None:
        """Start again what ended by itself, as a supervisor does, and count it."""
        while True:
            await asyncio.sleep(0.5)
            for each in members:
                if each.revive():
                    self.account.ended_by_themselves[each.name] += 1

    async def _let_all_end(self, client: Client) -> None:
        open_before, since = -1, time.monotonic()
        while time.monotonic() - since < STUCK_SECONDS:
            left = self._runs - (await client.store.totals()).runs.get(COMPLETED, 0)
            if not left:
                return
            if left != open_before:
                open_before, since = left, time.monotonic()
            await asyncio.sleep(0.5)
        found, _ = await client.store.runs(where=RunFilter(statuses=("RUNNING", "PARKED", "FAILED")), limit=5)
        words = ", ".join(f"{each.run_id} {each.status} {each.parked}".strip() for each in found)
        self.account.problems.append(f"{open_before} runs did not complete: {words}")

    # --- In the end ---------------------------------------------------------------------------------------------------

    async def _check(self, client: Client, folder: Path) -> None:
        account = self.account
        for number in range(self._runs):
            record = await client.store.run(f"order-{number}")
            if record is None or record.status != COMPLETED:
                continue  # told above
            found = await client.handle(record.run_id, Order).result()
            if found != result(number):
                account.problems.append(f"{record.run_id} came to {found}, not {result(number)}")
        receiver = receiver_at(folder / "receiver")
        requests, applied = receiver.requests(), receiver.applied()
        account.requests = len(requests)
        account.repeated = len(requests) - len({each.key for each in requests})
        wanted = {f"order-{number}/book#1": str(number) for number in range(self._runs)}
        if applied != wanted:
            missing, more = wanted.keys() - applied.keys(), applied.keys() - wanted.keys()
            account.problems.append(f"effects: {len(missing)} missing, {len(more)} too many, or with other contents")
        account.refused = (await client.store.totals()).refused_writes
        pools = await client.store.pools()
        account.problems += [f"pool {each.pool} is left with {each.backlog} tasks" for each in pools if each.backlog]


async def hold_campaign(seed: int, *, runs: int, minutes: float, with_redis: bool = True, plant: str = "") -> Account:
    """Run a campaign in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-") as folder:
        return await Campaign(seed, runs=runs, minutes=minutes, with_redis=with_redis, plant=plant).run(Path(folder))
