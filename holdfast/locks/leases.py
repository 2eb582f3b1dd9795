"""Places at locks and semaphores that scripts and tasks hold by a lease.

Owns: waiting in line, by looking and by asking again.
Must not know: who renews a place that is held; workflows, though they stand in the same lines.

Theory of operation
===================

A place in line belongs to a request, named by its holder. It expires unless the request asks again, so that nobody who
died is waited for. Asking is a durable write, so it is done three times per lease. In between our place is only looked
at: once it holds, that is all there is to know, and as soon as anybody in the line has expired the next ask finds out
what it means.

Every grant rings, and everybody hears it. Whoever is next looks each time; with others before us, only when so many
have been granted something that it may nearly be our turn. A ring that was lost costs no more than LOOK_SECONDS_MAX.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from holdfast.errors import HoldfastError, LockLost, StoreError
from holdfast.locks.held import PlaceLease
from holdfast.ports.bus import LOCKS, Bus
from holdfast.ports.operations import AcquireLease, ReleaseLease
from holdfast.ports.store import Store

ASKS_PER_LEASE: Final = 3
"""A place in line survives this many asks minus one going wrong."""
LEAVE_SECONDS: Final = 5.0
"""How long it is tried to leave a line in good order."""
LOOK_SECONDS_MIN: Final = 0.01
LOOK_SECONDS_MAX: Final = 0.25
"""How often our place is looked at: sooner the fewer stand before us, and ever more slowly while nobody moves; at most
so often where every grant is heard."""
NEAR: Final = 1
"""With so many before us, each ring may be about us: two that came together are one."""


class LockLines:
    """The lines at the locks of a store."""

    def __init__(self, store: Store, bus: Bus | None = None) -> None:
        """Work on the locks in `store`; whoever waits hears on `bus` of grants."""
        self._store = store
        self._bus = bus

    async def acquire(self, name: str, slots: int, holder: str, lease_seconds: float) -> PlaceLease:
        """Wait in line until one of `slots` places of `name` is held.

        Args:
            name: the lock.
            slots: how many may hold it at once.
            holder: names this request; no other request may have the same name.
            lease_seconds: how long the place is held until it is renewed.
        """
        operation = AcquireLease(name, slots, holder, lease_seconds)
        loop = asyncio.get_running_loop()
        token = 0
        try:
            with self._hearing() as grants:
                while not token:
                    asked_at = loop.time()
                    token = await self._ask(operation) or await self._wait(operation, asked_at, grants)
        except BaseException:
            # Also when a write failed: it may be there nevertheless. If this one fails, too, the place runs out.
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._leave(name, holder)
            raise
        return PlaceLease(name, token, holder)

    async def release(self, lease: PlaceLease) -> None:
        """Give a place back.

        Raises:
            LockLost: it expired or was broken.
        """
        (answer,) = await self._store.write([ReleaseLease(lease.name, lease.holder)])
        if isinstance(answer, HoldfastError):
            raise LockLost(lease.name, lease.token)  # the store may no longer know which token it was

    async def _ask(self, operation: AcquireLease) -> int:
        (answer,) = await self._store.write([operation])
        if isinstance(answer, HoldfastError):
            raise answer
        token: int = answer
        return token

    async def _leave(self, name: str, holder: str) -> None:
        await self._store.write([ReleaseLease(name, holder)])  # LockLost is as good

    async def _wait(self, operation: AcquireLease, asked_at: float, grants: Grants) -> int:
        """Return the token of our place when it holds; 0 when it is time to ask again."""
        loop = asyncio.get_running_loop()
        ask_at = asked_at + operation.lease_seconds / ASKS_PER_LEASE
        pause, ahead = LOOK_SECONDS_MIN, 0
        while (left := ask_at - loop.time()) > 0:
            hears_all = self._bus is not None and self._bus.reaches
            await grants.wait(ahead - NEAR, min(LOOK_SECONDS_MAX if hears_all else pause, left))
            place = await self._store.place(operation.name, operation.holder)
            if place is None:
                return 0
            if place.token:
                # What was granted long ago, because this process stood still, may be about to run out.
                return place.token if loop.time() < ask_at else 0
            if place.next_expiry is not None and place.next_expiry <= await self._store.now():
                return 0
            before, ahead = ahead, place.ahead
            pause = min(LOOK_SECONDS_MIN * (ahead + 1) if ahead != before else pause * 2, LOOK_SECONDS_MAX)
        return 0

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[Grants]:
        grants = Grants()
        quiet = None if self._bus is None else self._bus.listen(grants.hear)
        try:
            yield grants
        finally:
            if quiet is not None:
                quiet()


class Grants:
    """Rings that tell of grants, since they were last waited for."""

    def __init__(self) -> None:
        self._count = 0
        self._news = asyncio.Event()

    def hear(self, topics: frozenset[str]) -> None:
        """Count a ring."""
        if LOCKS in topics:
            self._count += 1
            self._news.set()

    async def wait(self, count: int, seconds: float) -> None:
        """Wait for so many rings, one at least, but not for longer than `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._count < max(count, 1):
                    self._news.clear()
                    await self._news.wait()
        self._count = 0
