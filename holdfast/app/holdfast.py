"""The front door of an application: the whole stack in this process.

Owns: `Holdfast` with its two doors (async, and sync through one portal), `run`, `Client.connect`.
Must not know: how the parts are wired.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from holdfast.app.portal import Blocking, Portal
from holdfast.app.settings import Settings, load_settings
from holdfast.app.stack import ROLES, WORKING_ROLES, Stack
from holdfast.authoring import Registry, definition_of
from holdfast.client import RunHandle, WorkflowClient, audited
from holdfast.errors import SettingsError
from holdfast.history import AttributeValue
from holdfast.ports.operations import Gathered, RunRecord
from holdfast.ports.store import Store
from holdfast.worker import end_script_import

if TYPE_CHECKING:
    from holdfast.controller.schedules import KeptSchedules, ScheduleService


class Client(WorkflowClient):
    """A client of a system that runs elsewhere: it starts runs and talks to them, and runs nothing itself."""

    _stack: Stack | None = None
    _actor = ""

    @classmethod
    async def connect(cls, store: str | None = None, *, actor: str = "", **settings: Any) -> Self:
        """Return a client of the system behind `store`, such as `sqlite:///holdfast.db`; close it when done.

        Args:
            store: where the system is; from the settings when None.
            actor: who this is: what is done through the client goes into the audit log under this name. Empty is
                nobody, and nothing is noted.
            settings: further settings by name.

        Raises:
            SettingsError: the settings do not fit.
            StoreError: the store cannot be opened.
        """
        stack = Stack(load_settings(store=store, **settings), Registry(), roles=())
        await stack.open()
        client = cls(stack.engine.acting_as(actor) if actor else stack.engine)
        client._stack = stack
        client._actor = actor
        return client

    @property
    def store(self) -> Store:
        """The store, for tools that read more than runs."""
        if self._stack is None:
            raise SettingsError("this client is closed", "Connect again: await Client.connect(...)")
        return audited(self._stack.store, self._actor) if self._actor else self._stack.store

    @property
    def schedules(self) -> ScheduleService | KeptSchedules:
        """The schedules: `all`, `show`, `pause`, `resume`, `run_now`, `backfill`, `delete`."""
        if self._stack is None:
            raise SettingsError("this client is closed", "Connect again: await Client.connect(...)")
        return self._stack.schedules

    async def close(self) -> None:
        """Close the connection."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()


