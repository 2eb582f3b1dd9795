"""Places at locks and semaphores that scripts and tasks hold by a lease.

Owns: waiting in line by asking again.
Must not know: who renews a place that is held; workflows, though they stand in the same lines.

Theory of operation
===================

A place in line belongs to a request, named by its holder. It expires unless the request asks again, so that nobody who
died is waited for. Asking is a durable write, so it is done three times per lease. In between the line is only read,
often: as soon as anything in it changes that may matter - the place holds, is gone, or one before it has expired - the
next ask finds out what it means.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from holdfast.errors import HoldfastError, LockLost, StoreError
from holdfast.locks.held import PlaceLease
from holdfast.ports.bus import LOCKS, Bus
from holdfast.ports.operations import AcquireLease, LockRecord, ReleaseLease
from holdfast.ports.store import Store

ASKS_PER_LEASE: Final = 3
"""A place in line survives this many asks minus one going wrong."""
LEAVE_SECONDS: Final = 5.0
"""How long it is tried to leave a line in good order."""
LOOK_SECONDS_MIN: Final = 0.01
LOOK_SECONDS_MAX: Final = 0.25
"""How often the line is read: sooner the fewer stand before us, and ever more slowly while nobody moves."""


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
        try:
            while not (token := await self._ask(operation)):
                await self._wait_changed(operation)
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

    async def _wait_changed(self, operation: AcquireLease) -> None:
        loop = asyncio.get_running_loop()
        ask_at = loop.time() + operation.lease_seconds / ASKS_PER_LEASE
        pause = LOOK_SECONDS_MIN
        place = 1
        while (left := ask_at - loop.time()) > 0:
            await self._pause(min(pause, left))
            now = await self._store.now()
            line = [each for each in await self._store.locks() if each.name == operation.name]
            if _has_changed(line, operation.holder, now):
                return
            before, place = place, [each.holder for each in line].index(operation.holder)
            pause = LOOK_SECONDS_MIN * place if place != before else pause * 2
            pause = min(pause, LOOK_SECONDS_MAX)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until somebody is granted some lock."""
        rung = asyncio.Event()
        quiet = None if self._bus is None else self._bus.listen(lambda topics: rung.set() if LOCKS in topics else None)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await rung.wait()
        finally:
            if quiet is not None:
                quiet()


def _has_changed(line: list[LockRecord], holder: str, now: float) -> bool:
    ours = next((each for each in line if each.holder == holder), None)
    if ours is None or ours.held:
        return True
    return any(each.expires_at is not None and each.expires_at <= now for each in line)
