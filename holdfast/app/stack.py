"""All parts of one process, wired.

Owns: which parts a process has, the order in which they start and stop, and what
happens when the process turns out to be a zombie.
Must not know: what the parts do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import socket
from collections.abc import Iterable
from typing import Any, Final, cast

from holdfast.app.settings import Settings
from holdfast.authoring import DeterminismGuard, Registry
from holdfast.bus import LocalBus
from holdfast.client import EmbeddedEngine
from holdfast.errors import HoldfastError, UnknownNameError
from holdfast.observe import logger
from holdfast.orchestrator import Orchestrator, OrchestratorSettings
from holdfast.ports.operations import Join, Leave, Membership
from holdfast.ports.program import Program
from holdfast.ports.store import Store
from holdfast.stores import BEAT, GroupCommit, SQLiteStore, SystemClock
from holdfast.worker import LocalRunner, PoolWorker, Sidecar

log = logger("holdfast.app")

ROLES: Final = ("orchestrator", "worker")
"""What a member of the fleet can do; a process with neither is a client."""


class Stack:
    """One process: a client, and if it has roles, a member."""

    def __init__(self, settings: Settings, registry: Registry, roles: Iterable[str] = ROLES) -> None:
        """Wire the parts; `open` starts them.

        Args:
            settings: see Settings.
            registry: the workflows and tasks this process knows.
            roles: some of ROLES.
        """
        self.settings = settings
        self.registry = registry
        self.roles = frozenset(roles)
        self.clock = SystemClock()
        path = settings.sqlite_path()
        self.bus = LocalBus(path)
        self.store = cast(
            "Store",
            GroupCommit(SQLiteStore(path, clock=self.clock, bus=self.bus, synchronous=settings.synchronous)),
        )
        self.membership: Membership | None = None
        self.orchestrator: Orchestrator | None = None
        self.worker: PoolWorker | None = None
        self.runner: LocalRunner | None = None
        self._sidecar: Sidecar | None = None
        self._rejoining: asyncio.Task[None] | None = None
        self._closing = False
        self.engine = EmbeddedEngine(
            self.store, self.bus, self.clock, lambda: secrets.randbits(63), None, lambda: self.membership
        )

    @property
    def name(self) -> str:
        """What this process is called among the members."""
        return f"{socket.gethostname()}:{os.getpid()}"

    async def open(self) -> None:
        """Open the store, join the fleet, start working."""
        await self.store.open()
        await self.bus.open()
        if self.roles:
            if self.settings.tune_gc:
                _tune_gc()
            await self._join()

    async def close(self) -> None:
        """Stop working in good order, leave the fleet, close everything."""
        self._closing = True
        if self._rejoining is not None:
            self._rejoining.cancel()
            await asyncio.gather(self._rejoining, return_exceptions=True)
        try:
            await self._leave()
        finally:
            await self.bus.close()
            await self.store.close()

    async def _join(self) -> None:
        settings = self.settings
        pools = tuple(settings.pools.items()) if "worker" in self.roles else ()
        kind = "stack" if len(self.roles) > 1 else next(iter(self.roles))
        (membership,) = await self.store.write(
            [
                Join(
                    self.name,
                    kind,
                    socket.gethostname(),
                    os.getpid(),
                    settings.lease_seconds,
                    tuple(self.registry.workflows) if "orchestrator" in self.roles else (),
                    pools,
                )
            ]
        )
        self.membership = membership
        self._sidecar = Sidecar(
            BEAT,
            {
                "path": str(settings.sqlite_path().absolute()),
                "member": membership.member,
                "epoch": membership.epoch,
                "lease_seconds": settings.lease_seconds,
                "synchronous": settings.synchronous,
            },
            lease_seconds=settings.lease_seconds,
            fenced=self._fenced,
        )
        await self._sidecar.open()
        self.runner = LocalRunner(self.registry, self.clock)
        draw = random.random  # jitter needs no secrecy
        if "orchestrator" in self.roles:
            self.orchestrator = Orchestrator(
                self.store,
                self.bus,
                self.clock,
                self._program,
                lambda: tuple(self.registry.workflows),
                self.runner,
                DeterminismGuard(),
                pools=frozenset(settings.pools) if "worker" in self.roles else frozenset(),
                jitter=draw,
                fenced=self._fenced,
                settings=OrchestratorSettings(
                    live_runs_max=settings.live_runs_max,
                    poll_seconds=settings.poll_seconds,
                    reap_seconds=min(settings.lease_seconds / 3, 5.0),
                    recoveries_max=settings.max_recoveries,
                    promote_seconds=settings.promote_seconds,
                ),
            )
            self.engine.local = self.orchestrator
            await self.orchestrator.open(membership)
        if "worker" in self.roles:
            self.worker = PoolWorker(
                self.store,
                membership,
                self.registry,
                self.runner,
                self.bus,
                dict(settings.pools),
                self.clock,
                draw,
                fenced=self._fenced,
            )
            await self.worker.open()

    async def _leave(self, *, lost: bool = False) -> None:
        worker, self.worker = self.worker, None
        orchestrator, self.orchestrator = self.orchestrator, None
        runner, self.runner = self.runner, None
        sidecar, self._sidecar = self._sidecar, None
        membership, self.membership = self.membership, None
        self.engine.local = None
        if worker is not None:
            await worker.close(0.0 if lost else self.settings.drain_seconds)
        if orchestrator is not None:
            await orchestrator.close()
        if runner is not None:
            await runner.close()
        if sidecar is not None:
            await sidecar.close()
        if membership is not None and not lost:
            try:
                await self.store.write([Leave(membership)])
            except HoldfastError as error:
                log.warning("could not leave in good order; the lease will expire", error=str(error))

    def _fenced(self) -> None:
        # Called by whoever is refused first: everything of the old membership goes, and a new one begins.
        if self._rejoining is None and not self._closing:
            self._rejoining = asyncio.get_running_loop().create_task(self._rejoin(), name="holdfast rejoin")

    async def _rejoin(self) -> None:
        log.warning("this process was taken for dead; it begins again as a new member")
        await self._leave(lost=True)
        await self._join()
        self._rejoining = None

    def _program(self, name: str) -> Program | None:
        try:
            return cast("Program", self.registry.workflow(name))
        except UnknownNameError:
            return None


def _tune_gc() -> None:
    # Live runs are long-lived and form no garbage cycles of their own: walking all of them on every full collection
    # costs 1.7x in throughput (measured over 20,000 live runs).
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
