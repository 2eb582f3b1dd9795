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

Where no ring arrives, as behind a pooler, looks are all that a grant is noticed by, and what they cost is taken from
whoever holds the lock. So how fast lines move is measured, and one looks when half of those before us should be gone.
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
PATIENCE: Final = 0.5
"""A look waits for this share of the time for which the line has not moved, or is expected to take."""
NEAR: Final = 1
"""With so many before us, each ring may be about us: two that came together are one."""


class LockLines:
    """The lines at the locks of a store."""

    def __init__(self, store: Store, bus: Bus | None = None) -> None:
        """Work on the locks in `store`; whoever waits hears on `bus` of grants."""
        self._store = store
        self._bus = bus
        self._pace = LOOK_SECONDS_MIN
        """How long the line waited in last took to move by one, in seconds."""

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
        seen = Seen(self._pace)
        try:
            with self._hearing() as grants:
                while not token:
                    asked_at = loop.time()
                    token = await self._ask(operation) or await self._wait(operation, asked_at, grants, seen)
        except BaseException:
            # Also when a write failed: it may be there nevertheless. If this one fails, too, the place runs out.
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._leave(name, holder)
            raise
        self._pace = seen.pace
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

    async def _wait(self, operation: AcquireLease, asked_at: float, grants: Grants, seen: Seen) -> int:
        """Return the token of our place when it holds; 0 when it is time to ask again."""
        loop = asyncio.get_running_loop()
        ask_at = asked_at + operation.lease_seconds / ASKS_PER_LEASE
        while (left := ask_at - loop.time()) > 0:
            hears_all = self._bus is not None and self._bus.reaches
            pause = LOOK_SECONDS_MAX if hears_all else seen.pause(loop.time())
            await grants.wait(seen.ahead - NEAR, min(pause, left))
            place = await self._store.place(operation.name, operation.holder)
            if place is None:
                return 0
            if place.token:
                # What was granted long ago, because this process stood still, may be about to run out.
                return place.token if loop.time() < ask_at else 0
            if place.next_expiry is not None and seen.is_over(place.next_expiry, loop.time()):
                seen.note_time(await self._store.now(), loop.time())
                if seen.is_over(place.next_expiry, loop.time()):
                    return 0
            seen.note_ahead(place.ahead, loop.time())
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


class Seen:
    """What one request has seen of the line that it waits in. Times are the event loop's unless it says otherwise."""

    def __init__(self, pace: float) -> None:
        """Begin to wait in a line that is taken to move by one every `pace` seconds."""
        self.pace = pace
        self.ahead = 0
        """How many stood before us when it was looked at last."""
        self._moved_at: float | None = None
        self._behind: float | None = None
        """By how much the event loop's time is behind the store's; None before that was asked."""

    def pause(self, time: float) -> float:
        """Return for how many seconds to wait before the next look, where no ring tells of a grant."""
        if self._moved_at is None:
            return LOOK_SECONDS_MIN
        likely = max(time - self._moved_at, self.ahead * self.pace)
        return min(max(PATIENCE * likely, LOOK_SECONDS_MIN), LOOK_SECONDS_MAX)

    def note_ahead(self, ahead: int, time: float) -> None:
        """Note how many stand before us."""
        if self._moved_at is not None and ahead < self.ahead:
            self.pace = (time - self._moved_at) / (self.ahead - ahead)
        if self._moved_at is None or ahead != self.ahead:
            self.ahead, self._moved_at = ahead, time

    def note_time(self, now: float, time: float) -> None:
        """Note the store's time, which is `now`."""
        self._behind = now - time

    def is_over(self, expiry: float, time: float) -> bool:
        """Say whether the store's time may be `expiry` by now."""
        return self._behind is None or expiry <= time + self._behind


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
