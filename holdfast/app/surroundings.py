"""What a stack takes from the machine it runs on: time, chance, a file, a place for attempts, a process beside it.

Owns: the machine's own ones.
Must not know: what they are used for.

A test hands in others, on virtual time for example, and everything else stays the real thing.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from typing import Protocol

from holdfast.app.encryption import make_store
from holdfast.app.opening import beat_arguments
from holdfast.app.outbound import CHILD
from holdfast.app.settings import Settings
from holdfast.authoring import Registry
from holdfast.observe import Meters
from holdfast.ports.bus import Bus
from holdfast.ports.clock import Clock
from holdfast.ports.operations import Membership
from holdfast.ports.store import Store
from holdfast.ports.task import TaskRunner
from holdfast.stores import BEAT, SystemClock


class Renewer(Protocol):
    """Keeps a member's lease renewed."""

    async def open(self) -> None:
        """Begin."""

    async def close(self) -> None:
        """Renew no more."""


class Runner(TaskRunner, Protocol):
    """Runs attempts until it is closed."""

    async def close(self) -> None:
        """Stop everything that runs."""


class Surroundings(Protocol):
    """Where a stack gets what is not its own."""

    @property
    def clock(self) -> Clock:
        """Where times come from."""

    def jitter(self) -> float:
        """Return a number in [0, 1), for waits that must not be all alike."""

    def draw_seed(self) -> int:
        """Return the seed of a run: an integer below 2**63."""

    def make_store(self, settings: Settings, bus: Bus, meters: Meters, doubted: Callable[[Membership], None]) -> Store:
        """Return the store that the settings name, not open yet; its writes are group commits, counted in `meters`.

        `doubted` is called when nobody knows any more what a member owns.
        """

    def make_runner(self, registry: Registry, worn: Callable[[], None]) -> Runner:
        """Return what runs attempts; `worn` is called once when it holds abandoned work."""

    def make_renewer(self, settings: Settings, membership: Membership, fenced: Callable[[], None]) -> Renewer:
        """Return what renews the lease of `membership`; `fenced` is called once when it is lost."""


class Machine:
    """The machine itself. Implements `Surroundings`."""

    def __init__(self) -> None:
        """Begin with the present."""
        self.clock = SystemClock()

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        return random.random()  # noqa: S311 - jitter needs no secrecy

    def draw_seed(self) -> int:
        """Return an integer below 2**63."""
        return secrets.randbits(63)

    def make_store(self, settings: Settings, bus: Bus, meters: Meters, doubted: Callable[[Membership], None]) -> Store:
        """Return the store that the settings name."""
        return make_store(settings, self.clock, bus, meters, doubted)

    def make_runner(self, registry: Registry, worn: Callable[[], None]) -> Runner:
        """Return a runner on the event loop that is running now."""
        from holdfast.worker import LocalRunner  # here, so that a client does not load a worker

        return LocalRunner(registry, self.clock, worn=worn, prelude=CHILD)

    def make_renewer(self, settings: Settings, membership: Membership, fenced: Callable[[], None]) -> Renewer:
        """Return a process beside this one."""
        from holdfast.worker import Sidecar  # as above

        return Sidecar(
            BEAT,
            {
                **beat_arguments(settings),
                "member": membership.member,
                "epoch": membership.epoch,
                "lease_seconds": settings.lease_seconds,
            },
            lease_seconds=settings.lease_seconds,
            fenced=fenced,
        )
