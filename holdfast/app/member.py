"""One membership of this process: what runs while its lease holds.

Owns: joining, the parts that act as the member, and leaving them in the right order.
Must not know: clients, HTTP, what comes after the membership.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import cast

from holdfast.app.capturing import make_capturer
from holdfast.app.garbage import tune_gc
from holdfast.app.notifying import make_notifier
from holdfast.app.settings import Settings
from holdfast.app.surroundings import Renewer, Runner, Surroundings
from holdfast.authoring import DeterminismGuard, Registry
from holdfast.controller.notices import Notifier
from holdfast.errors import DivergenceError, HoldfastError, UnknownNameError
from holdfast.observe import Meters, Tracer, logger, tracer, warn_of
from holdfast.orchestrator import Orchestrator, OrchestratorSettings
from holdfast.ports.bus import Bus
from holdfast.ports.operations import Join, Leave, Membership, Reap
from holdfast.ports.prefixes import holders
from holdfast.ports.program import Versioned
from holdfast.ports.store import Store
from holdfast.ports.task import TaskRunner
from holdfast.replay.captures import Capturer
from holdfast.worker import ObservedRunner, PoolWorker, Recoveries

log = logger("holdfast.app")

REAP_SECONDS_MAX = 5.0
SIDECAR_START_SECONDS = 10.0
"""A sidecar renews for the first time within this, on a busy machine too. A member that is killed before is known as
dead all the same (see `holdfast.stores.sqlite.presence`)."""


class Member:
    """The orchestrator and worker of this process, under one lease. Made by `join`."""

    def __init__(  # noqa: PLR0913 - the parts of a process, all by name
        self,
        *,
        name: str,
        roles: frozenset[str],
        settings: Settings,
        registry: Registry,
        store: Store,
        bus: Bus,
        surroundings: Surroundings,
        fenced: Callable[[], None],
        worn: Callable[[], None],
        sign: Callable[[str, str, float], str],
        meters: Meters,
    ) -> None:
        """Describe the member.

        Args:
            name: what it is called among the members.
            roles: `orchestrator`, `worker`, or both.
            settings: see Settings.
            registry: the workflows and tasks it knows.
            store: the store, open.
            bus: the bus, open.
            surroundings: where time, chance and the like come from.
            fenced: called when it turns out to have lost its lease.
            sign: makes the URLs of callbacks.
            meters: counts what it does.
            worn: called once when work had to be abandoned that still holds what it holds: replace the process.
        """
        self._name = name
        self._roles = roles
        self._settings = settings
        self._registry = registry
        self._store = store
        self._bus = bus
        self._surroundings = surroundings
        self._fenced = fenced
        self._worn = worn
        self._sign = sign
        self._meters = meters
        self.membership: Membership | None = None
        self.orchestrator: Orchestrator | None = None
        self._worker: PoolWorker | None = None
        self._runner: Runner | None = None
        self._renewer: Renewer | None = None
        self._capturer: Capturer | None = None
        self._notifier: Notifier | None = None

    async def join(self) -> None:
        """Become a member and begin to work."""
        settings, roles = self._settings, self._roles
        if "orchestrator" in roles:
            self._capturer = make_capturer(settings, self._registry, self._store, self._bus)
            self._notifier = make_notifier(settings, self._store, self._bus, self._surroundings.jitter, self._meters)
        if settings.tune_gc:
            tune_gc()
        join = Join(
            self._name,
            "stack" if len(roles) > 1 else next(iter(roles)),
            socket.gethostname(),
            os.getpid(),
            settings.lease_seconds,
            tuple(self._registry.workflows) if "orchestrator" in roles else (),
            tuple(settings.pools.items()) if "worker" in roles else (),
            SIDECAR_START_SECONDS,
            self._versions() if "orchestrator" in roles else {},
        )
        # What a killed predecessor held is free at once: see `holdfast.stores.sqlite.presence`.
        membership, _ = await self._store.write([join, Reap(settings.max_recoveries)])
        self.membership = membership
        self._renewer = self._surroundings.make_renewer(settings, membership, self._fenced)
        await self._renewer.open()
        self._runner = self._surroundings.make_runner(self._registry, self._worn)
        spans = tracer()
        recoveries = Recoveries(self._registry, settings.recovery_rules())
        observed = ObservedRunner(self._runner, self._meters, spans, recoveries.decide)
        if "orchestrator" in roles:
            self.orchestrator = self._make_orchestrator(observed, spans, recoveries)
            await self.orchestrator.open(membership)
        if "worker" in roles:
            self._worker = PoolWorker(
                self._store,
                membership,
                self._registry,
                observed,
                self._bus,
                dict(settings.pools),
                self._surroundings.clock,
                self._surroundings.jitter,
                fenced=self._fenced,
                holdings=holders.holdings,
            )
            await self._worker.open()
        if self._capturer is not None:
            await self._capturer.open()
        if self._notifier is not None:
            await self._notifier.open()

    def _versions(self) -> dict[str, str]:
        workflows = self._registry.workflows.items()
        return {name: each.code_version for name, each in workflows if each.code_version}

    async def leave(self, *, lost: bool = False) -> None:
        """Stop working and give everything back; with `lost`, only stop: it belongs to others by now."""
        membership, self.membership = self.membership, None
        if self._worker is not None:
            await self._worker.close(0.0 if lost else self._settings.drain_seconds)
        if self.orchestrator is not None:
            await self.orchestrator.close()
        if self._capturer is not None:
            await self._capturer.close(lost=lost)
        if self._notifier is not None:
            await self._notifier.close(lost=lost)
        if self._runner is not None:
            await self._runner.close()
        if self._renewer is not None:
            await self._renewer.close()
        if membership is not None and not lost:
            try:
                await self._store.write([Leave(membership)])
            except HoldfastError as error:
                warn_of(log, "could not leave in good order; the lease will expire", error)

    def _make_orchestrator(self, runner: TaskRunner, spans: Tracer | None, recoveries: Recoveries) -> Orchestrator:
        settings = self._settings
        return Orchestrator(
            self._store,
            self._bus,
            self._surroundings.clock,
            self._program,
            lambda: tuple(self._registry.workflows),
            runner,
            DeterminismGuard(),
            pools=frozenset(settings.pools) if "worker" in self._roles else frozenset(),
            jitter=self._surroundings.jitter,
            fenced=self._fenced,
            sign=self._sign,
            meters=self._meters,
            tracer=spans,
            closed=self._capturer.closed if self._capturer is not None and settings.capture_successes else None,
            explain=self._explain,
            poisoned=recoveries.remedy_of_poison,
            settings=OrchestratorSettings(
                live_runs_max=settings.live_runs_max,
                poll_seconds=settings.poll_seconds,
                reap_seconds=min(settings.lease_seconds / 3, REAP_SECONDS_MAX),
                recoveries_max=settings.max_recoveries,
                promote_seconds=settings.promote_seconds,
                is_portable=settings.portable,
            ),
        )

    async def _explain(self, execution_id: int, workflow: str, error: DivergenceError) -> DivergenceError:
        # Imported here: most processes never meet a divergence.
        from holdfast.replay import explain_divergence

        return await explain_divergence(self._store, execution_id, self._registry.workflow(workflow), error)

    def _program(self, name: str) -> Versioned | None:
        try:
            return cast("Versioned", self._registry.workflow(name))
        except UnknownNameError:
            return None
