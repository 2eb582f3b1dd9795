"""Holdfast's workflows and tasks in a worker of your own: a plugin of Temporal's SDK.

Owns: what a worker, or a replayer, is given for them.
Must not know: settings, stores, task queues.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from temporalio.client import ClientConfig
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import ReplayerConfig, WorkerConfig

from holdfast.authoring import Duration, Module, Registry, parse_duration
from holdfast.engine import install_waits
from holdfast.errors import SettingsError
from holdfast.history import Codec
from holdfast.temporal.activities import Activities
from holdfast.temporal.adapters import make_adapter
from holdfast.temporal.commands import Shared
from holdfast.temporal.encryption import converter_of, is_sealing, sealing_of
from holdfast.temporal.interceptors import HeaderInterceptor
from holdfast.temporal.worker import BEATS_PER_LEASE
from holdfast.worker import LocalRunner

NAME: Final = "holdfast"


class TemporalPlugin(SimplePlugin):
    """Workflows and tasks of Holdfast for a worker of Temporal's SDK.

    ```python
    worker = Worker(client, task_queue="orders", workflows=[Yours], plugins=[TemporalPlugin("automations")])
    ```

    Tasks of pool `default` run on the task queue of the workflow that calls them, others on `holdfast-POOL`. Temporal's
    own `Replayer` takes it too.
    """

    def __init__(
        self,
        *modules: Module,
        definitions: Iterable[Any] = (),
        lease_seconds: Duration = 15.0,
        codec: Codec | None = None,
    ) -> None:
        """Know workflows and tasks.

        Args:
            modules: modules, or names or paths of modules, in which they are found.
            definitions: further workflows and tasks.
            lease_seconds: a worker that is not heard of for this long loses its tasks.
            codec: encrypts payloads; see `holdfast.app.load_codec`. Such a plugin is given to the client, and its
                workers have it from there.

        Raises:
            DefinitionError: a module cannot be imported, or two definitions share a name.
        """
        install_waits()  # see TemporalWorker
        registry = self._registry = Registry.from_modules(*modules)
        for each in definitions:
            registry.add(each)
        seconds = parse_duration(lease_seconds, "lease_seconds")
        side_effects: dict[str, Callable[[], bytes | Awaitable[bytes]]] = {}
        activities = self._activities = Activities(
            None,
            lambda name: registry.task(name).task_options,
            random.random,
            side_effects,
            seconds / BEATS_PER_LEASE,
        )
        shared = Shared(side_effects, seconds, sign=None, codec=codec)
        self._codec = codec
        super().__init__(
            NAME,
            data_converter=self._convert if codec is not None else None,
            interceptors=[HeaderInterceptor()],
            activities=[
                activities.call_side_effect,
                *map(activities.named, registry.tasks),
                *map(activities.mapped, registry.tasks),
            ],
            workflows=[make_adapter(each, shared) for each in registry.workflows.values()],
            run_context=self._running,
        )

    def _convert(self, theirs: DataConverter | None) -> DataConverter:
        assert self._codec is not None
        if theirs is not None and theirs.payload_codec is not None and not is_sealing(theirs):
            raise SettingsError("the client has a payload codec of its own", "Encrypt with that one, or with `codec`.")
        return converter_of(self._codec, theirs)

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """Have the client encrypt headers too: messages that nobody has read yet travel there."""
        config = super().configure_client(config)
        if self._codec is not None:
            config["header_codec_behavior"] = HeaderCodecBehavior.CODEC
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Have the replayer decrypt headers too."""
        config = super().configure_replayer(config)
        if self._codec is not None:
            config["header_codec_behavior"] = HeaderCodecBehavior.CODEC
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add what there is to a worker.

        Raises:
            SettingsError: there are keys, and its client would not encrypt.
        """
        if self._codec is not None and sealing_of(config["client"]) is None:
            remedy = "Client.connect(..., plugins=[TemporalPlugin(..., codec=...)]): its workers have it from there."
            raise SettingsError("the plugin has keys, and the worker's client does not encrypt with them", remedy)
        return super().configure_worker(config)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Run attempts at tasks while the worker runs."""
        runner = self._activities.runner = LocalRunner(self._registry, _WallClock())
        try:
            yield
        finally:
            self._activities.runner = None
            await runner.close()


class _WallClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()
