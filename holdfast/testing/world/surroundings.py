"""What a stack takes from a world instead of the machine. Implements `holdfast.app.surroundings.Surroundings`.

Owns: one stack's store and runner on virtual time, and chance from a seed.
Must not know: what a test does.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, cast

from holdfast.app import Settings, open_at
from holdfast.authoring import DeterminismGuard, Registry
from holdfast.errors import DivergenceError
from holdfast.observe import Meters
from holdfast.ports.bus import Bus
from holdfast.ports.operations import Beat, Membership
from holdfast.ports.program import Program
from holdfast.ports.store import Store
from holdfast.stores import GroupCommit
from holdfast.testing.world.loop import VirtualClock
from holdfast.testing.world.stand_ins import Cast, CastRunner
from holdfast.testing.world.store import ReplayingStore, SeveredStore

LEASE_SECONDS: Final = 1_000 * 365.25 * 86_400.0
"""How long a member of a world keeps its lease: nobody renews it, and no jump is to end it."""


class WorldSurroundings:
    """The surroundings of one stack: each crash makes new ones, with the same clock, chance and cast."""

    def __init__(
        self,
        clock: VirtualClock,
        chance: Random,
        cast: Cast,
        die: Callable[[], None],
        divergences: list[DivergenceError],
        *,
        replays: bool,
    ) -> None:
        """Surround a stack.

        Args:
            clock: the world's time.
            chance: where all random numbers come from.
            cast: what the test said about tasks.
            die: called when the stack is to crash.
            divergences: where a replay puts what it finds.
            replays: replay each history after each page.
        """
        self.clock = clock
        self._chance = chance
        self._cast = cast
        self._die = die
        self._divergences = divergences
        self._replays = replays
        self._severed: SeveredStore | None = None
        self._runner: CastRunner | None = None

    @property
    def is_outside(self) -> bool:
        """Whether attempts are under way in threads or child processes."""
        return self._runner is not None and self._runner.is_outside

    def sever(self) -> None:
        """Let nothing be written any more."""
        if self._severed is not None:
            self._severed.sever()

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        return self._chance.random()

    def draw_seed(self) -> int:
        """Return an integer below 2**63."""
        return self._chance.getrandbits(63)

    def make_store(self, settings: Settings, bus: Bus, meters: Meters, doubted: Callable[[Membership], None]) -> Store:
        """Return a store that can be severed."""
        store = open_at(settings.address(), clock=self.clock, bus=bus, synchronous=settings.synchronous)
        if self._replays:
            programs = cast("Callable[[str], Program]", self._cast.registry.workflow)
            store = cast("Store", ReplayingStore(store, programs, DeterminismGuard(), self._divergences))
        self._severed = SeveredStore(store)
        return cast("Store", GroupCommit(cast("Store", self._severed), meters, doubted))

    def make_runner(self, registry: Registry, worn: Callable[[], None]) -> CastRunner:
        """Return a runner that knows the cast."""
        self._runner = CastRunner(self._cast, registry, self.clock, worn, self._die)
        return self._runner

    def make_renewer(
        self,
        settings: Settings,  # noqa: ARG002 - a thousand years do for every setting
        membership: Membership,
        fenced: Callable[[], None],  # noqa: ARG002 - nobody takes such a lease away
    ) -> LongLease:
        """Return what takes the lease for as long as any test lasts."""
        assert self._severed is not None, "the store is made first"
        return LongLease(cast("Store", self._severed), membership)


class LongLease:
    """Renews a lease once, for a thousand years. Implements `holdfast.app.surroundings.Renewer`."""

    def __init__(self, store: Store, membership: Membership) -> None:
        """Renew in `store`."""
        self._store = store
        self._membership = membership

    async def open(self) -> None:
        """Renew."""
        await self._store.write([Beat(self._membership, LEASE_SECONDS, "alive")])

    async def close(self) -> None:
        """Do nothing."""
