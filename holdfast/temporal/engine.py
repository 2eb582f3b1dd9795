"""The client side of a Temporal cluster.

Owns: the `Engine` port over Temporal's own requests.
Must not know: workflows' types, workers, how a run is driven.

Requests are made as Temporal's service has them, not through its SDK's typed client: names and JSON text are all there
is on both sides, and operation ids become request ids, so that what is sent twice is done once.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn
from uuid import uuid4

import msgspec
from temporalio.api.common.v1 import Header, WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import RawValue
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from holdfast.client import BULK_RUNS_MAX, meant
from holdfast.errors import (
    HoldfastError,
    NoOrchestratorError,
    NotOnEngineError,
    QueryError,
    RunClosedError,
    RunNotFoundError,
    RunStateError,
    StoreError,
    UnknownNameError,
    UpdateFailedError,
    UpdateRejectedError,
)
from holdfast.history import Failure, History, check_identifier
from holdfast.history.temporal import PINNED, Past
from holdfast.ports.engine import (
    Begin,
    BulkPage,
    BulkRequest,
    Explanation,
    Forked,
    ForkRequest,
    Outcome,
    RecordedEvent,
    StartRequest,
)
from holdfast.ports.operations import (
    PARKED,
    PAUSED,
    TERMINAL,
    Carrying,
    Changes,
    Deliver,
    Gather,
    Gathered,
    IdPolicy,
    Operation,
    Pause,
    Position,
    Resume,
    RunFilter,
    RunRecord,
    Started,
    StartSignal,
)
from holdfast.ports.store import Store
from holdfast.temporal.attributes import add_attribute, is_missing
from holdfast.temporal.carrying import carry_out
from holdfast.temporal.driver import ANSWER, PAUSE, REJECTED, RESUME
from holdfast.temporal.encryption import codec_of, open_text, service_of
from holdfast.temporal.executions import Executions
from holdfast.temporal.explaining import explain_run
from holdfast.temporal.failures import error_of, read_failure, unavailable
from holdfast.temporal.fitting import with_fit
from holdfast.temporal.forking import past_of, plan_fork, start_of
from holdfast.temporal.own import Answer, Pausing, read_note, write_told
from holdfast.temporal.payloads import NULL, raw_arguments, read_payload, write_payloads
from holdfast.temporal.records import listed, number_of, record_of, search_of
from holdfast.temporal.runtime import ENGINE
from holdfast.temporal.schedules import TemporalSchedules
from holdfast.temporal.starting import FIRST, Existing, decide_start, request_behind, with_signal, write_start
from holdfast.temporal.starting import Begin as BeginExecution
from holdfast.temporal.told import identity_with, is_told, write_mark
from holdfast.temporal.waiting import Ends

LOOK_SECONDS: Final = 0.25
"""How often to look for new events."""
SAY_SECONDS: Final = 2.0
"""How long to wait for a run to say that it is paused, or goes on."""
STARTS_AT_ONCE: Final = 32
"""How many starts are under way at once."""
OVERTAKEN_MAX: Final = 20
"""How often in a row others may start the same run before a start gives up."""
ADDED_LOOKS: Final = 12
"""How often a start is tried that needs the search attribute, with more time each time."""
ANSWER_SECONDS: Final = 30.0
"""How long a run may take to take the answer to a callback."""


class TemporalEngine:
    """Starts, messages and reads runs on a Temporal cluster. Implements `holdfast.ports.engine.Engine`."""

    def __init__(self, client: Client, store: Store) -> None:
        """Speak through `client`; what is to be noted of it is in `store`."""
        self._client = client
        self._store = store
        self._service = service_of(client)
        self._identity = client.identity
        self._ends = Ends(client)
        self.executions = Executions(client)
        """What Temporal itself has of runs."""

    def acting_as(self, actor: str) -> TemporalEngine:
        """Return the engine as somebody uses it: events name who that was. See `Engine.acting_as`."""
        engine = copy.copy(self)
        engine._identity = actor  # noqa: SLF001 - its own
        return engine

    @property
    def schedules(self) -> TemporalSchedules:
        """The schedules of the namespace. See `Engine.schedules`."""
        return TemporalSchedules(self._client, self._identity)

    # --- Starting --------------------------------------------------------------------------------------------------

    async def start(self, requests: Sequence[StartRequest]) -> list[Started]:
        """Start runs. See `Engine.start`."""
        places = asyncio.Semaphore(STARTS_AT_ONCE)

        async def start(request: StartRequest) -> Started:
            async with places:
                return await self.start_next(request, IdPolicy())

        results = await asyncio.gather(*map(start, requests), return_exceptions=True)
        for each in results:
            if isinstance(each, BaseException):
                raise each
        return [each for each in results if not isinstance(each, BaseException)]

    async def start_next(
        self,
        request: StartRequest,
        policy: IdPolicy,
        signal: StartSignal | None = None,
        named: str = "",
        *,
        past: Past | None = None,
        first: BeginExecution = FIRST,
    ) -> Started:
        """Start a run, or its next execution. See `Engine.start_next`; what is `named` alike again is one start.

        With a `past` it goes on where that ends. `first` says which execution it is where there is no run with its id.
        """
        check_identifier(request.run_id, "the run id")
        check_identifier(request.workflow, "the name of the workflow")
        begin: BeginExecution | RunRecord = first
        for _ in range(OVERTAKEN_MAX):
            if isinstance(begin, RunRecord):
                if signal is not None:
                    await self.signal(begin.run_id, signal.name, signal.body, signal.operation_id)
                return Started(begin.execution_id, begin.execution, created=False, status=begin.status)
            written = write_start(request, begin, self._client.namespace, self._identity, past)
            written.request_id = named if signal is None and named else written.request_id
            try:
                answer = await self._start(written, signal)
            except RPCError as error:
                if error.status != RPCStatusCode.ALREADY_EXISTS:
                    raise unavailable(error) from error
                if named and request_behind(error) == (written.request_id if signal is None else signal.operation_id):
                    own = await self.describe(request.run_id)  # made by this start, when it was sent before
                    return Started(own.execution_id, own.execution, created=True)
            else:
                record = await self.describe(request.run_id) if not answer.started else None
                execution = record.execution if record is not None else _named(request.run_id, begin.number)
                return Started(number_of(answer.run_id), execution, created=answer.started)
            described = await self.executions.described(request.run_id)
            info = described.workflow_execution_info
            begin = decide_start(
                request, policy, Existing(record_of(info), read_note(info.memo.fields), info.execution.run_id)
            )
        raise StoreError(f"run {request.run_id!r} was started by others {OVERTAKEN_MAX} times in a row")

    async def _start(self, written: StartWorkflowExecutionRequest, signal: StartSignal | None) -> Any:
        for attempt in range(ADDED_LOOKS):
            try:
                if signal is None:
                    return await self._service.start_workflow_execution(written)
                return await self._service.signal_with_start_workflow_execution(with_signal(written, signal))
            except RPCError as error:
                if not is_missing(error) or attempt == ADDED_LOOKS - 1:
                    raise
                await add_attribute(self._client)
                await asyncio.sleep(LOOK_SECONDS * attempt)  # what was added is not known everywhere at once
        raise AssertionError("the last attempt returns or raises")

    async def carry_out(self, act: Begin | Deliver | Pause | Resume, note: Callable[[Operation], Carrying]) -> Any:
        """Do an act on the cluster, and note it in the store, before and after. See `Engine.carry_out`."""
        return await carry_out(self, self._store, act, note)

    async def gather(self, event: Gather) -> Gathered:
        """Refuse: what gathers does so in a store. See `Engine.gather`."""
        raise NotOnEngineError(f"gathering of events (for {event.workflow!r})", ENGINE)

    # --- Messages --------------------------------------------------------------------------------------------------

    async def signal(self, run_id: str, name: str, payload: bytes, operation_id: str) -> None:
        """Deliver a signal. See `Engine.signal`."""
        check_identifier(name, "the name of the signal")
        request = SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            signal_name=name,
            input=write_payloads(payload),
            identity=self._identity,
            request_id=operation_id,
            header=Header(fields=write_told(operation_id)),
        )
        await self._told(run_id, self._service.signal_workflow_execution(request))

    async def was_told(self, run_id: str, operation_id: str) -> bool:
        """Say whether a signal, a cancellation or a termination of this id has reached one of a run's executions."""
        try:
            execution = (await self.executions.described(run_id)).workflow_execution_info.execution
        except RunNotFoundError:
            return False
        async for info in self.executions.back_from(execution):
            async for each in self.executions.events(info.execution):
                if is_told(each, operation_id):
                    return True
        return False

    async def answer(self, run_id: str, number: int, name: str, payload: bytes) -> None:
        """Deliver the answer to a callback, once. See `Engine.answer`."""
        execution = await self.executions.find(f"{run_id}@{number}")
        if execution is None:
            raise RunNotFoundError(run_id)
        record = record_of((await self.executions.describe(execution)).workflow_execution_info)
        if record.status in TERMINAL:
            raise RunClosedError(run_id, record.status)
        told = msgspec.json.encode(Answer(name, number, msgspec.Raw(payload)))
        await self.update(run_id, ANSWER, told, uuid4().hex, ANSWER_SECONDS)

    async def cancel(self, run_id: str, reason: str, operation_id: str) -> None:
        """Ask a run to stop. See `Engine.cancel`."""
        status = (await self.describe(run_id)).status  # Temporal takes it for one that has ended, too
        if status in TERMINAL:
            raise RunClosedError(run_id, status)
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            identity=identity_with(self._identity, operation_id),
            request_id=operation_id,
            reason=reason,
        )
        await self._told(run_id, self._service.request_cancel_workflow_execution(request))

    async def terminate(self, run_id: str, reason: str, operation_id: str) -> None:
        """End a run. See `Engine.terminate`."""
        request = TerminateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            identity=self._identity,
            reason=reason,
            details=write_mark(operation_id),
        )
        await self._told(run_id, self._service.terminate_workflow_execution(request))

    async def pause(self, run_id: str, by: str, reason: str) -> None:
        """Keep a run from moving. See `Engine.pause`."""
        await self.signal(run_id, PAUSE, msgspec.json.encode(Pausing(by, reason)), uuid4().hex)
        # It does not move any more. That it says so takes a worker, who may be away.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SECONDS):
                while (await self.describe(run_id)).status not in {PAUSED, *TERMINAL}:  # noqa: ASYNC110 - its worker says it
                    await asyncio.sleep(LOOK_SECONDS)

    async def resume(self, run_id: str) -> None:
        """Let a parked or paused run go on. See `Engine.resume`."""
        record = await self.describe(run_id)
        if record.status not in {PAUSED, PARKED, *TERMINAL}:
            raise RunStateError(run_id, record.status, "resumed")
        await self.signal(run_id, RESUME, NULL, uuid4().hex)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SECONDS):
                while (await self.describe(run_id)).status in {PAUSED, PARKED}:  # noqa: ASYNC110 - the same
                    await asyncio.sleep(LOOK_SECONDS)

    async def _told(self, run_id: str, request: Any) -> None:
        try:
            await request
        except RPCError as error:
            await self._refuse(run_id, error)

    async def _refuse(self, run_id: str, error: RPCError) -> NoReturn:
        """Raise what a refusal means: there is no such run, or it has ended."""
        if error.status != RPCStatusCode.NOT_FOUND:
            raise unavailable(error) from error
        record = await self.describe(run_id)
        raise RunClosedError(run_id, record.status) from None

    async def query(self, run_id: str, name: str, payload: bytes, timeout: float) -> bytes:
        """Return a query's answer. See `Engine.query`."""
        check_identifier(name, "the name of the query")
        execution = await self.executions.find(run_id) or WorkflowExecution(workflow_id=run_id)
        request = QueryWorkflowRequest(
            namespace=self._client.namespace,
            execution=execution,
            query=WorkflowQuery(query_type=name, query_args=write_payloads(payload)),
        )
        try:
            answer = await self._service.query_workflow(request, timeout=timedelta(seconds=timeout))
        except RPCError as error:
            # Where no worker takes them, queries pile up at the server until it takes no more.
            if error.status in {*_NOBODY, RPCStatusCode.RESOURCE_EXHAUSTED}:
                raise _nobody("query", name, run_id, timeout) from None
            refusal = _query_error(name, error, open_text(error.message, codec_of(self._client)))
            if refusal is None:
                await self._refuse(run_id, error)
            raise refusal from None
        payloads = answer.query_result.payloads
        return read_payload(payloads[0]) if payloads else NULL

    async def update(self, run_id: str, name: str, payload: bytes, operation_id: str, timeout: float) -> bytes:
        """Return an update's answer, once it is durable. See `Engine.update`."""
        check_identifier(name, "the name of the update")
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await self._update(run_id, name, payload, operation_id)
                    except RPCError as error:
                        if error.status != RPCStatusCode.NOT_FOUND:
                            raise
                        record = await self.describe(run_id)
                        if record.status in TERMINAL:
                            raise RunClosedError(run_id, record.status) from None
                        await asyncio.sleep(LOOK_SECONDS)  # it has gone on as a new execution meanwhile
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            raise _nobody("update", name, run_id, timeout) from None
        except WorkflowUpdateFailedError as error:
            raise _update_error(run_id, name, error.cause) from None
        except RPCError as error:
            if error.status in _NOBODY:
                raise _nobody("update", name, run_id, timeout) from None
            raise unavailable(error) from error

    async def _update(self, run_id: str, name: str, payload: bytes, operation_id: str) -> bytes:
        handle = self._client.get_workflow_handle(run_id)
        answer: RawValue = await handle.execute_update(
            name, args=raw_arguments(payload), id=operation_id, result_type=RawValue
        )
        return read_payload(answer.payload)

    # --- Reading ---------------------------------------------------------------------------------------------------

    async def describe(self, run_id: str) -> RunRecord:
        """Return a run's newest execution, or the one that is named. See `Engine.describe`."""
        described = await self.executions.described(run_id)
        info = described.workflow_execution_info
        record = record_of(info)
        if record.status not in TERMINAL:
            return await with_fit(self._client, record, described)
        event = await self._ends.event(info.execution)
        return record_of(info, await self._ends.outcome(info.execution, event)) if event is not None else record

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return executions, newest first. See `Engine.runs`."""
        wanted = RunFilter(workflow, (status,) if status else ()) if where is None else where
        found, following = await self.executions.page(search_of(wanted), cursor, limit)
        records = [listed(each) for each in found]
        return [each for each in records if not wanted.statuses or each.status in wanted.statuses], following

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many executions `where` means; one that is paused or parked counts as running too."""
        return min(limit, await self.executions.count(search_of(where)))

    async def bulk(self, request: BulkRequest, cursor: str | None, limit: int) -> BulkPage:
        """Do one thing to many runs. See `Engine.bulk`."""
        where = meant(request.verb, request.where)
        records, following = await self.runs(where=where, cursor=cursor, limit=min(limit, BULK_RUNS_MAX))
        done: list[str] = []
        refused: list[tuple[str, str]] = []
        for each in records:
            try:
                await self._operate(request, each.run_id)
            except HoldfastError as error:
                refused.append((each.run_id, error.message()))
            else:
                done.append(each.run_id)
        return BulkPage(tuple(done), tuple(refused), following)

    async def _operate(self, request: BulkRequest, run_id: str) -> None:
        operation = f"{request.operation_id}/{run_id}"
        match request.verb:
            case "cancel":
                await self.cancel(run_id, request.reason, operation)
            case "terminate":
                await self.terminate(run_id, request.reason, operation)
            case "pause":
                await self.pause(run_id, request.by, request.reason)
            case _:
                await self.resume(run_id)

    async def fork(self, request: ForkRequest) -> Forked:
        """Start a run that begins with what another one recorded. See `Engine.fork`.

        Locks that the other run held at the cut are asked for by the new one, for as long as it takes.
        """
        check_identifier(request.new_id, "the run id of the fork")
        queue = (await self.executions.described(request.run_id)).workflow_execution_info.task_queue
        source = await self.recorded(request.run_id)
        plan = plan_fork(request, source)
        past = past_of(plan, source.outcomes)
        pin = past.started.code_version if queue.startswith(PINNED) else ""
        started = await self.start_next(start_of(past, pin), IdPolicy(), past=past)
        return Forked(request.new_id, started.created, plan.recorded, plan.again, plan.keys)

    async def history(self, run_id: str, after: int = 0) -> list[RecordedEvent]:
        """Return an execution's events as ours. See `Engine.history`."""
        events = (await self.recorded(run_id)).events
        return [RecordedEvent(number, event) for number, event in enumerate(events, 1) if number > after]

    async def recorded(self, run_id: str) -> History:
        """Return an execution's history as ours, with where its drains end. Raises RunNotFoundError, HistoryError."""
        execution = (await self.executions.described(run_id)).workflow_execution_info.execution
        return await self.executions.history(execution)

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield events as they are recorded. See `Engine.watch`."""
        while True:
            closed = (await self.describe(run_id)).status in TERMINAL
            for each in await self.history(run_id, after):
                after = each.id
                yield each
            if closed:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def newest_change(self) -> Position:
        """Refuse: Temporal tells of runs one by one. See `Engine.newest_change`."""
        raise NotOnEngineError("feed of changes", ENGINE)

    async def changes(self, after: Position, limit: int) -> Changes:
        """Refuse: Temporal tells of runs one by one. See `Engine.changes`."""
        raise NotOnEngineError(f"feed of changes (after {after.page}, {limit})", ENGINE)

    async def explain(self, run_id: str) -> Explanation:
        """Return why a run does not move. See `Engine.explain`."""
        described = await self.executions.described(run_id)
        record = await with_fit(self._client, record_of(described.workflow_execution_info), described)
        return explain_run(record, described)

    async def outcome(self, run_id: str, timeout: float | None) -> Outcome | None:
        """Wait until a run has ended. See `Engine.outcome`."""
        execution = WorkflowExecution(workflow_id=run_id)
        try:
            async with asyncio.timeout(timeout):
                try:
                    return await self._ends.wait(execution)
                except RunNotFoundError:
                    named = await self.executions.find(run_id)
                    if named is None:
                        raise
                    return await self._ends.wait(named)
        except TimeoutError:
            return None


_NOBODY: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})


def _nobody(kind: str, name: str, run_id: str, seconds: float) -> NoOrchestratorError:
    return NoOrchestratorError(f"{kind} {name!r} of run {run_id!r} within {seconds:g} s")


def _named(run_id: str, number: int) -> str:
    return run_id if number == 1 else f"{run_id}@{number}"


def _query_error(name: str, error: RPCError, said: str) -> HoldfastError | None:
    """Return what became of a query: what its handler has raised; None when it was something else that went wrong."""
    if error.status != RPCStatusCode.INVALID_ARGUMENT:
        return None
    kind, _, text = said.partition(": ")
    if kind == UnknownNameError.__name__:
        return UnknownNameError("query", name, remedy=text.partition("\n")[2])
    return QueryError(name, kind, text)


def _update_error(run_id: str, name: str, cause: BaseException | None) -> HoldfastError:
    failure = Failure(type(cause).__name__, str(cause))
    if isinstance(cause, FailureError) and cause.failure is not None:
        own = error_of(cause.failure)
        if own is not None:
            return own
        failure = read_failure(cause.failure)
    if failure.type.startswith(REJECTED):
        return UpdateRejectedError(name, failure.type.removeprefix(REJECTED), failure.message)
    return UpdateFailedError(run_id, name, failure.type, failure.message, failure.traceback)
