"""Every bus under the bus's conformance suite, on servers of the tests' own.

Owns: how each kind of bus is opened, here and in another process, and how its server is made to fail.
Must not know: any check.

As a program, `python -m tests.conformance.buses KIND PLACE TOPIC...` rings once and ends: another process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.bus import LocalBus, NotifyExchange, RedisExchange, RemoteBus, remote
from holdfast.ports.bus import Bus
from tests.servers.passage import Passage
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

ROOT = Path(__file__).parents[2]
STORE = "a"
PATIENCE_SECONDS = 30.0


def make_bus(kind: str, place: str, store: str = STORE) -> Bus:
    """Return a bus of `kind` that meets others at `place`, for `store`."""
    if kind == "local":
        return LocalBus(Path(place) / store)
    if kind == "redis":
        return RemoteBus(RedisExchange(place, lambda: _identity(store)))

    async def dial() -> Any:
        import asyncpg

        return await asyncpg.connect(place, timeout=4.0)

    return RemoteBus(NotifyExchange(dial, "postgresql://there", store))


async def _identity(store: str) -> str:
    return store


class Harness:
    """A place where buses of one kind meet. Implements `BusHarness`."""

    def __init__(self, kind: str, place: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
        self._kind = kind
        self._place = place
        self._open: list[Bus] = []

    async def open(self, store: str = STORE) -> Bus:
        """Return an open bus."""
        return await self._keep(make_bus(self._kind, self._place, store))

    async def ring_elsewhere(self, topics: Iterable[str]) -> None:
        """Ring in another process."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.conformance.buses", self._kind, self._place, *topics), cwd=ROOT
        )
        assert await process.wait() == 0

    async def close(self) -> None:
        """Close every bus that was opened."""
        for each in self._open:
            await each.close()

    async def _keep(self, bus: Bus) -> Bus:
        await bus.open()
        self._open.append(bus)
        return bus


class FailingHarness(Harness):
    """The same, by way of a server that fails. Implements `ServerHarness`."""

    def __init__(
        self, kind: str, place: str, server: Postgres | Redis, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        super().__init__(kind, place, patience_seconds)
        self._server = server
        # Not the server's own port: `--lose-answers` has put a proxy before it.
        self._port = urlsplit(place).port
        assert self._port is not None, place
        self._passage = Passage(self._port)
        self._frozen = False
        self._dead = False

    async def kill(self) -> None:
        """End the server by force."""
        self._dead = True
        await asyncio.to_thread(self._server.kill9)

    async def start(self) -> None:
        """Start it again."""
        self._dead = False
        await asyncio.to_thread(self._server.start)

    async def freeze(self) -> None:
        """Stop it where it is."""
        self._frozen = True
        self._server.pause()

    async def thaw(self) -> None:
        """Let it go on."""
        self._frozen = False
        self._server.resume()

    async def open_apart(self) -> Bus:
        """Return an open bus behind a passage."""
        await self._passage.open()
        place = self._place.replace(f":{self._port}", f":{self._passage.port}")
        return await self._keep(make_bus(self._kind, place))

    async def cut_apart(self) -> None:
        """Cut the passage."""
        await self._passage.cut()

    async def mend_apart(self) -> None:
        """Open it again."""
        await self._passage.open()

    async def close(self) -> None:
        """Close every bus, and leave the server as it was."""
        await super().close()
        await self._passage.cut()
        if self._frozen:
            await self.thaw()
        if self._dead:
            await self.start()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a bus that goes by way of a server wait for as long as a server on this machine takes."""
    monkeypatch.setattr(remote, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(remote, "OPEN_SECONDS", 1.0)
    monkeypatch.setattr(remote, "BACKOFF_SECONDS_MAX", 0.2)
    monkeypatch.setattr(remote, "SETTLED_SECONDS", 1.0)


async def ring(kind: str, place: str, topics: list[str]) -> None:
    """Ring once."""
    bus = make_bus(kind, place)
    await bus.open()
    bus.ring(topics)
    await bus.close()


if __name__ == "__main__":
    asyncio.run(ring(sys.argv[1], sys.argv[2], sys.argv[3:]))
