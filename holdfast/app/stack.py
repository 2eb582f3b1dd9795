"""All parts of one process, wired.

Owns: the store, the bus and the engine of a process; its memberships, one after the other.
Must not know: what a member does.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from holdfast.app.address import ServerAddress
from holdfast.app.default_store import serve
from holdfast.app.encryption import check_keys
from holdfast.app.engine_address import TemporalAddress, engine_address
from holdfast.app.following import Following
from holdfast.app.outbound import serve_stack
from holdfast.app.ringing import bus_of
from holdfast.app.settings import Settings
from holdfast.app.surroundings import Machine, Surroundings
from holdfast.authoring import Registry
from holdfast.client import EmbeddedEngine
from holdfast.errors import StoreError
from holdfast.observe import Meters, logger, warn_of
from holdfast.ports.callbacks import KEY_BYTES, KEY_NAME, Callbacks
from holdfast.ports.engine import Cluster, Engine, LocalOrchestrator
from holdfast.ports.operations import KeepSecret, Membership
from holdfast.stores import SystemClock

if TYPE_CHECKING:
    from holdfast.app.member import Member
    from holdfast.app.on_temporal import TemporalMember
    from holdfast.controller.gatherings import Gatherer
    from holdfast.controller.schedules import KeptSchedules, Scheduler, ScheduleService
    from holdfast.controller.webhooks import Leftovers
    from holdfast.ports.program import Versioned
    from holdfast.transactions import Mover

log = logger("holdfast.app")

CONTROLLER: Final = "controller"
WORKING_ROLES: Final = ("orchestrator", "worker")
"""What a member of the fleet can do."""
ROLES: Final = (CONTROLLER, *WORKING_ROLES)
"""What a process can do. A controller sees to schedules and takes in work from outside; without roles, a client."""


REJOIN_SECONDS: Final = 1.0
"""How long to wait before trying again to become a member."""


def process_name() -> str:
    """Return what this process is called among the members."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Stack:
    """One process: a client, and if it has roles, a member."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        roles: Iterable[str] = ROLES,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Wire the parts; `open` starts them.

        Args:
            settings: see Settings.
            registry: the workflows and tasks this process knows.
            roles: some of ROLES.
            surroundings: where time, chance and the like come from; the machine when None.
        """
        self.settings = settings
        self.registry = registry
        self.roles = frozenset(roles)
        self._working = self.roles - {CONTROLLER}
        self.surroundings = surroundings if surroundings is not None else Machine()
        self.clock = self.surroundings.clock
        self.bus = bus_of(settings, lambda: self.store)
        self.meters = Meters()
        """What this process has done."""
        self.store = self.surroundings.make_store(settings, self.bus, self.meters, self._doubt)
        self._embedded = EmbeddedEngine(
            self.store, self.bus, self.clock, self.surroundings.draw_seed, None, lambda: self.membership
        )
        self.engine: Engine = self._embedded
        """What runs workflows; on Temporal another one, once the stack is open."""
        self.cluster: Cluster | None = None
        """Where runs are when they are not in the store, once the stack is open."""
        self._temporal: TemporalMember | None = None
        self._member: Member | None = None
        self._following: Following | None = None
        self.scheduler: Scheduler | None = None
        """What acts on schedules, in a controller."""
        self.gatherer: Gatherer | None = None
        """What begins the runs of events that waited for one another, in a controller."""
        self._movers: list[Mover] = []
        self._leftovers: Leftovers | None = None
        self._rejoining: asyncio.Task[None] | None = None
        self._closing = False
        self.worn = asyncio.Event()
        """Work had to be abandoned that keeps what it holds; a supervised process ends and is replaced."""
        self._callbacks: Callbacks
        self._end_serving: Callable[[], None] = _nothing
        self._end_outbound: Callable[[], Awaitable[None]] | None = None

    @property
    def name(self) -> str:
        """What this process is called among the members."""
        return process_name()

    @property
    def membership(self) -> Membership | None:
        """Proof of the process's present membership."""
        return self._member.membership if self._member is not None else None

    @property
    def local(self) -> LocalOrchestrator | None:
        """The orchestrator of this process, if it has one."""
        return self._embedded.local

    async def open(self) -> None:
        """Open the store; join the fleet and start working, if there are roles."""
        cluster = engine_address(self.settings.engine)
        if cluster is not None:
            await self._open_on(cluster)
            return
        await self.store.open()
        try:
            await check_keys(self.store)
            await self._follow_clock()
            await self.bus.open()
            if self._working:
                self._callbacks = await self.callbacks()
                self._end_serving = serve(self.settings)  # what tasks lock and write down is in this store
                self._end_outbound = serve_stack(self.settings, self.store, self.bus, self.clock)
                await self._join()
            if CONTROLLER in self.roles:
                await self._open_scheduler()
                await self._open_gatherer()
                await self._open_movers()
        except BaseException:
            await self._leave(lost=False)
            self._end_serving()
            await self._close_parts()
            raise

    async def _open_on(self, cluster: TemporalAddress) -> None:
        """Open the store, and do on a cluster what this process does."""
        # Imported here, so that who does not use it loads nothing for it.
        from holdfast.app.on_temporal import TemporalMember, check_fits, connect

        check_fits(self.settings, self.registry)
        connection = await connect(self.settings, cluster)
        self.engine, self.cluster = connection.engine(self.store), connection.cluster()
        await self.store.open()
        try:
            await check_keys(self.store)
            await self.bus.open()
            if self._working:
                self._end_serving = serve(self.settings)
                self._end_outbound = serve_stack(self.settings, self.store, self.bus, self.clock)
                member = TemporalMember(
                    roles=self._working,
                    settings=self.settings,
                    registry=self.registry,
                    surroundings=self.surroundings,
                    worn=self.worn.set,
                    meters=self.meters,
                    store=self.store,
                    bus=self.bus,
                    sign=(await self.callbacks()).sign,
                )
                self._temporal = member
                await member.join(connection)
            if CONTROLLER in self.roles:
                await self._set_up_schedules()
        except BaseException:
            await self._leave(lost=False)
            self._end_serving()
            await self._close_parts()
            raise

    async def look_for(self, leftovers: Leftovers) -> None:
        """Begin to carry out what others have left under way, until this process stops working."""
        self._leftovers = leftovers
        await leftovers.open()

    @property
    def schedules(self) -> ScheduleService | KeptSchedules:
        """What can be done with schedules, wherever they are kept."""
        # Imported here, so that a client that has nothing to do with them does not load a controller.
        from holdfast.controller.schedules import schedules_of

        return schedules_of(self.store, self.engine, self.registry, lambda: uuid4().hex)

    async def callbacks(self) -> Callbacks:
        """Return what signs and reads the tokens of callbacks, under this store's key."""
        settings = self.settings
        (key,) = await self.store.write([KeepSecret(KEY_NAME, secrets.token_bytes(KEY_BYTES))])
        return Callbacks(key, settings.base_url.rstrip("/") or f"http://{settings.host}:{settings.port}")

    async def close(self) -> None:
        """Stop working in good order, leave the fleet, close everything."""
        self._closing = True
        if self.scheduler is not None:
            await self.scheduler.close()
        if self.gatherer is not None:
            await self.gatherer.close()
        for each in self._movers:
            await each.close()
        if self._leftovers is not None:
            await self._leftovers.close()
        if self._rejoining is not None:
            # Not cancelled: half a member that leaves or joins would be left behind.
            await asyncio.gather(self._rejoining, return_exceptions=True)
        try:
            await self._leave(lost=False)
        finally:
            self._end_serving()
            await self._close_parts()

    async def _close_parts(self) -> None:
        self.engine, self.cluster = self._embedded, None  # a connection to a cluster is closed when nobody holds it
        if self._end_outbound is not None:
            await self._end_outbound()
            self._end_outbound = None
        if self._following is not None:
            await self._following.close()
        await self.bus.close()
        await self.store.close()

    async def _follow_clock(self) -> None:
        # A file is on this machine. And a clock of a test's own is nobody's to set.
        if isinstance(self.settings.address(), ServerAddress) and isinstance(self.clock, SystemClock):
            self._following = Following(self.clock, self.store)
            await self._following.open()

    async def _open_scheduler(self) -> None:
        # Imported here, so that a client does not load a controller.
        from holdfast.app.scheduling import open_scheduler

        self.scheduler = await open_scheduler(
            self.registry, self.settings, self.store, self.bus, self.engine, self.meters
        )

    async def _set_up_schedules(self) -> None:
        # Imported here, for the same reason.
        from holdfast.app.scheduling import set_up_schedules

        await set_up_schedules(self.registry, self.settings, self.engine)

    async def _open_gatherer(self) -> None:
        # Imported here, for the same reason.
        from holdfast.controller.gatherings import Gatherer

        find = cast("Callable[[str], Versioned]", self.registry.workflow)
        self.gatherer = Gatherer(self.store, self.bus, self.engine, find, self.settings.poll_seconds)
        await self.gatherer.open()

    async def _open_movers(self) -> None:
        if not self.settings.outboxes:
            return
        # Imported here, so that whoever has no outbox does not load them.
        from holdfast.app.beside import make_movers

        self._movers = make_movers(self.settings, self.engine, self.surroundings.jitter)
        for each in self._movers:
            await each.open()

    async def _join(self) -> None:
        # Imported here, so that a client does not load orchestrator and worker.
        from holdfast.app.member import Member

        member = Member(
            name=self.name,
            roles=self._working,
            settings=self.settings,
            registry=self.registry,
            store=self.store,
            bus=self.bus,
            surroundings=self.surroundings,
            fenced=self._fenced,
            worn=self.worn.set,
            sign=self._callbacks.sign,
            meters=self.meters,
        )
        self._member = member
        await member.join()
        self._embedded.local = member.orchestrator

    async def _leave(self, *, lost: bool) -> None:
        member, self._member = self._member, None
        on_temporal, self._temporal = self._temporal, None
        self._embedded.local = None
        if member is not None:
            await member.leave(lost=lost)
        if on_temporal is not None:
            await on_temporal.leave()

    def _fenced(self) -> None:
        # Called by whoever is refused first: everything of the old membership goes, and a new one begins.
        if self._rejoining is None and not self._closing:
            self._rejoining = asyncio.get_running_loop().create_task(self._rejoin(lost=True), name="holdfast rejoin")

    def _doubt(self, membership: Membership) -> None:
        # It may own runs and tasks that it does not know of. Whoever leaves gives back everything, known or not.
        if self._rejoining is None and not self._closing and membership == self.membership:
            self._rejoining = asyncio.get_running_loop().create_task(self._rejoin(lost=False), name="holdfast rejoin")

    async def _rejoin(self, *, lost: bool) -> None:
        if lost:
            log.warning("this process was taken for dead; it begins again as a new member")
        else:
            log.warning("what became of a claim is not known; this process leaves, and begins again as a new member")
        await self._leave(lost=lost)
        while not self._closing:
            try:
                await self._join()
            except StoreError as error:
                warn_of(log, "could not begin again; trying again", error)
                await self._leave(lost=False)
                await asyncio.sleep(REJOIN_SECONDS)
            else:
                self._rejoining = None
                return


def _nothing() -> None:
    """Serve nobody."""
