"""What is done to a fleet while it works.

Owns: the draw of when, what and for how long.
Must not know: what the fleet does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.chaos.fleet import Member
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

DATABASE_SECONDS: Final = (5.0, 40.0)
"""Between two stops of the database."""
DATABASE_DOWN_SECONDS: Final = (0.0, 2.0)
BUS_SECONDS: Final = (5.0, 30.0)
BUS_DOWN_SECONDS: Final = (0.0, 2.0)
WORKER_SECONDS: Final = (2.0, 8.0)
ORCHESTRATOR_SECONDS: Final = (20.0, 60.0)
FROZEN_LEASES: Final = 1.5
"""How long a process is frozen: long enough that its work goes to others."""


class Storms:
    """Everything at once, drawn from a seed."""

    def __init__(self, seed: int, lease_seconds: float) -> None:
        self._seed = seed
        self._lease_seconds = lease_seconds
        self.tally: Counter[str] = Counter()
        """What was done, how often."""
        self._tasks: list[asyncio.Task[None]] = []

    def begin(
        self, database: Postgres, bus: Redis | None, orchestrators: Sequence[Member], workers: Sequence[Member]
    ) -> None:
        """Begin them all."""
        storms = [self._stop_database(database), self._hit(orchestrators, ORCHESTRATOR_SECONDS, "orchestrator")]
        storms.append(self._hit(workers, WORKER_SECONDS, "worker"))
        if bus is not None:
            storms.append(self._kill_bus(bus))
        self._tasks = [asyncio.create_task(each) for each in storms]

    async def end(self) -> None:
        """End them all; whatever is stopped goes on."""
        for each in self._tasks:
            each.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in results:
            if isinstance(each, Exception):
                raise each

    async def _stop_database(self, database: Postgres) -> None:
        draw = Random(f"database {self._seed}")
        while True:
            await asyncio.sleep(draw.uniform(*DATABASE_SECONDS))
            how, stop = draw.choice((("stopped", database.stop), ("killed", database.kill9)))
            down = draw.uniform(*DATABASE_DOWN_SECONDS)
            await _whole(stop, down, database.start)
            self.tally[f"database {how}"] += 1

    async def _kill_bus(self, bus: Redis) -> None:
        draw = Random(f"bus {self._seed}")
        while True:
            await asyncio.sleep(draw.uniform(*BUS_SECONDS))
            await _whole(bus.kill9, draw.uniform(*BUS_DOWN_SECONDS), bus.start)
            self.tally["bus killed"] += 1

    async def _hit(self, members: Sequence[Member], between: tuple[float, float], what: str) -> None:
        draw = Random(f"{what} {self._seed}")
        while True:
            await asyncio.sleep(draw.uniform(*between))
            victim = draw.choice(members)
            if draw.random() < 0.5:
                victim.kill()
                self.tally[f"{what} killed"] += 1
                continue
            victim.freeze()
            try:
                await asyncio.sleep(self._lease_seconds * FROZEN_LEASES)
            finally:
                victim.thaw()
            self.tally[f"{what} frozen"] += 1


async def _whole(stop: object, down: float, start: object) -> None:
    """Stop, wait, start - to the end, also when everything is over in the middle of it."""

    async def act() -> None:
        await asyncio.to_thread(stop)  # type: ignore[arg-type]  # a server's own method
        await asyncio.sleep(down)
        await asyncio.to_thread(start)  # type: ignore[arg-type]

    acting = asyncio.create_task(act())
    try:
        await asyncio.shield(acting)
    except asyncio.CancelledError:
        await acting
        raise
