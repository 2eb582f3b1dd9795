"""Locks of runs on Temporal: a worker asks for them, tells of grants, and gives back what nobody holds any more.

Owns: how places of runs are called in the store, and the ways to find that one was granted, or is left over.
Must not know: workflows' code, lines.

Theory of operation
===================

A place of a run is held by a lease that does not run out, as a run's place on the embedded engine has no lease. So
nothing has to be renewed while every worker is away, and somebody has to look for places whose runs have ended in a way
that gave nothing back: terminated, or out of time. Every worker does, several times in `lease_seconds`, and asks the
cluster about each run that has a place.

Nobody waits in a slot. An attempt that finds the lock taken has joined the line, and ends; another one follows after
some time and looks again. Before that, whoever ran an attempt hears the store's ring that a place was granted, and
completes the activity from outside. Either may fail without harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from holdfast.errors import HoldfastError, StoreError
from holdfast.history import Failure
from holdfast.observe import logger, warn_of
from holdfast.ports.bus import LOCKS, Bus
from holdfast.ports.operations import AcquireLease, ReleaseLease
from holdfast.ports.store import Store
from holdfast.temporal.failures import carry_delay, unavailable
from holdfast.temporal.locks import LOCK, UNLOCK, WRITE_SECONDS, Asking, Leaving
from holdfast.temporal.payloads import NULL, raw, read_payload

log = logger("holdfast.temporal")

FOR_EVER_SECONDS: Final = 100 * 365 * 86_400.0
"""How long the lease of a run's place is."""
SWEEPS_PER_LEASE: Final = 3
LOOK_SECONDS: Final = 0.25
"""How often grants are looked for where rings of others do not arrive."""
ASKS_PER_LEASE: Final = 3
"""How often an attempt looks again at a place that waits: whoever would have told of the grant may have died."""

_HOLDER: Final = re.compile(r".*#\d+ \[temporal (?P<space>\S+) (?P<run>\S+) (?P<length>\d+)\]", re.DOTALL)
_decode_asking: Final = msgspec.json.Decoder(Asking).decode
_decode_leaving: Final = msgspec.json.Decoder(Leaving).decode


class Owner(NamedTuple):
    """The execution that has a place in a line."""

    namespace: str
    """The namespace's own id: two clusters may have namespaces of one name."""
    workflow_id: str
    run: str
    """Temporal's run id."""


def holder_of(owner: Owner, execution: str, step: str) -> str:
    """Return what the place of a step is called in the store: `ord-1@2/lock#1 [temporal ...]`."""
    number = step.rpartition("#")[2]  # the name of the lock stands beside it
    return f"{execution}/lock#{number} [temporal {owner.namespace} {owner.run} {len(owner.workflow_id)}]"


def owner_of(holder: str) -> Owner | None:
    """Return whose a place is; None where no run on Temporal has it."""
    found = _HOLDER.fullmatch(holder)
    return found and Owner(found["space"], holder[: int(found["length"])], found["run"])


