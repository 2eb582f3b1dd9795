"""The owner of runs: claims them, advances them, commits what they decide.

Owns: the executions in memory, and the order *commit, then apply, then dispatch*.
Must not know: how tasks run, what a store is made of, HTTP.

Theory of operation
===================

    claim or adopt -> replay -> [ gather entries -> commit page -> apply its inputs -> dispatch commands ] -> close

Everything an execution learns becomes an entry, entries become a page, and only a
durable page is applied: a workflow goes on only after what it saw is durable. All
executions with something to write share one commit, and each has at most one page
in flight, so what arrives meanwhile is written together next time. Writing
together never means draining together: inputs are applied one by one.

Rings of the bus and a slow, jittered poll both lead to the same look at the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.engine import Execution, recover
from holdfast.errors import (
    DivergenceError,
    EncryptionError,
    FencedError,
    HoldfastError,
    InboxUnreadError,
    QueryError,
    RunClosedError,
    RunNotFoundError,
    StoreCorruptError,
    StoreError,
    UnknownNameError,
    UpdateFailedError,
    UpdateRejectedError,
)
from holdfast.history import (
    UNASKED,
    AnyEvent,
    CancelRequested,
    Input,
    Page,
    ParkRun,
    RunResumed,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
    describe_failure,
)
from holdfast.observe import EndedRun, Meters, Tracer, logger
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.live import Live, outcome_of
from holdfast.orchestrator.loading import load, open_fan_out, read_history
from holdfast.orchestrator.mail import decide_entry
from holdfast.orchestrator.offspring import make_continuation
from holdfast.orchestrator.timers import DEADLINE, Timers
from holdfast.ports.answers import encode_error, encode_result
from holdfast.ports.bus import CLOSED, REQUESTS, RUNS, TASKS, Bus
from holdfast.ports.callbacks import is_answer, unsigned
from holdfast.ports.clock import Clock
from holdfast.ports.engine import TIME_IS_UP, WAITING, Outcome, StartRequest, Waiting
from holdfast.ports.operations import (
    CONTINUED_AS_NEW,
    PARKED,
    PAUSED,
    TERMINAL,
    Answer,
    Append,
    ClaimedRun,
    ClaimRuns,
    Closing,
    Fit,
    Membership,
    Operation,
    Reap,
    Reaped,
    ReleaseRuns,
    ReturnRequest,
    RunRecord,
    Started,
    TakeRequests,
)
from holdfast.ports.program import Guard, Versioned
from holdfast.ports.store import Store
from holdfast.ports.task import TaskRunner

log = logger("holdfast.orchestrator")

CLAIM_RUNS_MAX: Final = 256
"""Executions claimed in one go."""
LOAD_SECONDS_MAX: Final = 0.02
"""How long claimed runs are replayed before others get the event loop."""
RETRY_WRITE_SECONDS: Final = 0.5
"""How long to wait after a commit that failed as a whole."""

_encode_outcome: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class OrchestratorSettings:
    """How an orchestrator behaves. Times in seconds."""

    live_runs_max: int = 10_000
    """Executions kept in memory; idle ones above this are evicted, least recently used first."""
    poll_seconds: float = 1.0
    """How often to look at the store although nothing rang."""
    reap_seconds: float = 5.0
    """How often to look for dead members."""
    recoveries_max: int = 10
    """A run whose owners died this often in a row without any progress is parked (`max_recoveries`)."""
    promote_seconds: float = 0.05
    """A first attempt that takes longer is made durable."""
    attempts_max: int = 1_000
    """First attempts in this process at once."""


class Orchestrator:
    """Owns executions on behalf of one member. See the module's theory of operation."""

    def __init__(  # noqa: PLR0913 - the seams it stands between
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        programs: Callable[[str], Versioned | None],
        names: Callable[[], tuple[str, ...]],
        runner: TaskRunner,
        guard: Guard,
        *,
        pools: frozenset[str],
        jitter: Callable[[], float],
        fenced: Callable[[], None],
        sign: Callable[[str, str, float], str] = unsigned,
        meters: Meters | None = None,
        tracer: Tracer | None = None,
        closed: Callable[[str, str], None] | None = None,
        explain: Callable[[int, str, DivergenceError], Awaitable[DivergenceError]] | None = None,
        settings: OrchestratorSettings | None = None,
    ) -> None:
        """Make an orchestrator; `open` starts it.

        Args:
            store: where the truth is; its writes are group commits.
            bus: rings when there is something to look at.
            clock: seconds since the epoch, in step with the store's.
            programs: finds a workflow by name.
            names: names of all workflows that may be claimed.
            runner: runs first attempts of tasks in this process.
            guard: keeps workflow code deterministic.
            pools: pools whose tasks may start in this process.
            jitter: uniform in [0, 1).
            fenced: called once when this member turns out to have lost its lease.
            sign: makes the URL of a callback from execution, step, and when it expires.
            meters: counts what becomes of runs.
            tracer: makes spans of runs that have ended; None makes none.
            closed: called with the name and the status of each execution that has closed.
            explain: says of an execution of a workflow that diverged how its code departed, in the words of a replay.
            settings: see OrchestratorSettings.
        """
        self._store = store
        self._codec = store.codec
        self._bus = bus
        self._clock = clock
        self._programs = programs
        self._names = names
        self._guard = guard
        self._fenced = fenced
        self._sign = sign
        self._tracer = tracer
        self._meters = meters if meters is not None else Meters()
        self._tell_closed = closed
        self._explain = explain
        self._jitter = jitter
        self._settings = settings or OrchestratorSettings()
        self._membership: Membership | None = None
        self._live: OrderedDict[int, Live] = OrderedDict()
        self._by_run: dict[str, Live] = {}
        self._dirty: dict[int, Live] = {}
        self._answers: dict[tuple[int, str], list[asyncio.Future[UpdateCompleted]]] = {}
        self._ends: dict[str, list[asyncio.Future[Outcome]]] = {}
        self._write_wanted = asyncio.Event()
        self._look_wanted = asyncio.Event()
        self._mail_wanted = False
        self._asked = False
        self._claiming = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._timers = Timers(clock.now, self._timer_due)
        self._dispatcher = Dispatcher(
            runner,
            pools,
            clock.now,
            jitter,
            self._touch,
            self._hand_in,
            codec=store.codec,
            promote_seconds=self._settings.promote_seconds,
            attempts_max=self._settings.attempts_max,
        )
        self._stop_listening: Callable[[], None] | None = None
        self.draining = False

    @property
    def live_runs(self) -> int:
        """How many executions are in memory."""
        return len(self._live)

    @property
    def next_due(self) -> float | None:
        """When it has to look at a run again because of the time, as far as it knows; None for never."""
        return self._timers.next_due

    # --- Life ------------------------------------------------------------------------------------------------

    async def open(self, membership: Membership) -> None:
        """Begin to claim and advance runs as `membership`."""
        self._membership = membership
        fits = [Fit(name, version) for name in self._names() if (version := _version_of(self._programs(name)))]
        if fits:
            await self._store.write(fits, membership)
        self._stop_listening = self._bus.listen(self._rung)
        self._mail_wanted = True
        self._look_wanted.set()
        self._writer = asyncio.create_task(self._write_loop(), name="holdfast orchestrator")
        self._writer.add_done_callback(self._stopped)
        for each in (self._look_loop(), self._reap_loop()):
            loop = asyncio.create_task(each, name="holdfast orchestrator")
            loop.add_done_callback(self._stopped)
            self._keep(loop)

    async def close(self) -> None:
        """Write down what is known, disown what waits, and leave nothing behind.

        What does not wait for anything is disowned by the member's farewell: somebody has to go on with it at once.
        """
        self.draining = True
        if self._stop_listening is not None:
            self._stop_listening()
        self._timers.stop()
        self._dispatcher.close()
        await self._stop_background()
        idle = [live for live in self._live.values() if live.is_idle and not live.is_dirty]
        for live in self._live.values():
            self._dispatcher.hand_over(live)
        with contextlib.suppress(HoldfastError):
            await self._flush()
            await self._release(idle)
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._stop_background()
        for live in list(self._live.values()):
            self._forget(live)
        for ends in self._ends.values():
            _cancel_all(ends)
        for answers in self._answers.values():
            _cancel_all(answers)

    async def _stop_background(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def drop_all(self) -> None:
        """Forget every execution without writing anything: this member is not their owner any more."""
        for live in list(self._live.values()):
            self._forget(live)
        self._dirty.clear()
        self._dispatcher.abandon_detached()

    # --- LocalOrchestrator: what the client in this process asks -----------------------------------------------

    def knows(self, workflow: str) -> bool:
        """Say whether it runs this workflow."""
        return not self.draining and self._membership is not None and self._programs(workflow) is not None

    def versioned(self, request: StartRequest) -> StartRequest:
        """Return a start with the version of the code it is for. See `LocalOrchestrator`."""
        program = self._programs(request.workflow)
        version = _version_of(program)
        pin = version if program is not None and program.pinned else ""
        return msgspec.structs.replace(request, code_version=version, pin=pin)

    @property
    def membership(self) -> Membership | None:
        """Who it writes as."""
        return self._membership

    def adopt(self, started: Started, page: Page, event: WorkflowStarted) -> None:
        """Go on with an execution that was started as owned by this member. See `LocalOrchestrator`."""
        if self._membership is None or self.draining:
            return  # the lease went while this was written: whoever reaps it finds the run
        program = self._programs(event.workflow)
        assert program is not None
        opened = open_fan_out(self._store, started.execution_id)
        execution = Execution(program, self._guard, opened)
        execution.runtime.sign = self._sign
        live = Live(started.execution_id, event.run_id, event.execution, event.workflow, execution)
        live.head, live.last = page.hash, page.last
        live.traceparent = event.traceparent
        self._admit(live)
        if event.due:
            self._timers.add(live, DEADLINE, event.due)
        self._apply(live, event, 1)

    async def ask(self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str) -> bytes | None:
        """Answer a query or an update. See `LocalOrchestrator`."""
        live = self._by_run.get(run_id)
        if live is None:
            record = await self._store.run(run_id)
            if record is None:
                raise RunNotFoundError(run_id)
            if record.status in TERMINAL or record.status in {PARKED, PAUSED}:
                if kind == "update":
                    if record.status == PAUSED:
                        return None  # it waits in the store, as a request
                    raise RunClosedError(run_id, record.status)
                return await self._query_stored(record, name, payload)
            if self._programs(record.workflow) is None:
                return None
            if record.owner:
                async with self._claiming:  # if it is this member's, it may be on its way into memory
                    live = self._by_run.get(run_id)
            else:
                await self._claim((record.workflow,))
                live = self._by_run.get(run_id)
            if live is None:
                if kind == "query":
                    return await self._query_stored(record, name, payload)
                return None
        self._live.move_to_end(live.execution_id)
        return (
            self._query(live, name, payload)
            if kind == "query"
            else await self._update(live, name, payload, operation_id)
        )

    def owns(self, run_id: str) -> bool:
        """Say whether it owns the run. See `LocalOrchestrator`."""
        return run_id in self._by_run

    def open_steps(self, run_id: str) -> tuple[str, ...]:
        """Return the steps under way of a run it owns; none for others."""
        live = self._by_run.get(run_id)
        return tuple(live.execution.open) if live is not None else ()

    def unread_signals(self, run_id: str) -> tuple[str, ...]:
        """Return the names of signals that a run it owns has got and not taken; none for others."""
        live = self._by_run.get(run_id)
        unread = live.execution.unread() if live is not None else []
        return tuple(each.name for each in unread if not isinstance(each, CancelRequested))

    def watch_outcome(self, run_id: str) -> asyncio.Future[Outcome]:
        """Return a future of how a run it owns ends. See `LocalOrchestrator`."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run_id, []).append(future)
        return future

    def look(self) -> None:
        """Look at the store soon: something was put there."""
        self._mail_wanted = True
        self._look_wanted.set()

    # --- Queries and updates -----------------------------------------------------------------------------------

    def _query(self, live: Live, name: str, payload: bytes) -> bytes:
        try:
            return _query_execution(live.execution, name, payload)
        finally:
            if live.execution.tainted and live.is_idle:
                self._spawn(self._release, [live])

    async def _query_stored(self, record: RunRecord, name: str, payload: bytes) -> bytes:
        program = self._programs(record.workflow)
        if program is None:
            raise UnknownNameError("workflow", record.workflow, self._names())
        events, _, _ = await read_history(self._store, record.execution_id, record.run_id, record.execution)
        execution = Execution(program, self._guard, open_fan_out(self._store, record.execution_id))
        try:
            if isinstance(events[-1], UNASKED):
                events.pop()
            self._meters.replayed()
            recover(execution, events)
            return _query_execution(execution, name, payload)
        finally:
            execution.evict()

    async def _update(self, live: Live, name: str, payload: bytes, update_id: str) -> bytes | None:
        known = live.updates.get(update_id)
        if known is None:
            if update_id not in live.updates:
                if live.goes_on:
                    return None  # it is for the execution that follows
                if live.closing is not None or live.execution.closed:
                    raise RunClosedError(live.run_id, "closing")
                self._validate(live, name, payload)
                live.updates[update_id] = None
                live.entries.append(UpdateAccepted(self._clock.now(), -1, update_id, name, payload))
                self._touch(live)
            future: asyncio.Future[UpdateCompleted] = asyncio.get_running_loop().create_future()
            self._answers.setdefault((live.execution_id, update_id), []).append(future)
            await asyncio.wait([future])
            if future.cancelled():
                return None  # the run went elsewhere; asked again with the same id there, it is the same update
            known = future.result()
        if known.failure is not None:
            failure = known.failure
            raise UpdateFailedError(live.run_id, name, failure.type, failure.message, failure.traceback)
        assert isinstance(known.result, bytes)
        return known.result

    def _validate(self, live: Live, name: str, payload: bytes) -> None:
        try:
            live.execution.validate(name, payload)
        except UnknownNameError:
            raise
        except Exception as error:
            failure = describe_failure(error)
            raise UpdateRejectedError(name, failure.type, failure.message) from error

    async def _answer_requests(self) -> None:
        if self._membership is None:
            return
        (requests,) = await self._store.write([TakeRequests(limit=64)], self._membership)
        for request in requests:
            self._spawn(self._answer, request)

    async def _answer(self, request: Any) -> None:
        try:
            result = await self.ask(request.kind, request.run_id, request.name, request.body, request.operation_id)
            if result is None:  # its owner answers: another member, or this one once it has the run in memory
                await self._store.write([ReturnRequest(request.request_id)], self._membership)
                return
            body = encode_result(result)
        except HoldfastError as error:
            body = encode_error(error)
        await self._store.write([Answer(request.request_id, body)], self._membership)
        self._bus.ring([REQUESTS])

    # --- Claiming ----------------------------------------------------------------------------------------------

    def _rung(self, topics: frozenset[str]) -> None:
        if RUNS in topics:
            self._mail_wanted = True
            self._look_wanted.set()
        if REQUESTS in topics:
            self._asked = True
            self._look_wanted.set()

    async def _look_loop(self) -> None:
        while True:
            timeout = self._settings.poll_seconds * (0.75 + 0.5 * self._jitter())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._look_wanted.wait()
            polled = not self._look_wanted.is_set()
            self._look_wanted.clear()
            try:
                if self._mail_wanted or polled:
                    self._mail_wanted = False
                    await self._read_mail()
                    if not self.draining:
                        await self._claim(self._names())
                if self._asked or polled:
                    self._asked = False
                    await self._answer_requests()
                self._evict_surplus()
            except FencedError:
                self._lost()
            except StoreError as error:
                log.warning("the store cannot be read", error=str(error))

    async def _claim(self, names: tuple[str, ...]) -> None:
        if not names or self._membership is None:
            return
        async with self._claiming:
            while True:
                (claimed,) = await self._store.write([self._wanted(names)], self._membership)
                await self._load_all(claimed)
                if len(claimed) < CLAIM_RUNS_MAX:
                    return

    def _wanted(self, names: tuple[str, ...]) -> ClaimRuns:
        programs = [self._programs(name) for name in names]
        return ClaimRuns(
            names,
            CLAIM_RUNS_MAX,
            tuple(_version_of(each) for each in programs),
            tuple(each.name for each in programs if each is not None and each.pinned),
        )

    async def _load_all(self, claimed: Sequence[ClaimedRun]) -> None:
        clock = asyncio.get_running_loop().time
        yielded = clock()
        for each in claimed:
            if self._membership is None:
                return  # the lease went meanwhile, and with it what was claimed
            await self._load(each)
            if clock() - yielded > LOAD_SECONDS_MAX:
                # Others want the loop too. Not after each: what a slice of time brought is committed together.
                await asyncio.sleep(0)
                yielded = clock()

    async def _load(self, claimed: ClaimedRun) -> None:
        program = self._programs(claimed.workflow)
        if program is None or claimed.execution_id in self._live:
            return
        try:
            live, tail = await load(
                self._store, self._guard, program, claimed.execution_id, claimed.run_id, claimed.execution, self._sign
            )
        except StoreCorruptError as error:
            await self._park(claimed, error)
            return
        except StoreError as error:
            log.warning("run not loaded, trying again", **_about(claimed), error=str(error))
            self._spawn(self._disown, claimed.execution_id)
            return
        except HoldfastError as error:
            await self._park(claimed, error)
            return
        if self._membership is None:
            live.execution.evict()
            return
        self._meters.replayed()
        live.unstable = claimed.recoveries > 0
        self._admit(live)
        for step, due in list(live.timers.items()):
            self._timers.add(live, step, due)
        started = live.execution.runtime.started
        if started is not None and started.due:
            self._timers.add(live, DEADLINE, started.due)
        for row in await self._store.execution_inbox(claimed.execution_id):
            self._enter(live, row)
        self._dispatcher.dispatch(live, tail)
        live.park = live.park or _parked_for(live)
        if live.unstable and not live.busy:
            # It came back and waits: whatever killed its owners, it was not this run.
            live.stable = True
        if live.is_dirty:
            self._touch(live)

    async def _park(self, claimed: ClaimedRun, error: HoldfastError) -> None:
        if isinstance(error, DivergenceError) and self._explain is not None:
            error = await self._explain(claimed.execution_id, claimed.workflow, error)
        reason = f"DIVERGED {error}" if isinstance(error, DivergenceError) else f"UNREADABLE {error}"
        log.error("run parked", **_about(claimed), reason=reason)
        self._meters.park(reason)
        misfit = _version_of(self._programs(claimed.workflow)) if isinstance(error, DivergenceError) else ""
        await self._store.write([Append(claimed.execution_id, None, park=reason, misfit=misfit)], self._membership)

    async def _park_unreadable(self, live: Live, error: EncryptionError) -> None:
        """Park a run with a message that cannot be decrypted here. The message stays where it is."""
        async with self._flushing:  # no write of it is under way
            if self._live.get(live.execution_id) is not live:
                return
            self._forget(live)
            reason = f"UNREADABLE {error}"
            log.error("run parked", **live.about, reason=reason)
            self._meters.park(reason)
            await self._store.write([Append(live.execution_id, None, park=reason)], self._membership)

    def _fail(self, live: Live, error: HoldfastError) -> None:
        """Let go of a run whose history its code cannot go on with. Replayed, it says the same, and is parked."""
        log.error("run cannot go on", **live.about, error=str(error))
        self._give_up(live.execution_id, live)

    async def _read_mail(self) -> None:
        if self._membership is None:
            return
        for row in await self._store.inbox(self._membership):
            live = self._live.get(row.execution_id)
            if row.kind == "taken":
                if live is None or not live.flying:  # else the write tells, or the next look does
                    self._give_up(row.execution_id, live)
            elif live is not None:
                self._enter(live, row)

    def _enter(self, live: Live, row: Any) -> None:
        if row.inbox_id <= live.inbox_read:
            return
        try:
            entry = decide_entry(row, live.execution)
        except EncryptionError as error:
            self._spawn(self._park_unreadable, live, error)
            return
        live.inbox_read = row.inbox_id
        if type(entry) is RunResumed and any(type(each) is RunResumed for each in live.entries):
            entry = None  # it was told twice, and goes on once
        if isinstance(entry, WorkflowTerminated):
            self._dispatcher.abandon(live)
            live.closing = entry
        elif entry is not None:
            live.entries.append(entry)
        else:
            live.stable = True  # an empty write, that the row goes
        self._touch(live)

    # --- Committing --------------------------------------------------------------------------------------------

    def _touch(self, live: Live) -> None:
        dirty = self._dirty
        if not dirty:  # else the writer is awake already, or about to try again
            self._write_wanted.set()
        dirty[live.execution_id] = live

    async def _write_loop(self) -> None:
        while True:
            await self._write_wanted.wait()
            self._write_wanted.clear()
            try:
                await self._flush()
            except FencedError:
                self._lost()
            except StoreError as error:
                log.warning("commit failed, trying again", error=str(error))
                await asyncio.sleep(RETRY_WRITE_SECONDS * (0.5 + self._jitter()))
                self._write_wanted.set()

    async def _flush(self) -> None:
        async with self._flushing:
            await self._write_dirty()

    async def _write_dirty(self) -> None:
        while self._dirty:
            if self._membership is None:
                self._dirty.clear()
                return  # nothing here is this member's to write
            batch, self._dirty = self._dirty, {}
            now = self._clock.now()
            lives: list[tuple[Live, Page | None, list[AnyEvent]]] = []
            operations: list[Append] = []
            for live in batch.values():
                if live.flying or not live.is_dirty or live.execution_id not in self._live:
                    continue
                operations.append(self._append(live, now, lives))
            if not operations:
                return
            try:
                results = await self._store.write(operations, self._membership)
            except BaseException:
                for live, _, _ in lives:
                    live.land(None, durable=False)
                    self._dirty[live.execution_id] = live
                raise
            rings: set[str] = set()
            for (live, page, events), operation, result in zip(lives, operations, results, strict=True):
                if result is True:
                    live.land(page, durable=True)
                    if operation.queue or operation.fan_outs:
                        rings.add(TASKS)
                    try:
                        if operation.park:
                            self._parked(live, operation.park, events)
                        else:
                            self._written(live, page, events)
                    except HoldfastError as error:  # this run cannot go on; the others of the batch do
                        self._fail(live, error)
                else:
                    self._refused(live, result)
            if rings:
                self._bus.ring(rings)

    def _append(self, live: Live, now: float, lives: list[tuple[Live, Page | None, list[AnyEvent]]]) -> Append:
        blobs: dict[bytes, bytes] = {}
        page, events = live.make_page(now, blobs, self._codec)
        closing = None
        if live.closing is not None:
            outcome = outcome_of(events[-1])
            assert outcome is not None
            following = (
                make_continuation(live, events, now, self._codec) if outcome.status == CONTINUED_AS_NEW else None
            )
            closing = Closing(outcome.status, _encode_outcome(outcome), following)
        if live.unstable and page is not None:
            live.unstable = False
            live.stable = True
        lives.append((live, page, events))
        blobs_stored = tuple(blobs.items()) if blobs else ()
        read, stable, park = live.inbox_read, live.stable, live.park and (live.park if live.parks else "")
        beside = live.take_off()
        if beside is None:
            return Append(live.execution_id, page, blobs_stored, closing, read, stable=stable, park=park)
        return Append(
            live.execution_id,
            page,
            blobs_stored,
            closing,
            read,
            queue=tuple(beside.queue),
            unqueue=tuple(beside.unqueue),
            fan_outs=tuple(beside.fan_outs),
            lock=tuple(beside.lock),
            unlock=tuple(beside.unlock),
            stable=stable,
            park=park,
            outgoing=beside.outgoing,
            attributes=tuple(beside.attributes.items()),
        )

    def _written(self, live: Live, page: Page | None, events: list[AnyEvent]) -> None:
        if page is None:
            if live.is_dirty:
                self._touch(live)
            return
        outcome = outcome_of(events[-1]) if live.closing is not None else None
        if self.draining and outcome is None:
            # Whoever has it next goes on from here. It does not wait for anything, so it is not disowned as idle.
            for event in events:
                if type(event) is UpdateCompleted:
                    self._answered(live, event)
            self._forget(live)
            return
        event_id = page.first
        for event in events:
            if isinstance(event, Input):
                if outcome is None:
                    self._apply(live, event, event_id)
            elif type(event) is TimerStarted:
                if event.step in live.execution.open:
                    self._timers.add(live, event.step, event.due)
            elif type(event) is TimerCancelled:
                self._timers.drop(live, event.step)
            elif type(event) is UpdateCompleted:
                self._answered(live, event)
            event_id += 1
        if outcome is not None:
            started = live.execution.runtime.started
            began = events[-1].time if started is None else started.time
            ended = events[-1].time
            self._meters.closed(live.workflow, outcome.status, ended - began)
            if self._tracer is not None:
                about = EndedRun(live.run_id, live.name, live.workflow, outcome.status, live.traceparent, began, ended)
                self._tracer.end_run(about)
            self._closed(live, outcome)
        elif live.is_dirty:
            self._touch(live)

    def _parked(self, live: Live, reason: str, events: list[AnyEvent]) -> None:
        """Let go of an execution that parked itself: nobody owns it until it is resumed."""
        log.warning("run parked", **live.about, reason=reason)
        self._meters.park(reason)
        for event in events:
            if type(event) is UpdateCompleted:
                self._answered(live, event)
        self._let_go(live)

    def _apply(self, live: Live, event: Any, event_id: int) -> None:
        commands = live.execution.advance(event, event_id)
        if commands:
            self._dispatcher.dispatch(live, commands)

    def _refused(self, live: Live, refusal: Any) -> None:
        live.land(None, durable=False)
        if isinstance(refusal, InboxUnreadError):
            self._spawn(self._read_unread, live)
        else:
            log.warning("append refused", **live.about, error=str(refusal))
            self._let_go(live)
            # If it is still this member's after all (a commit whose answer was lost), it is claimed again and replayed.
            self._spawn(self._disown, live.execution_id)

    async def _read_unread(self, live: Live) -> None:
        for row in await self._store.execution_inbox(live.execution_id):
            self._enter(live, row)
        self._touch(live)

    async def _disown(self, execution_id: int) -> None:
        with contextlib.suppress(HoldfastError):
            await self._store.write([ReleaseRuns((execution_id,), ready=True)], self._membership)
            self.look()

    def _answered(self, live: Live, event: UpdateCompleted) -> None:
        live.updates[event.update_id] = event
        if live.goes_on and event.update_id in live.execution.turned_away:
            _cancel_all(self._answers.pop((live.execution_id, event.update_id), ()))
            return  # no code has seen it: it is for the execution that follows
        for future in self._answers.pop((live.execution_id, event.update_id), ()):
            if not future.done():
                future.set_result(event)

    def _closed(self, live: Live, outcome: Outcome) -> None:
        if outcome.status != CONTINUED_AS_NEW:
            for future in self._ends.pop(live.run_id, ()):
                if not future.done():
                    future.set_result(outcome)
            for update_id in live.updates:
                for answer in self._answers.pop((live.execution_id, update_id), ()):
                    if not answer.done():
                        answer.set_exception(RunClosedError(live.run_id, outcome.status))
        else:
            # Whoever waits for the run's end, or for an answer that no code was asked for, is told to look elsewhere.
            self._asked = True
            self._look_wanted.set()
        self._forget(live)
        self._bus.ring([CLOSED])
        if self._tell_closed is not None:
            self._tell_closed(live.name, outcome.status)

    # --- Timers -----------------------------------------------------------------------------------

    def _timer_due(self, live: Live, step: str, due: float) -> None:
        if step == DEADLINE:
            self._time_out(live)
        if live.execution_id not in self._live or step not in live.execution.open:
            return
        live.entries.append(TimerFired(max(due, self._clock.now()), -1, step))
        self._touch(live)

    def _time_out(self, live: Live) -> None:
        if live.closing is None and not live.execution.closed:
            self._dispatcher.abandon(live)
            live.closing = WorkflowTimedOut(self._clock.now(), TIME_IS_UP)
            self._touch(live)

    # --- Memory ------------------------------------------------------------------------------------------------

    def _admit(self, live: Live) -> None:
        self._live[live.execution_id] = live
        self._by_run[live.run_id] = live
        if len(self._live) > self._settings.live_runs_max:
            self._look_wanted.set()

    def _forget(self, live: Live) -> None:
        self._live.pop(live.execution_id, None)
        self._dirty.pop(live.execution_id, None)
        if self._by_run.get(live.run_id) is live:
            del self._by_run[live.run_id]
            # Whoever waits for its end, or for an answer, looks elsewhere, unless it was told just now.
            _cancel_all(self._ends.pop(live.run_id, ()))
        for update_id, answer in live.updates.items():
            if answer is None:
                _cancel_all(self._answers.pop((live.execution_id, update_id), ()))
        self._timers.forget(live)
        self._dispatcher.abandon(live)
        live.execution.evict()

    def _give_up(self, execution_id: int, live: Live | None) -> None:
        if live is not None:
            self._let_go(live)
        self._spawn(self._disown, execution_id)

    def _let_go(self, live: Live) -> None:
        """Forget an execution that was taken from this member, who goes on being one."""
        self._dispatcher.detach(live)
        self._forget(live)

    def _hand_in(self, operation: Operation) -> None:
        self._spawn(self._write_outcome, operation)

    async def _write_outcome(self, operation: Operation) -> None:
        # Refused, it is about something nobody wants any more, or that somebody else does.
        while self._membership is not None and not self.draining:
            try:
                await self._store.write([operation], self._membership)
            except FencedError:
                raise
            except StoreError as error:
                log.warning("outcome not written, trying again", error=str(error))
                await asyncio.sleep(RETRY_WRITE_SECONDS)
            else:
                return

    def _evict_surplus(self) -> None:
        surplus = len(self._live) - self._settings.live_runs_max
        if surplus <= 0:
            return
        idle: list[Live] = []
        for live in self._live.values():
            if live.is_idle and not live.is_dirty:
                idle.append(live)
                if len(idle) >= surplus:
                    break
        if idle:
            self._spawn(self._release, idle)

    async def _release(self, lives: list[Live]) -> None:
        operations: list[Any] = []
        for live in lives:
            wake_at = min(live.timers.values(), default=None)
            operations.append(Append(live.execution_id, None, wake_at=wake_at, wake_changed=True))
            self._forget(live)
        operations.append(ReleaseRuns(tuple(live.execution_id for live in lives)))
        while lives:
            try:
                await self._store.write(operations, self._membership)
            except FencedError:
                raise
            except StoreError as error:
                # They are out of memory already: until this is written, nobody owns them in deed.
                log.warning("could not disown runs, trying again", error=str(error))
                if self.draining:
                    raise
                await asyncio.sleep(RETRY_WRITE_SECONDS)
            else:
                return

    # --- Members -----------------------------------------------------------------------------------------------

    async def _reap_loop(self) -> None:
        while True:
            await asyncio.sleep(self._settings.reap_seconds * (0.75 + 0.5 * self._jitter()))
            try:
                (reaped,) = await self._store.write([Reap(self._settings.recoveries_max)], self._membership)
            except FencedError:
                self._lost()
                return
            except StoreError as error:
                log.warning("could not look for dead members", error=str(error))
                continue
            if isinstance(reaped, Reaped) and reaped.members:
                log.warning("members died", members=reaped.members, runs=reaped.runs, tasks=reaped.tasks)
                self.look()
                self._bus.ring([RUNS, TASKS])

    def _stopped(self, loop: asyncio.Task[None]) -> None:
        """Give up the membership when a part that must not end has ended: others do better with its runs."""
        if not loop.cancelled() and (error := loop.exception()) is not None:
            log.error("the orchestrator failed", exc_info=error)
            self._lost()

    def _lost(self) -> None:
        if self._membership is not None:
            log.error("this member has lost its lease; its work belongs to others now")
            self._membership = None
            self.drop_all()
            self._fenced()

    # --- Background --------------------------------------------------------------------------------------------

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        self._keep(asyncio.create_task(self._guarded(function, *args), name="holdfast orchestrator aside"))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _guarded(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        try:
            await function(*args)
        except FencedError:
            self._lost()
        except HoldfastError as error:
            log.warning("could not finish in the background", error=str(error))


def _version_of(program: Versioned | None) -> str:
    """Return the code version that keeps runs apart; empty where there is no code."""
    return "" if program is None else program.code_version


def _about(claimed: ClaimedRun) -> dict[str, str]:
    """Return the fields that say in a log which run it is about."""
    return {"run_id": claimed.run_id, "execution": claimed.execution, "workflow": claimed.workflow}


def _parked_for(live: Live) -> str:
    """Return why an execution in memory is to be parked again: its code parked it, and nobody has resumed it."""
    if any(type(each) is RunResumed for each in live.entries):
        return ""
    commands = (each.command for each in live.execution.open.values())
    return next((each.reason for each in commands if type(each) is ParkRun), "")


def _cancel_all(futures: Iterable[asyncio.Future[Any]]) -> None:
    for future in futures:
        future.cancel()


def _query_execution(execution: Execution, name: str, payload: bytes) -> bytes:
    if name == WAITING:
        signals = tuple(each for each in execution.awaited if not is_answer(each))
        return msgspec.json.encode(Waiting(signals, execution.where()))
    try:
        return execution.query(name, payload)
    except UnknownNameError:
        raise
    except Exception as error:
        failure = describe_failure(error)
        raise QueryError(name, failure.type, failure.message) from error
