"""The connection to a namespace of a Temporal cluster: what all of one process goes through.

Owns: connecting, and what is made from a connection.
Must not know: settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from temporalio.client import Client

from holdfast.authoring import Registry
from holdfast.errors import StoreError
from holdfast.history import Codec
from holdfast.ports.bus import Bus
from holdfast.ports.store import Store
from holdfast.ports.task import TaskRunner
from holdfast.temporal.cluster import TemporalCluster
from holdfast.temporal.encryption import encrypting
from holdfast.temporal.ended import TemporalEnded
from holdfast.temporal.engine import TemporalEngine
from holdfast.temporal.keeper import LockKeeper
from holdfast.temporal.worker import TemporalWorker, WorkerSettings


class TemporalConnection:
    """A connection to a namespace. Temporal's SDK closes it when nobody holds it any more."""

    def __init__(self, client: Client, target: str) -> None:
        """Go through `client`, which is connected to `target`."""
        self.client = client
        self._target = target

    @classmethod
    async def open(
        cls, target: str, namespace: str, *, tls: bool = False, api_key: str = "", codec: Codec | None = None
    ) -> Self:
        """Connect to `namespace` of the cluster at `target`, HOST:PORT; what goes there is encrypted with `codec`.

        Raises:
            StoreError: it does not answer.
        """
        try:
            client = await Client.connect(
                target, namespace=namespace, tls=tls, api_key=api_key or None, **encrypting(codec)
            )
        except RuntimeError as error:
            raise StoreError(f"Temporal at {target} does not answer: {error}") from None
        return cls(client, target)

    def engine(self, store: Store) -> TemporalEngine:
        """Return the client side, with what is noted of it in `store`."""
        return TemporalEngine(self.client, store)

    def cluster(self) -> TemporalCluster:
        """Return what a controller tells of it."""
        return TemporalCluster(self.client, self._target)

    def ended_runs(self) -> TemporalEnded:
        """Return the executions of it that have ended."""
        return TemporalEnded(self.client)

    def worker(
        self,
        registry: Registry,
        runner: TaskRunner | None,
        settings: WorkerSettings,
        jitter: Callable[[], float],
        store: Store,
        bus: Bus,
        sign: Callable[[str, str, float], str],
        ended: Callable[[str, str], None] | None = None,
    ) -> TemporalWorker:
        """Return what serves the namespace, with the locks in `store`. See `TemporalWorker`."""
        locks = LockKeeper(self.client, store, bus, settings.lease_seconds, jitter) if settings.runs_workflows else None
        return TemporalWorker(self.client, registry, runner, settings, jitter, locks, sign, ended)
