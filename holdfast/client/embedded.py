"""The client side of a system that lives in a store.

Owns: the `Engine` port over a store, with a short cut where an orchestrator is in this process.
Must not know: workflows' types, which store, how an orchestrator works.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from holdfast.client.auditing import AuditingStore, audited
from holdfast.client.beginning import begins_at, first_event, first_page, input_digest, start_next
from holdfast.client.bulk import operate_on_many
from holdfast.client.ends import Ends
from holdfast.client.explaining import Situation, can_answer, decide_causes, gist, needs_events
from holdfast.client.forking import start_fork
from holdfast.errors import (
    FencedError,
    HoldfastError,
    NoOrchestratorError,
    RunClosedError,
    RunNotFoundError,
    RunStateError,
    UpdateFailedError,
)
from holdfast.history import (
    AnyEvent,
    UpdateCompleted,
    WorkflowStarted,
    check_identifier,
    check_text,
    open_page,
    outside_payloads,
    page_place,
    text_problem,
)
from holdfast.observe import tracer
from holdfast.ports.answers import decode_answer
from holdfast.ports.bus import REQUESTS, RUNS, Bus
from holdfast.ports.clock import Clock
from holdfast.ports.engine import (
    WAITING,
    Begin,
    BulkPage,
    BulkRequest,
    Cause,
    Explanation,
    Forked,
    ForkRequest,
    LocalOrchestrator,
    Outcome,
    RecordedEvent,
    StartRequest,
    Waiting,
    decode_end,
    encode_memo,
)
from holdfast.ports.operations import (
    PAUSED,
    TERMINAL,
    Ask,
    Carrying,
    Changes,
    Deliver,
    Gather,
    Gathered,
    IdPolicy,
    Membership,
    Operation,
    Pause,
    Position,
    Resume,
    RunFilter,
    RunRecord,
    Started,
    StartRun,
    StartSignal,
)
from holdfast.ports.store import Store

RUNS_FOLLOWED_MAX: Final = 10
"""How far a chain of runs that wait for one another is followed."""
WAITING_SECONDS: Final = 1.0
"""How long somebody who explains a run waits for its owner to say what its code waits for."""
LONG_EVENTS: Final = 2_000
"""Of a longer history it is remembered what is under way: who explains its run again reads what came since, only."""
GISTS_MAX: Final = 16
"""Of how many executions that is remembered: those that were asked about last."""
LOOK_SECONDS: Final = 0.25
"""How often to look for an answer or an end although nothing rang."""


class EmbeddedEngine:
    """Starts, messages and reads runs through the store. Implements `holdfast.ports.engine.Engine`."""

    schedules: Final = None
    """They are in the store."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        draw_seed: Callable[[], int],
        local: LocalOrchestrator | None = None,
        member: Callable[[], Membership | None] = lambda: None,
    ) -> None:
        """Speak to `store`.

        Args:
            store: where runs live.
            bus: tells the others that there is something to look at, and us that there is an answer.
            clock: seconds since the epoch.
            draw_seed: gives each run its seed: an integer below 2**63.
            local: an orchestrator in this process, which then owns the runs started here.
            member: who that orchestrator writes as.
        """
        self._store = store
        self._bus = bus
        self._clock = clock
        self._draw_seed = draw_seed
        self.local = local
        self._member = member
        self._rings = _Rings(bus)
        self._ends = Ends(store, bus, lambda: self.local)
        self._gists: dict[int, tuple[int, list[AnyEvent]]] = {}
        """By execution: up to which event it was read, and what that comes to."""

    def acting_as(self, actor: str) -> EmbeddedEngine:
        """Return the engine as somebody uses it. See `Engine.acting_as`."""
        engine = copy.copy(self)
        engine._store = audited(self._store, actor)  # noqa: SLF001 - its own
        return engine

    async def start(self, requests: Sequence[StartRequest]) -> list[Started]:
        """Start runs durably. See `Engine.start`."""
        spans = tracer()
        if spans is None or not requests:
            return await self._start_all(requests)
        with spans.starting(requests[0].workflow, requests[0].run_id, len(requests)):
            return await self._start_all(requests)

    async def _start_all(self, requests: Sequence[StartRequest]) -> list[Started]:
        try:
            return await self._start(requests, self.local, self._member())
        except FencedError:
            # This process was taken for dead: nothing was written. That is no reason not to start runs for others.
            return await self._start(requests, None, None)

    async def _start(
        self, requests: Sequence[StartRequest], local: LocalOrchestrator | None, membership: Membership | None
    ) -> list[Started]:
        now = self._clock.now()
        codec = self._store.codec
        operations: list[StartRun] = []
        events: list[WorkflowStarted] = []
        for given in requests:
            begins = begins_at(given, now)
            own = begins <= now and membership is not None and local is not None and local.knows(given.workflow)
            request = given
            if own and not given.code_version:
                assert local is not None
                request = local.versioned(given)
            event = first_event(request, request.run_id, begins, self._draw_seed())
            page, blobs = first_page(event, codec)
            operations.append(
                StartRun(
                    request.run_id,
                    request.workflow,
                    input_digest(request),
                    page,
                    blobs,
                    own,
                    request.code_version,
                    request.pin,
                    event.due,
                    attributes=tuple(request.attributes.items()),
                    memo=encode_memo(request.memo),
                    notices=tuple(each.encode() for each in request.notify),
                    start_at=begins if begins > now else 0.0,
                )
            )
            events.append(event)
        results = await self._store.write(operations, membership)
        refusal: HoldfastError | None = None
        rings = set()
        for operation, event, result in zip(operations, events, results, strict=True):
            if isinstance(result, HoldfastError):
                refusal = refusal or result
            elif result.created and operation.own:
                assert local is not None
                local.adopt(result, operation.page, event)
            elif result.created:
                rings.add(RUNS)
        if rings:
            self._bus.ring(rings)
        if refusal is not None:
            raise refusal
        return results

    async def start_next(self, request: StartRequest, policy: IdPolicy, signal: StartSignal | None = None) -> Started:
        """Start a run, or its next execution. See `Engine.start_next`."""
        started: Started = await self._start_next(request, policy, signal)
        if started.created or signal is not None:
            self._bus.ring([RUNS])
        return started

    async def _start_next(
        self,
        request: StartRequest,
        policy: IdPolicy,
        signal: StartSignal | None,
        note: Callable[[Operation], Carrying] | None = None,
    ) -> Any:
        spans = tracer()
        with contextlib.nullcontext() if spans is None else spans.starting(request.workflow, request.run_id, 1):
            return await start_next(self._store, self._clock, self._draw_seed, request, policy, signal, note)

    async def carry_out(self, act: Begin | Deliver | Pause | Resume, note: Callable[[Operation], Carrying]) -> Any:
        """Begin a run, tell one something, or operate one, with a note of it. See `Engine.carry_out`."""
        if not isinstance(act, Begin):
            return await self._operate(act, note(act))
        result = await self._start_next(act.request, act.policy, act.signal, note)
        self._bus.ring([RUNS])
        return result

    async def gather(self, event: Gather) -> Gathered:
        """Add an event to those that are to become one run. See `Engine.gather`."""
        for what, text in (("workflow", event.workflow), ("key", event.key), ("event's id", event.event_id)):
            if text:
                check_identifier(text, f"the {what} of a gathering")
        (result,) = await self._store.write([event])
        if isinstance(result, HoldfastError):
            raise result
        gathered: Gathered = result
        return gathered

    async def signal(self, run_id: str, name: str, payload: bytes, operation_id: str) -> None:
        """Deliver a signal durably. See `Engine.signal`."""
        check_identifier(name, "the name of the signal")
        await self._operate(Deliver(run_id, "signal", name, payload, operation_id))

    async def answer(self, run_id: str, number: int, name: str, payload: bytes) -> None:
        """Deliver the answer to a callback, once. See `Engine.answer`."""
        await self._operate(Deliver(run_id, "signal", name, payload, name, once=True, number=number))

    async def cancel(self, run_id: str, reason: str, operation_id: str) -> None:
        """Ask a run to stop. See `Engine.cancel`."""
        await self._operate(Deliver(run_id, "cancel", "", reason.encode(), operation_id))

    async def terminate(self, run_id: str, reason: str, operation_id: str) -> None:
        """End a run. See `Engine.terminate`."""
        await self._operate(Deliver(run_id, "terminate", "", reason.encode(), operation_id))

    async def pause(self, run_id: str, by: str, reason: str) -> None:
        """Keep a run from moving. See `Engine.pause`."""
        check_text(by, "who pauses the run")
        check_text(reason, "the reason for the pause")
        await self._operate(Pause(run_id, by, reason))

    async def resume(self, run_id: str) -> None:
        """Let a parked or paused run go on. See `Engine.resume`."""
        await self._operate(Resume(run_id))

    async def _operate(self, act: Deliver | Pause | Resume, carrying: Carrying | None = None) -> Any:
        spans = tracer() if isinstance(act, Deliver) else None
        if spans is None:
            return await self._write(act, carrying)
        assert isinstance(act, Deliver)
        with spans.telling(act.kind, act.run_id, act.name):
            return await self._write(act, carrying)

    async def _write(self, act: Deliver | Pause | Resume, carrying: Carrying | None) -> Any:
        _check_known(act.run_id)
        if isinstance(act, Deliver) and act.operation_id:
            check_identifier(act.operation_id, "the operation id")
        (result,) = await self._store.write([carrying or act])
        if isinstance(result, HoldfastError):
            raise result
        self._bus.ring([RUNS, REQUESTS] if isinstance(act, Resume) else [RUNS])
        return result

    async def query(self, run_id: str, name: str, payload: bytes, timeout: float) -> bytes:
        """Return a query's answer. See `Engine.query`."""
        await asyncio.sleep(0)  # else whoever asks until something is so keeps it from becoming so
        return await self._ask("query", run_id, name, payload, "", timeout)

    async def update(
        self,
        run_id: str,
        name: str,
        payload: bytes,
        operation_id: str,
        timeout: float,
    ) -> bytes:
        """Return an update's answer, once it is durable. See `Engine.update`."""
        if isinstance(self._store, AuditingStore):
            # Its run's owner carries it out, and knows nobody: it is noted before, so that none goes unnoted.
            await self.describe(run_id)
            await self._store.note("update", run_id, name)
        try:
            return await self._ask("update", run_id, name, payload, operation_id, timeout)
        except RunClosedError:
            # It may have been answered before the end, to somebody who did not live to hear it.
            for each in await self.history(run_id):
                if isinstance(each.event, UpdateCompleted) and each.event.update_id == operation_id:
                    return _answer_of(run_id, name, each.event)
            raise

    async def _ask(self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str, seconds: float) -> bytes:
        _check_known(run_id)
        check_identifier(name, f"the name of the {kind}")
        if operation_id:
            check_identifier(operation_id, "the operation id")
        try:
            async with asyncio.timeout(seconds):
                if self.local is not None and self._member() is not None:
                    answer = await self.local.ask(kind, run_id, name, payload, operation_id)
                    if answer is not None:
                        return answer
                return await self._ask_others(kind, run_id, name, payload, operation_id, seconds)
        except TimeoutError:
            if kind == "update" and (await self.describe(run_id)).status == PAUSED:
                remedy = f"It waited {seconds:g} s. Send it again once the run goes on: holdfast runs resume {run_id}"
                raise RunStateError(run_id, PAUSED, f"asked for update {name!r}", remedy) from None
            raise NoOrchestratorError(f"{kind} {name!r} of run {run_id!r} within {seconds:g} s") from None

    async def _ask_others(
        self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str, seconds: float
    ) -> bytes:
        if kind == "update":
            record = await self.describe(run_id)
            if record.status in TERMINAL:
                raise RunClosedError(run_id, record.status)
        expires_at = await self._store.now() + seconds
        (request_id,) = await self._store.write([Ask(run_id, kind, name, payload, operation_id, expires_at)])
        if isinstance(request_id, HoldfastError):
            raise request_id
        with self._rings.of(REQUESTS) as rung:
            self._bus.ring([REQUESTS])
            while (answer := await self._store.answer(request_id)) is None:
                await _wait(rung, LOOK_SECONDS)
        return decode_answer(answer)

    async def explain(self, run_id: str) -> Explanation:
        """Return why a run does not move. See `Engine.explain`."""
        record = await self.describe(run_id)
        causes = await self._causes(record, (record.execution,))
        return Explanation(record.run_id, record.execution, record.status, causes)

    async def _causes(self, record: RunRecord, seen: tuple[str, ...]) -> tuple[Cause, ...]:
        causes = decide_causes(await self._situation(record))
        return tuple([await self._followed(each, seen) for each in causes])

    async def _followed(self, cause: Cause, seen: tuple[str, ...]) -> Cause:
        """Return a cause with the reasons of the run it leads to."""
        if not cause.run or len(seen) > RUNS_FOLLOWED_MAX:
            return cause
        if cause.run in seen:
            path = " -> ".join((*seen[seen.index(cause.run) :], cause.run))
            return msgspec.structs.replace(cause, kind="deadlock", text=f"{cause.text}: a deadlock, {path}")
        holder = await self._store.run(cause.run)
        if holder is None:
            return cause
        return msgspec.structs.replace(cause, causes=await self._causes(holder, (*seen, cause.run)))

    async def _situation(self, record: RunRecord) -> Situation:
        store = self._store
        now = await store.now()
        situation = Situation(
            now=now,
            run=record,
            events=await self._gist(record) if needs_events(record, now) else (),
            queue=await store.queue(record.execution_id),
            fan_outs=await store.fan_outs(record.execution_id),
            inbox=await store.execution_inbox(record.execution_id),
            members=await store.members(),
            pools=await store.pools(),
            locks=await store.locks(),
        )
        if can_answer(situation):
            return replace(situation, waiting=await self._waiting(record))
        return situation

    async def _gist(self, record: RunRecord) -> list[AnyEvent]:
        """Return those events of an execution that say what is under way; a long one is read on from where it was."""
        known, before = self._gists.pop(record.execution_id, (0, []))
        if known > record.last_event:  # the store was put back to an earlier state
            known, before = 0, []
        recorded = await self._read(record, known)
        found = gist([*before, *(each.event for each in recorded)])
        last = recorded[-1].id if recorded else known
        if last > LONG_EVENTS:
            self._gists[record.execution_id] = last, found
            for oldest in list(self._gists)[:-GISTS_MAX]:
                del self._gists[oldest]
        return found

    async def _waiting(self, record: RunRecord) -> Waiting | None:
        """Return what a run's code says that it waits for; None when nobody says."""
        try:
            answer = await self._ask("query", record.run_id, WAITING, b"null", "", WAITING_SECONDS)
        except HoldfastError:
            return None
        return msgspec.json.decode(answer, type=Waiting)

    async def describe(self, run_id: str) -> RunRecord:
        """Return a run's newest execution. See `Engine.describe`."""
        _check_known(run_id)
        record = await self._store.run(run_id)
        if record is None:
            raise RunNotFoundError(run_id)
        return record

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return newest executions. See `Engine.runs`."""
        _check_filter(RunFilter(workflow, (status,) if status else ()) if where is None else where)
        return await self._store.runs(workflow=workflow, status=status, where=where, cursor=cursor, limit=limit)

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many runs `where` means. See `Engine.count`."""
        _check_filter(where)
        return await self._store.count(where, limit)

    async def bulk(self, request: BulkRequest, cursor: str | None, limit: int) -> BulkPage:
        """Do one thing to many runs. See `Engine.bulk`."""
        _check_filter(request.where)
        page = await operate_on_many(self._store, request, cursor, limit)
        self._bus.ring([RUNS, REQUESTS])
        return page

    async def fork(self, request: ForkRequest) -> Forked:
        """Start a run that begins with what another one recorded. See `Engine.fork`."""
        check_identifier(request.new_id, "the run id of the fork")
        source = await self.describe(request.run_id)
        recorded = [each.event for each in await self._read(source, 0)]
        store = self._store.forking(source.execution) if isinstance(self._store, AuditingStore) else self._store
        forked = await start_fork(store, request, source, recorded)
        self._bus.ring([RUNS])
        return forked

    async def history(self, run_id: str, after: int = 0) -> list[RecordedEvent]:
        """Return an execution's events. See `Engine.history`."""
        record = await self.describe(run_id)
        return await self._read(record, after)

    async def _read(self, record: RunRecord, after: int) -> list[RecordedEvent]:
        recorded: list[RecordedEvent] = []
        codec = self._store.codec
        for page in await self._store.pages(record.execution_id, after):
            place = b"" if codec is None else page_place(record.run_id, record.execution, page.first)
            events = open_page(page.body, codec, place)
            for event, field, reference in outside_payloads(events):
                setattr(event, field, await self._store.blob(reference.digest))
            recorded.extend(
                RecordedEvent(page.first + index, event)
                for index, event in enumerate(events)
                if page.first + index > after
            )
        return recorded

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield events as they are recorded. See `Engine.watch`."""
        record = await self.describe(run_id)
        while True:
            now = await self._store.execution(record.execution_id)  # the run may go on as another one
            closed = now is None or now.status in TERMINAL
            for each in await self._read(record, after):
                after = each.id
                yield each
            if closed:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def newest_change(self) -> Position:
        """Return where a reader stands who has read everything. See `Engine.newest_change`."""
        return await self._store.newest_change()

    async def changes(self, after: Position, limit: int) -> Changes:
        """Return how runs changed. See `Engine.changes`."""
        return await self._store.changes(after, limit)

    async def outcome(self, run_id: str, timeout: float | None) -> Outcome | None:
        """Wait until a run has ended. See `Engine.outcome`."""
        if timeout is None:
            return await self._end(run_id)
        try:
            async with asyncio.timeout(timeout):
                return await self._end(run_id)
        except TimeoutError:
            record = await self.describe(run_id)
            return decode_end(record.outcome) if record.status in TERMINAL else None

    async def _end(self, run_id: str) -> Outcome:
        local = self.local
        if local is not None and local.owns(run_id):
            future, waiter = local.watch_outcome(run_id), asyncio.current_task()
            assert waiter is not None
            cancellations = waiter.cancelling()
            try:
                return await future
            except asyncio.CancelledError:
                if waiter.cancelling() > cancellations or not future.cancelled():
                    raise
            # The orchestrator gave the run up: it ends elsewhere, or here once it is claimed again.
        return await self._ends.wait(run_id)


def _check_known(run_id: str) -> None:
    """Refuse an id that no run can have, so that it is not taken for another one that a store would make of it."""
    if text_problem(run_id):
        raise RunNotFoundError(run_id)


def _check_filter(where: RunFilter) -> None:
    """Refuse texts that nothing can be found by. Raises InputError."""
    attributes = [text for pair in where.attributes for text in pair]
    for text in (where.workflow or "", where.error, *where.workflows, *where.statuses, *attributes):
        check_text(text, "the filter of runs")


def _answer_of(run_id: str, name: str, event: UpdateCompleted) -> bytes:
    if event.failure is not None:
        raise UpdateFailedError(run_id, name, event.failure.type, event.failure.message, event.failure.traceback)
    assert isinstance(event.result, bytes), "payloads outside the page were read with it"
    return event.result


async def _wait(rung: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await rung.wait()
    rung.clear()


class _Rings:
    """Events that are set when a topic rings. One listener serves all who wait."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: dict[str, set[asyncio.Event]] = {}
        self._stop: Callable[[], None] | None = None

    @contextlib.contextmanager
    def of(self, topic: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever `topic` rings, while the block lasts."""
        event = asyncio.Event()
        if self._stop is None:
            self._stop = self._bus.listen(self._heard)
        self._events.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            self._events[topic].discard(event)
            if not any(self._events.values()):
                self._stop()
                self._stop = None

    def _heard(self, topics: frozenset[str]) -> None:
        for topic in topics:
            for event in self._events.get(topic, ()):
                event.set()
