"""A worker: one process that runs workflows and tasks for a Temporal cluster.

Owns: Temporal's own workers, one for each task queue, and what they share.
Must not know: settings, stores, how an attempt at a task runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from holdfast.authoring import Registry
from holdfast.engine import install_waits
from holdfast.errors import StoreError
from holdfast.history import TaskOptions
from holdfast.history.temporal import QUEUE, pinned_queue_of, queue_of
from holdfast.observe import logger
from holdfast.ports.task import TaskRunner
from holdfast.temporal.activities import Activities
from holdfast.temporal.adapters import make_adapter
from holdfast.temporal.attributes import add_attribute
from holdfast.temporal.commands import Shared
from holdfast.temporal.encryption import codec_of
from holdfast.temporal.hearing import EndInterceptor
from holdfast.temporal.interceptors import HeaderInterceptor
from holdfast.temporal.keeper import LockKeeper
from holdfast.temporal.locks import OWN_QUEUE

log = logger("holdfast.temporal")

BEATS_PER_LEASE: Final = 5
"""How often a worker says that it lives while one of its tasks could be taken for lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker does."""

    pools: Mapping[str, int]
    """Pools with their slots."""
    runs_workflows: bool
    """Whether it runs workflows, too."""
    lease_seconds: float
    """A worker that is not heard of for this long loses its tasks."""
    live_runs_max: int
    """How many executions are kept in memory."""
    drain_seconds: float
    """How long running tasks may take when it is closed."""


class TemporalWorker:
    """Serves task queues of a namespace."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        runner: TaskRunner | None,
        settings: WorkerSettings,
        jitter: Callable[[], float],
        locks: LockKeeper | None,
        sign: Callable[[str, str, float], str],
        ended: Callable[[str, str], None] | None = None,
    ) -> None:
        """Serve what `registry` knows.

        Args:
            client: connected to the namespace.
            registry: workflows and tasks.
            runner: runs attempts at tasks; None runs none.
            settings: see WorkerSettings.
            jitter: uniform in [0, 1), for the wait before another attempt.
            locks: sees to the locks of workflows; None where it runs none.
            sign: makes the URLs of callbacks from execution, step, and when it expires.
            ended: hears, in any thread, of executions that complete or fail here: their place, and their status.
        """
        install_waits()  # the SDK runs workflows in threads, and two of them may be the first
        side_effects: dict[str, Callable[[], bytes | Awaitable[bytes]]] = {}

        def options_of(task: str) -> TaskOptions:
            return registry.task(task).task_options

        shared = Shared(side_effects, settings.lease_seconds, sign, codec_of(client))
        workflows = registry.workflows.values() if settings.runs_workflows else ()
        adapters = [make_adapter(each, shared) for each in workflows]
        beat = settings.lease_seconds / BEATS_PER_LEASE
        served = dict(settings.pools) if runner is not None else {}
        queues = {queue_of(pool): slots for pool, slots in served.items()}
        workflows_of = {QUEUE: adapters}
        if settings.runs_workflows:
            for each in registry.workflows.values():
                if each.pinned:  # in a queue of its own, so that nobody with another version takes it
                    workflows_of[pinned_queue_of(each.name, each.code_version)] = [make_adapter(each, shared)]
        queues = {**dict.fromkeys(workflows_of, 0), **queues} if adapters else queues
        activities = Activities(runner, options_of, jitter, side_effects, beat)
        interceptors: list[Interceptor] = [HeaderInterceptor()]
        if ended is not None:
            interceptors.append(EndInterceptor(ended))
        self._workers = [
            Worker(
                client,
                task_queue=queue,
                workflows=workflows_of.get(queue, []),
                activities=activities.callables,
                no_remote_activities=not slots,
                interceptors=interceptors,
                max_concurrent_activities=slots or None,
                max_cached_workflows=settings.live_runs_max,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.lease_seconds),
                graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
                max_heartbeat_throttle_interval=timedelta(seconds=beat),
                default_heartbeat_throttle_interval=timedelta(seconds=beat),
            )
            for queue, slots in queues.items()
        ]
        self._client = client
        self._locks = locks
        if locks is not None:
            self._workers.append(Worker(client, task_queue=OWN_QUEUE, activities=locks.callables))
        self._running: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin to serve. Raises StoreError."""
        if self._locks is not None:
            await self._locks.open()
            try:
                await add_attribute(self._client)
            except StoreError as error:
                log.warning("runs cannot be found by attributes", reason=error.message())
        self._running = [asyncio.create_task(each.run(), name=f"holdfast {each.task_queue}") for each in self._workers]

    async def close(self) -> None:
        """Stop in good order."""
        await asyncio.gather(*(each.shutdown() for each in self._workers if each.is_running))
        await asyncio.gather(*self._running)
        self._running.clear()
        if self._locks is not None:
            await self._locks.close()
