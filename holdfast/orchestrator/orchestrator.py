"""The owner of runs: claims them, advances them, commits what they decide.

Owns: the parts it is made of, their beginning and their end, and what the client in this process asks of them.
Must not know: how tasks run, what a store is made of, HTTP.

Theory of operation
===================

    claim or adopt -> replay -> [ gather entries -> commit page -> apply its inputs -> dispatch commands ] -> close

Everything an execution learns becomes an entry, entries become a page, and only a
durable page is applied: a workflow goes on only after what it saw is durable. The
order is *commit, then apply, then dispatch*. Messages were committed by whoever sent them.

    claims      runs that nobody owns come into memory, through loading (replay)
    mailbox     messages become entries, as mail decides
    questions   queries are answered from memory or by replay; updates become entries
    earlier     updates asked again after their run went on as a new execution are known
    timers      what is due becomes an entry
    ahead       messages are applied before their page, so that it has what comes of them, too
    writer      entries become pages, all executions' pages one commit
    landings    what is durable is applied; what comes of it goes to dispatch
    dispatch    commands act, or become entries; outcomes of first attempts become entries
    departures  executions leave memory: closed, taken by others, given up, or evicted
    reaper      what dead members owned becomes nobody's, to be claimed

Between them is `memory`: who is there, and who has got something to write. `waiters` are told how
things end. `standing` says whether, and as whom, this process may write; `looks`, when the store is
looked at; `aside` runs what nobody waits for. Nobody reaches into another: each is handed what it
needs when it is made, below.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from holdfast.engine import Execution
from holdfast.errors import DivergenceError, FencedError, HoldfastError, StoreError
from holdfast.history import CancelRequested, Page, TimerFired, WorkflowStarted, WorkflowTimedOut
from holdfast.observe import Meters, Tracer, logger, warn_of
from holdfast.orchestrator.ahead import Ahead
from holdfast.orchestrator.aside import Aside
from holdfast.orchestrator.claims import Claims, version_of
from holdfast.orchestrator.departures import Departures
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.earlier import Earlier
from holdfast.orchestrator.landings import Landings
from holdfast.orchestrator.late_outcomes import LateOutcomes
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.loading import FanOuts
from holdfast.orchestrator.looks import Looks
from holdfast.orchestrator.mailbox import Mailbox
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.portability import Portability
from holdfast.orchestrator.questions import Questions
from holdfast.orchestrator.reaper import Reaper
from holdfast.orchestrator.standing import Standing
from holdfast.orchestrator.timers import DEADLINE, Timers
from holdfast.orchestrator.waiters import Waiters
from holdfast.orchestrator.writer import Writer
from holdfast.ports.bus import Bus
from holdfast.ports.callbacks import unsigned
from holdfast.ports.clock import Clock
from holdfast.ports.engine import TIME_IS_UP, Outcome, StartRequest
from holdfast.ports.operations import Fit, Membership, Started
from holdfast.ports.program import Guard, Versioned
from holdfast.ports.store import Store
from holdfast.ports.task import TaskCall, TaskRunner

log = logger("holdfast.orchestrator")


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
    is_portable: bool = False
    """Whether to warn of runs that would not fit on Temporal."""


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
        poisoned: Callable[[TaskCall], str] | None = None,
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
            poisoned: says what is recorded as done about a task that workers died of; None does nothing.
            settings: see OrchestratorSettings.
        """
        settings = settings or OrchestratorSettings()
        meters = meters if meters is not None else Meters()
        self._store = store
        self._bus = bus
        self._now = now = clock.now
        self._programs = programs
        self._names = names
        self._guard = guard
        self._fenced = fenced
        self._sign = sign
        self._standing = standing = Standing(self._lost)
        self._aside = aside = Aside(standing)
        self._pools = pools
        self._looks = looks = Looks(settings.poll_seconds, jitter)
        self._memory = memory = Memory(settings.live_runs_max, looks.want)
        self._waiters = waiters = Waiters()
        self._timers = timers = Timers(now, self._timer_due)
        self._dispatcher = dispatcher = Dispatcher(
            runner,
            pools,
            now,
            jitter,
            memory.touch,
            LateOutcomes(store, standing, aside).hand_in,
            codec=store.codec,
            promote_seconds=settings.promote_seconds,
            attempts_max=settings.attempts_max,
            poisoned=poisoned,
        )
        self._departures = departures = Departures(store, standing, aside, looks, memory, timers, waiters, dispatcher)
        writing = asyncio.Lock()
        self._mailbox = mailbox = Mailbox(store, standing, aside, memory, dispatcher, departures, meters, writing)
        earlier = Earlier(store)
        self._landings = landings = Landings(
            standing,
            looks,
            memory=memory,
            timers=timers,
            waiters=waiters,
            dispatcher=dispatcher,
            departures=departures,
            mailbox=mailbox,
            earlier=earlier,
            meters=meters,
            tracer=tracer,
            tell_closed=closed,
        )
        self._writer = Writer(store, standing, memory, Ahead(dispatcher), landings, now, jitter, writing)
        self._writer.portability = Portability() if settings.is_portable else None
        self._claims = claims = Claims(
            store,
            standing,
            programs,
            guard,
            sign,
            memory=memory,
            timers=timers,
            dispatcher=dispatcher,
            departures=departures,
            mailbox=mailbox,
            meters=meters,
            explain=explain,
        )
        self._questions = Questions(
            store,
            bus,
            standing,
            aside,
            programs,
            names,
            guard,
            memory=memory,
            waiters=waiters,
            departures=departures,
            claims=claims,
            earlier=earlier,
            meters=meters,
            now=now,
        )
        self._reaper = Reaper(
            store,
            bus,
            standing,
            looks,
            jitter,
            reap_seconds=settings.reap_seconds,
            recoveries_max=settings.recoveries_max,
        )
        self._write_loop: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    @property
    def live_runs(self) -> int:
        """How many executions are in memory."""
        return len(self._memory)

    @property
    def next_due(self) -> float | None:
        """When it has to look at a run again because of the time, as far as it knows; None for never."""
        return self._timers.next_due

    # --- Life ------------------------------------------------------------------------------------------------

    async def open(self, membership: Membership) -> None:
        """Begin to claim and advance runs as `membership`."""
        self._standing.membership = membership
        fits = [Fit(name, version) for name in self._names() if (version := version_of(self._programs(name)))]
        if fits:
            await self._store.write(fits, membership)
        self._stop_listening = self._bus.listen(self._looks.rung)
        await self._learn_pools()
        self._looks.want_runs()
        self._write_loop = asyncio.create_task(self._writer.run(), name="holdfast orchestrator")
        self._write_loop.add_done_callback(self._stopped)
        for each in (self._look_loop(), self._reaper.run()):
            loop = asyncio.create_task(each, name="holdfast orchestrator")
            loop.add_done_callback(self._stopped)
            self._aside.keep(loop)

    async def close(self) -> None:
        """Write down what is known, disown what waits, and leave nothing behind.

        What does not wait for anything is disowned by the member's farewell: somebody has to go on with it at once.
        """
        self._standing.draining = True
        if self._stop_listening is not None:
            self._stop_listening()
        self._timers.stop()
        self._dispatcher.close()
        await self._aside.stop()
        lives = self._memory.by_id
        idle = [live for live in lives.values() if live.is_idle and not live.is_dirty]
        for live in lives.values():
            self._dispatcher.hand_over(live)
        with contextlib.suppress(HoldfastError):
            await self._writer.flush()
            await self._departures.release(idle)
        if self._write_loop is not None:
            self._write_loop.cancel()
            await asyncio.gather(self._write_loop, return_exceptions=True)
        await self._aside.stop()
        for live in list(lives.values()):
            self._departures.forget(live)
        self._waiters.close()

    def drop_all(self) -> None:
        """Forget every execution without writing anything: this member is not their owner any more."""
        self._departures.forget_all()

    async def _look_loop(self) -> None:
        looks = self._looks
        while True:
            polled = await looks.next()
            try:
                if looks.take_mail() or polled:
                    await self._mailbox.read()
                if (looks.take_runs() or polled) and not self._standing.draining:
                    await self._claims.claim(self._names())
                if looks.take_pools():
                    await self._learn_pools()
                if looks.take_requests() or polled:
                    await self._questions.answer_requests()
                self._departures.evict_surplus()
            except FencedError:
                self._standing.lose()
            except StoreError as error:
                warn_of(log, "the store cannot be read", error)

    async def _learn_pools(self) -> None:
        """Start no tasks here of pools that are paused or limited: those go through the queue, which knows."""
        self._dispatcher.serve(self._pools - {rule.pool for rule in await self._store.pool_rules()})

    def _stopped(self, loop: asyncio.Task[None]) -> None:
        """Give up the membership when a part that must not end has ended: others do better with its runs."""
        if not loop.cancelled() and (error := loop.exception()) is not None:
            log.error("the orchestrator failed", exc_info=error)
            self._standing.lose()

    def _lost(self) -> None:
        self.drop_all()
        self._fenced()

    # --- LocalOrchestrator: what the client in this process asks -----------------------------------------------

    def knows(self, workflow: str) -> bool:
        """Say whether it runs this workflow."""
        standing = self._standing
        return not standing.draining and standing.membership is not None and self._programs(workflow) is not None

    def versioned(self, request: StartRequest) -> StartRequest:
        """Return a start with the version of the code it is for. See `LocalOrchestrator`."""
        program = self._programs(request.workflow)
        version = version_of(program)
        pin = version if program is not None and program.pinned else ""
        return msgspec.structs.replace(request, code_version=version, pin=pin)

    @property
    def membership(self) -> Membership | None:
        """Who it writes as."""
        return self._standing.membership

    def adopt(self, started: Started, page: Page, event: WorkflowStarted) -> None:
        """Go on with an execution that was started as owned by this member. See `LocalOrchestrator`."""
        if self._standing.membership is None or self._standing.draining:
            return  # the lease went while this was written: whoever reaps it finds the run
        program = self._programs(event.workflow)
        assert program is not None
        fan_outs = FanOuts(self._store, started.execution_id)
        execution = Execution(program, self._guard, fan_outs.open)
        execution.runtime.sign = self._sign
        live = Live(started.execution_id, event.run_id, event.execution, event.workflow, execution)
        live.head, live.last = page.hash, page.last
        live.traceparent = event.traceparent
        live.fan_outs = fan_outs
        self._memory.admit(live)
        if event.due:
            self._timers.add(live, DEADLINE, event.due)
        self._landings.apply(live, event, 1)

    async def ask(self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str) -> bytes | None:
        """Answer a query or an update. See `LocalOrchestrator`."""
        return await self._questions.ask(kind, run_id, name, payload, operation_id)

    def owns(self, run_id: str) -> bool:
        """Say whether it owns the run. See `LocalOrchestrator`."""
        return run_id in self._memory.by_run

    def open_steps(self, run_id: str) -> tuple[str, ...]:
        """Return the steps under way of a run it owns; none for others."""
        live = self._memory.by_run.get(run_id)
        return tuple(live.execution.open) if live is not None else ()

    def unread_signals(self, run_id: str) -> tuple[str, ...]:
        """Return the names of signals that a run it owns has got and not taken; none for others."""
        live = self._memory.by_run.get(run_id)
        unread = live.execution.unread() if live is not None else []
        return tuple(each.name for each in unread if not isinstance(each, CancelRequested))

    def watch_outcome(self, run_id: str) -> asyncio.Future[Outcome]:
        """Return a future of how a run it owns ends. See `LocalOrchestrator`."""
        return self._waiters.for_end(run_id)

    def look(self) -> None:
        """Look at the store soon: something was put there."""
        self._looks.want_runs()

    # --- Timers ------------------------------------------------------------------------------------------------

    def _timer_due(self, live: Live, step: str, due: float) -> None:
        if step == DEADLINE:
            self._time_out(live)
        if live.execution_id not in self._memory.by_id or step not in live.execution.open:
            return
        live.entries.append(TimerFired(max(due, self._now()), -1, step))
        self._memory.touch(live)

    def _time_out(self, live: Live) -> None:
        if live.closing is None and not live.execution.closed:
            self._dispatcher.abandon(live)
            live.closing = WorkflowTimedOut(self._now(), TIME_IS_UP)
            self._memory.touch(live)