class Holdfast:
    """Client, controller, orchestrator and worker in this process, on one store.

    ```python
    async with Holdfast(modules=["automations"]) as app:
        handle = await app.client.start(ReviewBatch, batch, id="b-1")

    with Holdfast(modules=["automations"]) as app:        # the same from synchronous code
        print(app.start(ReviewBatch, batch, id="b-1").result())
    ```
    """

    def __init__(
        self,
        modules: Iterable[Any] = (),
        store: str | None = None,
        *,
        definitions: Iterable[Any] = (),
        roles: Iterable[str] = ROLES,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        """Describe the stack; entering the context starts it.

        Args:
            modules: modules, or names or paths of modules, in which workflows and tasks are found.
            store: such as `sqlite:///holdfast.db`; from the settings when None.
            definitions: further workflows and tasks.
            roles: what this process does: `controller` (schedules), `orchestrator`, `worker`, or nothing.
            settings: all settings, instead of `store` and `options`.
            options: any setting by name, such as `lease_seconds=5`.

        Raises:
            SettingsError: a setting does not fit.
            DefinitionError: a module cannot be imported, or two definitions share a name.
        """
        self.settings = settings if settings is not None else load_settings(store=store, **options)
        self.registry = Registry.from_modules(*(tuple(modules) or self.settings.modules))
        for each in definitions:
            self.registry.add(each)
        self._roles = tuple(roles)
        self._stack: Stack | None = None
        self._portal: Portal | None = None
        self._client: WorkflowClient | None = None

    # --- The asynchronous door ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start the stack."""
        end_script_import()
        stack = Stack(self.settings, self.registry, self._roles)
        await stack.open()
        self._stack = stack
        self._client = WorkflowClient(stack.engine)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the stack in good order; what has not ended goes on at the next start."""
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            await stack.close()

    @property
    def client(self) -> WorkflowClient:
        """The client of this stack, for asynchronous code."""
        if self._client is None:
            raise SettingsError("this Holdfast is not running", "Enter it first: with Holdfast(...) as app: ...")
        return self._client

    @property
    def stack(self) -> Stack:
        """The parts, for whoever builds on them."""
        if self._stack is None:
            raise SettingsError("this Holdfast is not running", "Enter it first: with Holdfast(...) as app: ...")
        return self._stack

    @property
    def schedules(self) -> ScheduleService | KeptSchedules:
        """The schedules, for asynchronous code: `all`, `show`, `pause`, `resume`, `run_now`, `backfill`, `delete`."""
        return self.stack.schedules

    # --- The synchronous door ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the stack on an event loop of its own, in a thread."""
        end_script_import()
        self._portal = Portal()
        try:
            self._portal.call(self.__aenter__)
        except BaseException:
            self._portal.close()
            self._portal = None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the stack in good order."""
        portal, self._portal = self._portal, None
        assert portal is not None
        try:
            portal.call(self.__aexit__)
        finally:
            portal.close()

    def start(self, workflow: Any, *args: Any, id: str | None = None, **kwargs: Any) -> Any:
        """Start a run and return its handle, whose methods block. See `WorkflowClient.start`."""
        return self._blocking(self.client.start, workflow, *args, id=id, **kwargs)

    def signal_with_start(self, workflow: Any, *args: Any, id: str, signal: Any, **kwargs: Any) -> Any:
        """Signal a run, and start it if there is none; return its handle. See `WorkflowClient.signal_with_start`."""
        return self._blocking(self.client.signal_with_start, workflow, *args, id=id, signal=signal, **kwargs)

    def start_many(self, workflow: Any, inputs: Iterable[tuple[str | None, Any]], **options: Any) -> list[Any]:
        """Start many runs in one commit. See `WorkflowClient.start_many`."""
        portal = self._sync()
        started = portal.call(self.client.start_many, workflow, inputs, **options)
        return [Blocking(each, portal) for each in started]

    def gather(self, workflow: Any, event: Any, **options: Any) -> Gathered:
        """Add an event to those that are to become one run. See `WorkflowClient.gather`."""
        return self._sync().call(self.client.gather, workflow, event, **options)

    def submit(self, task: Any, *args: Any, id: str | None = None, **kwargs: Any) -> Any:
        """Run one task durably and return its handle, whose methods block. See `WorkflowClient.submit`."""
        return self._blocking(self._submit, task, *args, id=id, **kwargs)

    def handle(self, run_id: str, workflow: Any = None) -> Any:
        """Refer to a run by its id; the handle's methods block."""
        return Blocking(self.client.handle(run_id, workflow), self._sync())

    def runs(self, **filters: Any) -> tuple[list[RunRecord], str | None]:
        """Return runs, newest first. See `WorkflowClient.runs`."""
        return self._sync().call(self.client.runs, **filters)

    async def _submit(self, task: Any, *args: Any, **kwargs: Any) -> RunHandle[Any]:
        # A plain function may be submitted to the very process that runs it.
        self.registry.add_task(task)
        return await self.client.submit(task, *args, **kwargs)

    def _blocking(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        portal = self._sync()
        return Blocking(portal.call(function, *args, **kwargs), portal)

    def _sync(self) -> Portal:
        if self._portal is None:
            raise SettingsError(
                "this Holdfast was not entered by `with`",
                "In asynchronous code use app.client; in synchronous code enter it by: with Holdfast(...) as app",
            )
        return self._portal


def run(
    workflow: Any,
    *args: Any,
    id: str | None = None,
    store: str | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Run a workflow on the embedded stack and return its result: one line for scripts.

    Args:
        workflow: a workflow; the tasks of its module are found by themselves.
        args: its input.
        id: the run id. The same id again returns the same run's result without running anything again.
        store: such as `sqlite:///holdfast.db`; from the settings when None.
        attributes: what the run is to be found by. See `WorkflowClient.start`.
        memo: what to note about it, as text by name.
        options: settings by name.

    Raises:
        RunFailedError and its siblings: the run ended without a result.
        RunConflictError: the id belongs to other work.
    """
    end_script_import()
    definition = definition_of(workflow)
    module = sys.modules.get(definition.fn.__module__)
    options = {"roles": WORKING_ROLES} | options  # a script that waits for one run is no place for schedules
    with Holdfast([module] if module is not None else [], store, definitions=[workflow], **options) as app:
        return app.start(workflow, *args, id=id, attributes=attributes, memo=memo).result()
