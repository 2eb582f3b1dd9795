"""This process on a Temporal cluster: its connection, and its part of the work.

Owns: connecting, what cannot be had there and is refused before anything runs, and the worker's parts.
Must not know: how a run is driven, or what Temporal's SDK looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.app.encryption import load_codec
from holdfast.app.engine_address import TemporalAddress, engine_address
from holdfast.app.settings import Settings
from holdfast.app.surroundings import Runner, Surroundings
from holdfast.authoring import Registry
from holdfast.client import WorkflowClient
from holdfast.controller.webhooks import read_webhooks
from holdfast.errors import MissingExtraError, NotOnEngineError
from holdfast.history import History
from holdfast.observe import Meters, read_reference, tracer
from holdfast.ports.bus import Bus
from holdfast.ports.captures import EndedRuns
from holdfast.ports.store import Store
from holdfast.worker import ObservedRunner

if TYPE_CHECKING:
    from holdfast.replay.captures import ClusterCapturer
    from holdfast.temporal import TemporalConnection, TemporalWorker

ENGINE = "Temporal"


async def connect(settings: Settings, address: TemporalAddress) -> TemporalConnection:
    """Connect to a cluster.

    Raises:
        MissingExtraError: Temporal's SDK is not installed.
        StoreError: the cluster does not answer.
        SettingsError: the API key, or a key for payloads, cannot be read.
    """
    try:
        # Imported here, so that who does not use it need not have it.
        from holdfast.temporal import TemporalConnection
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "temporalio":
            raise
        raise MissingExtraError("The engine on Temporal", "temporal") from None
    key = settings.temporal_api_key
    return await TemporalConnection.open(
        address.target,
        address.namespace,
        tls=settings.temporal_tls or bool(key),
        api_key=read_reference(key, "temporal_api_key", "API key of Temporal") if key else "",
        codec=load_codec(settings.encryption_keys),
    )


def check_fits(settings: Settings, registry: Registry) -> None:
    """Find that all this process knows can be had on Temporal.

    Raises:
        NotOnEngineError: something cannot; it says what.
    """
    for each in misfits(settings, registry):
        raise each


def misfits(settings: Settings, registry: Registry) -> Iterator[NotOnEngineError]:
    """Yield what this process knows and cannot be had on Temporal, each as the error that it is there."""
    for task in registry.tasks.values():
        limits = task.task_options.limits
        if limits is not None and limits.is_counted:
            yield NotOnEngineError("rate or concurrency of a task", ENGINE, f"task {task.name!r}")
        if task.recovery:
            yield NotOnEngineError("recovery= of a task", ENGINE, f"task {task.name!r}")
    if settings.recovery:
        yield NotOnEngineError("recovery of failures", ENGINE)
    declared = [each for of_name in registry.webhooks.values() for each in of_name]
    for webhook in (*declared, *read_webhooks(settings.webhooks)):
        if webhook.gathering is not None:
            yield NotOnEngineError("debounce= or batch= of a webhook", ENGINE, f"webhook {webhook.name!r}")
    if settings.outboxes:
        yield NotOnEngineError("outbox", ENGINE)


async def recorded_elsewhere(client: WorkflowClient, run_id: str) -> History:
    """Return the history of a run on a cluster, with where its drains end: a client for one store has no such runs.

    Raises:
        RunNotFoundError: there is no such run.
        HistoryError: Holdfast has no words for something in it.
    """
    engine: Any = client.engine
    history: History = await engine.recorded(run_id)
    return history


async def ended_elsewhere(settings: Settings) -> EndedRuns:
    """Connect to the cluster of `settings` to look at what has ended there. Raises as `connect`."""
    address = engine_address(settings.engine)
    assert address is not None, "runs are on a cluster"
    return (await connect(settings, address)).ended_runs()


class TemporalMember:
    """The workflows and tasks of this process, on a cluster. Made by `join`."""

    def __init__(  # noqa: PLR0913 - the parts of a process, all by name
        self,
        *,
        roles: frozenset[str],
        settings: Settings,
        registry: Registry,
        surroundings: Surroundings,
        worn: Callable[[], None],
        meters: Meters,
        store: Store,
        bus: Bus,
        sign: Callable[[str, str, float], str],
    ) -> None:
        """Describe the member; see `Member`."""
        self._store = store
        self._bus = bus
        self._sign = sign
        self._roles = roles
        self._settings = settings
        self._registry = registry
        self._surroundings = surroundings
        self._worn = worn
        self._meters = meters
        self._runner: Runner | None = None
        self._worker: TemporalWorker | None = None
        self._capturer: ClusterCapturer | None = None

    async def join(self, connection: TemporalConnection) -> None:
        """Begin to work."""
        settings = self._settings
        observed: ObservedRunner | None = None
        if "worker" in self._roles:
            self._runner = self._surroundings.make_runner(self._registry, self._worn)
            observed = ObservedRunner(self._runner, self._meters, tracer())
        # Imported here, as the connection was.
        from holdfast.temporal import WorkerSettings

        work = WorkerSettings(
            pools=settings.pools,
            runs_workflows="orchestrator" in self._roles,
            lease_seconds=settings.lease_seconds,
            live_runs_max=settings.live_runs_max,
            drain_seconds=settings.drain_seconds,
        )
        if work.runs_workflows:
            # Imported here: who does not run workflows makes no captures by itself.
            from holdfast.app.capturing import make_cluster_capturer

            self._capturer = make_cluster_capturer(
                settings, self._registry, connection.ended_runs(), connection.cluster().name
            )
        ended = self._capturer.ended if self._capturer is not None else None
        self._worker = connection.worker(
            self._registry, observed, work, self._surroundings.jitter, self._store, self._bus, self._sign, ended
        )
        if self._capturer is not None:
            await self._capturer.open()
        await self._worker.open()

    async def leave(self) -> None:
        """Stop working in good order."""
        if self._worker is not None:
            await self._worker.close()
        if self._capturer is not None:
            await self._capturer.close()
        if self._runner is not None:
            await self._runner.close()