class LockKeeper:
    """Sees to the locks of a namespace's runs. Its methods are activities of every worker that runs workflows."""

    def __init__(
        self, client: Client, store: Store, bus: Bus, lease_seconds: float, jitter: Callable[[], float]
    ) -> None:
        """Keep the locks of runs in `store`.

        Args:
            client: connected to the namespace.
            store: where lines are.
            bus: rings when somebody is granted a place.
            lease_seconds: within it a place whose run has ended is free.
            jitter: uniform in [0, 1).
        """
        self._client = client
        self._store = store
        self._bus = bus
        self._lease_seconds = lease_seconds
        self._jitter = jitter
        self._namespace = ""
        self._waiting: dict[tuple[str, str], tuple[Owner, str]] = {}
        """Places in line that were asked for here: by lock and holder, whose they are, and the activity that waits."""
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._end_listening: Callable[[], None] = lambda: None

    @property
    def callables(self) -> list[Callable[..., Any]]:
        """What Temporal's SDK calls."""
        return [self.ask, self.leave]

    async def open(self) -> None:
        """Begin to look.

        Raises:
            StoreError: the cluster does not answer.
        """
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            described = await self._client.workflow_service.describe_namespace(request, retry=True)
        except RPCError as error:
            raise unavailable(error) from error
        self._namespace = described.namespace_info.id
        self._end_listening = self._bus.listen(self._hear)
        self._tasks = [
            asyncio.create_task(self._forever(each), name=f"holdfast {each.__name__}")
            for each in (self._tell, self._sweep)
        ]

    async def close(self) -> None:
        """Look no more."""
        self._end_listening()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # --- Activities ------------------------------------------------------------------------------------------------

    @activity.defn(name=LOCK)
    async def ask(self, value: RawValue) -> RawValue:
        """Join a line, or look again; return the token once the place holds."""
        asking, info = _decode_asking(read_payload(value.payload)), activity.info()
        owner = self._owner(info)
        holder = holder_of(owner, asking.execution, info.activity_id)
        token = await self._look(asking.name, holder)
        if not token:
            # An attempt that stood still for too long must not join the line: another one may have left it since.
            async with asyncio.timeout(WRITE_SECONDS / 2):
                (answer,) = await self._store.write([AcquireLease(asking.name, asking.slots, holder, FOR_EVER_SECONDS)])
            if isinstance(answer, HoldfastError):
                raise answer
            token = answer
        if token:
            self._waiting.pop((asking.name, holder), None)
            return raw(msgspec.json.encode(token))
        self._waiting[asking.name, holder] = (owner, info.activity_id)
        self._news.set()  # it may have been granted meanwhile
        failure = Failure("LockIsTaken", f"{asking.name!r} is taken; it comes when it is granted")
        raise carry_delay(failure, info.attempt, self._lease_seconds / ASKS_PER_LEASE)

    @activity.defn(name=UNLOCK)
    async def leave(self, value: RawValue) -> RawValue:
        """Give a place back, or leave the line; one that is lost already is as good."""
        leaving, info = _decode_leaving(read_payload(value.payload)), activity.info()
        holder = holder_of(self._owner(info), leaving.execution, leaving.step)
        self._waiting.pop((leaving.name, holder), None)
        await self._store.write([ReleaseLease(leaving.name, holder)])
        return raw(NULL)

    def _owner(self, info: activity.Info) -> Owner:
        return Owner(self._namespace, info.workflow_id or "", info.workflow_run_id or "")

    async def _look(self, name: str, holder: str) -> int:
        """Return the token of a place that holds, 0 where it does not: then it has to be asked for."""
        place = await self._store.place(name, holder)
        return 0 if place is None else place.token

    # --- Grants ----------------------------------------------------------------------------------------------------

    def _hear(self, topics: frozenset[str]) -> None:
        if LOCKS in topics:
            self._news.set()

    async def _tell(self) -> None:
        """Tell runs of the grants that they wait for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._lease_seconds if self._bus.reaches or not self._waiting else LOOK_SECONDS):
                await self._news.wait()
        self._news.clear()
        for (name, holder), (owner, step) in list(self._waiting.items()):
            if token := await self._look(name, holder):
                await self._complete(owner, step, token)
                self._waiting.pop((name, holder), None)

    async def _complete(self, owner: Owner, step: str, token: int) -> None:
        handle = self._client.get_async_activity_handle(
            workflow_id=owner.workflow_id, run_id=owner.run, activity_id=step
        )
        try:
            await handle.complete(raw(msgspec.json.encode(token)))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # an attempt was faster, or nobody waits any more
                raise

    # --- What is left over -----------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Give back the places of executions that have ended."""
        await asyncio.sleep(self._lease_seconds / SWEEPS_PER_LEASE * (0.5 + self._jitter() / 2))
        found: dict[Owner, list[tuple[str, str]]] = {}
        for each in await self._store.locks():
            owner = owner_of(each.holder)
            if owner is not None and owner.namespace == self._namespace:
                found.setdefault(owner, []).append((each.name, each.holder))
        for owner, places in found.items():
            if await self._has_ended(owner):
                await self._store.write([ReleaseLease(name, holder) for name, holder in places])

    async def _has_ended(self, owner: Owner) -> bool:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=owner.workflow_id, run_id=owner.run),
        )
        try:
            described = await self._client.workflow_service.describe_workflow_execution(request)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:  # it has ended so long ago that nobody remembers
                return True
            raise
        running = (
            WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
            WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
        )
        return described.workflow_execution_info.status not in running

    async def _forever(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except (RPCError, StoreError) as error:
                warn_of(log, "could not look after the locks of runs on Temporal; trying again", error)
                await asyncio.sleep(self._lease_seconds / SWEEPS_PER_LEASE)
