"""What becomes of each command a drain issued.

Owns: which commands are recorded first and which act at once, and the first
attempts of tasks that run in this process.
Must not know: commits, claims, the store.

A task may start before its call is recorded: nothing is lost if the process dies,
because replay issues the same call again under the same idempotency key. When the
outcome comes soon, call and outcome are recorded together, in one write. What
takes longer is *promoted*: its call becomes a row of the task queue, owned by this
member, so that another member takes it over when this one dies.

When a run is taken away from this member (it was paused, say), its promoted attempts
go on: what comes of them goes where every worker's outcomes go, to the run's inbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

import msgspec

from holdfast.engine import Issued, decide_retry, input_digest, kept_key
from holdfast.history import (
    AcquireLock,
    Attempt,
    CancelChild,
    CancelFanOut,
    CancelRun,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    Codec,
    Command,
    CompleteRun,
    CompleteUpdate,
    ContinueRun,
    FailRun,
    Failure,
    Input,
    MarkPatch,
    OpenCallback,
    ParkRun,
    ReleaseLock,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SetAttributes,
    StartChild,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskOptions,
    TaskTimedOut,
)
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.offspring import make_child, make_message
from holdfast.orchestrator.side_effects import SideEffects
from holdfast.ports.operations import (
    ChildCancel,
    FinishOwnTask,
    FreezeRate,
    LockRequest,
    Operation,
    QueueFanOut,
    QueueTask,
    RetryOwnTask,
)
from holdfast.ports.task import (
    AttemptOutcome,
    Parks,
    PutOff,
    RunningAttempt,
    TaskCall,
    TaskRunner,
    plain,
    remedy_of,
)

PROMOTE_SECONDS: Final = 0.05
"""A first attempt that takes longer than this is made durable (setting `promote_seconds`)."""

CHUNK_ITEMS: Final = 200
"""Items of a fan-out that are claimed together, at most."""
CHUNKS_MIN: Final = 32
"""A fan-out is cut into at least this many chunks where it has the items, so that many workers can share it."""

_RECORDED_FIRST: Final = frozenset({
    AcquireLock, CancelChild, CancelFanOut, CancelRun, CancelTimer, CompleteRun, CompleteUpdate, FailRun, OpenCallback,
    ReleaseLock, SendMessage, SetAttributes, StartChild, StartFanOut, StartTimer,
})  # fmt: skip
"""Commands that only stand in the page with the drain's other facts, and act once that is durable."""

_encode_options: Final = msgspec.msgpack.Encoder().encode
_encode_attempts: Final = msgspec.msgpack.Encoder().encode
_encode_event: Final = msgspec.msgpack.Encoder().encode
_NOT_TRIED: Final = _encode_attempts(())
"""The attempts so far of a task that was put off at its first: none."""


class FirstAttempt:
    """A task's first attempt, under way in this process before its call was recorded."""

    __slots__ = ("call", "detached", "issued", "live", "promoted", "running", "started")

    def __init__(self, live: Live, issued: Issued, call: TaskCall, started: float) -> None:
        self.live = live
        self.issued = issued
        self.call = call
        self.started = started
        self.running: RunningAttempt | None = None
        self.promoted = False
        self.detached = False
        """Its execution is not this member's any more; its outcome goes to the execution's inbox."""


class Dispatcher:
    """Carries out the commands of the executions in memory, as far as that needs no store."""

    def __init__(  # noqa: PLR0913 - the seams it stands between
        self,
        runner: TaskRunner,
        pools: frozenset[str],
        now: Callable[[], float],
        jitter: Callable[[], float],
        touched: Callable[[Live], None],
        hand_in: Callable[[Operation], None],
        *,
        codec: Codec | None = None,
        promote_seconds: float = PROMOTE_SECONDS,
        attempts_max: int = 1_000,
        poisoned: Callable[[TaskCall], str] | None = None,
    ) -> None:
        """Start tasks of `pools` here; the others wait in the queue for their workers.

        Args:
            runner: runs first attempts in this process.
            pools: the pools this process serves.
            now: seconds since the epoch.
            jitter: uniform in [0, 1), for retry delays.
            touched: called with each execution that has got something to write.
            hand_in: writes the outcome of an attempt whose execution was taken away meanwhile.
            codec: encrypts the first pages of children.
            promote_seconds: see PROMOTE_SECONDS.
            attempts_max: first attempts under way at once; more go through the queue.
            poisoned: says what is recorded as done about a task that workers died of.
        """
        self._poisoned = poisoned
        self._runner = runner
        self._pools = pools
        self._now = now
        self._jitter = jitter
        self._touched = touched
        self._hand_in = hand_in
        self._side_effects = SideEffects(now, touched, hand_in)
        self._codec = codec
        self._promote_seconds = promote_seconds
        self._attempts_max = attempts_max
        self._running: deque[FirstAttempt] = deque()
        self._detached: set[FirstAttempt] = set()
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._options: dict[int, tuple[TaskOptions, bytes]] = {}
        self._quick: dict[str, TaskOptions] = {}
        """By task, the options with which its calls were found to be quick last."""

    @property
    def attempts(self) -> int:
        """How many first attempts are under way."""
        return self._count

    def dispatch(self, live: Live, commands: list[Issued]) -> None:
        """Act on, or note down, each command of a drain."""
        for issued in commands:
            command = issued.command
            if type(command) is ScheduleTask:
                if self._count < self._attempts_max and (
                    self._quick.get(command.task) is command.options or self._is_quick(command)
                ):
                    self._start(live, issued, command)
                else:
                    self._queue(live, issued, command)
                continue
            self._note(live, issued)
        if live.is_dirty:
            self._touched(live)

    def remedied(self, live: Live, event: TaskFailed) -> TaskFailed:
        """Return the outcome of a task that workers died of, with what is to be done about it."""
        waiting = live.execution.open.get(event.step)
        if self._poisoned is None or waiting is None or not isinstance(waiting.command, ScheduleTask):
            return event
        command = waiting.command
        key = _keyed(live, command).idempotency_key or f"{live.name}/{event.step}"
        call = TaskCall(live.run_id, live.name, event.step, command.task, command.input, command.options, key)
        return msgspec.structs.replace(event, remedy=self._poisoned(call))

    def note_ahead(self, live: Live, commands: list[Issued]) -> bool:
        """Note down the commands of a drain whose input is not history yet; say whether that was done.

        It is not where one of them acts before it is recorded, or has a place of its own in its page.
        """
        if not all(self._can_wait(live, each.command) for each in commands):
            return False
        for issued in commands:
            if type(issued.command) is ScheduleTask:
                self._queue(live, issued, issued.command)
            else:
                self._note(live, issued)
        return True

    def serve(self, pools: frozenset[str]) -> None:
        """Start tasks of `pools` here from now on, and of no others."""
        if pools != self._pools:
            self._pools = pools
            self._quick.clear()

    def close(self) -> None:
        """Stop looking after first attempts."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.abandon_detached()

    def abandon(self, live: Live) -> None:
        """Stop the first attempts of an execution that is not this member's any more."""
        for attempt in list(live.busy.values()):
            assert isinstance(attempt, FirstAttempt)
            running, attempt.running = attempt.running, None
            self._count -= 1
            if running is not None:
                running.cancel()
        live.busy.clear()
        self._side_effects.abandon(live)

    def hand_over(self, live: Live) -> None:
        """Stop the first attempts of an execution after they were made durable: others go on with them.

        They may have had their effect. Whoever has the execution next, perhaps with other code, has to know of them.
        """
        for attempt in live.busy.values():
            assert isinstance(attempt, FirstAttempt)
            if not attempt.promoted:
                self._make_durable(attempt)
        self.abandon(live)

    def detach(self, live: Live) -> None:
        """Let go of an execution that was taken from this member: what is durable of its first attempts goes on."""
        for step, attempt in list(live.busy.items()):
            assert isinstance(attempt, FirstAttempt)
            if attempt.promoted and attempt.running is not None:
                del live.busy[step]
                attempt.detached = True
                self._detached.add(attempt)
        self.abandon(live)
        # What ended meanwhile and was refused with the rest of the page. Refused again, it was not durable.
        for entry in live.entries:
            if isinstance(entry, TaskCompleted | TaskFailed | TaskTimedOut):
                self._hand_in(FinishOwnTask(live.execution_id, entry.step, 1, _encode_event(entry)))
        for row in live.beside.queue:
            if row.failures:
                again = (row.visible_at, row.failures, row.progress)
                self._hand_in(RetryOwnTask(live.execution_id, row.step, 1, *again))

    def abandon_detached(self) -> None:
        """Stop the attempts that go on for executions of others."""
        detached, self._detached = self._detached, set()
        for attempt in detached:
            running, attempt.running = attempt.running, None
            attempt.detached = False
            self._count -= 1
            if running is not None:
                running.cancel()

    # --- Commands that are recorded before they act ------------------------------------------------------------

    def _can_wait(self, live: Live, command: Command) -> bool:
        if type(command) is ScheduleTask:
            return not self._is_quick(command)
        if type(command) is CancelTask:
            return command.step not in live.busy
        return type(command) in _RECORDED_FIRST

    def _queue(self, live: Live, issued: Issued, command: ScheduleTask) -> None:
        live.entries.append(issued)
        live.beside.queue.append(self._queued(live, command, self._now()))

    def _note(self, live: Live, issued: Issued) -> None:
        command = issued.command
        match command:
            case StartTimer() | CancelTimer() | CompleteUpdate() | OpenCallback():
                live.entries.append(issued)
            case SetAttributes():
                live.entries.append(issued)
                live.beside.attributes.update(command.attributes)
            case CancelTask():
                self._cancel(live, issued, command)
            case AcquireLock():
                live.entries.append(issued)
                live.beside.lock.append(LockRequest(command.step, command.name, command.slots))
            case ReleaseLock():
                live.entries.append(issued)
                if not live.withdraw(command.step):
                    live.beside.unlock.append(command.step)
            case StartFanOut():
                live.entries.append(issued)
                live.beside.fan_outs.append(self._fan_out(live, command))
            case CancelFanOut():
                live.entries.append(issued)
                _unqueue(live, command.step)
            case MarkPatch():
                live.mark(issued)
            case RunSideEffect():
                self._side_effects.start(live, command.step, issued)
            case CancelSideEffect():
                self._side_effects.cancel(live, command.step)
                live.entries.append(issued)
            case ParkRun():
                live.entries.append(issued)
                live.park = command.reason
            case StartChild() | CancelChild() | SendMessage():
                live.entries.append(issued)
                self._reach_out(live, command)
            case CompleteRun() | FailRun() | CancelRun() | ContinueRun():
                live.closing = issued
            case ScheduleTask():
                raise AssertionError("tasks are dispatched on their own path")
            case _:
                assert_never(command)

    def _reach_out(self, live: Live, command: StartChild | CancelChild | SendMessage) -> None:
        match command:
            case StartChild():
                live.beside.children.append(make_child(live, command, self._now(), self._codec))
            case CancelChild():
                live.beside.stop.append(ChildCancel(command.step, command.reason))
            case SendMessage():
                live.beside.messages.append(make_message(live, command))

    def _cancel(self, live: Live, issued: Issued, command: CancelTask) -> None:
        attempt = live.busy.pop(command.step, None)
        if attempt is None:
            live.entries.append(issued)
            _unqueue(live, command.step)
            return
        assert isinstance(attempt, FirstAttempt)
        running, attempt.running = attempt.running, None
        self._count -= 1
        if not attempt.promoted:
            # It may have had its effect: history says that it was called.
            live.entries.append(attempt.issued)
        live.entries.append(issued)
        if attempt.promoted:
            _unqueue(live, command.step)
        if running is not None:
            running.cancel()

    def _fan_out(self, live: Live, command: StartFanOut) -> QueueFanOut:
        items = max(1, min(CHUNK_ITEMS, -(-len(command.items) // CHUNKS_MIN)))
        return QueueFanOut(
            step=command.step,
            task=command.task,
            pool=command.options.pool,
            priority=command.options.priority,
            options=self._encoded(_keyed(live, command)),
            failures_max=command.failures_max,
            items=command.items,
            chunk_items=items,
            traceparent=live.traceparent,
        )

    def _queued(self, live: Live, command: ScheduleTask, queued_at: float, *, own: bool = False) -> QueueTask:
        limits = command.options.limits
        delay = 0.0 if limits is None else limits.delay
        return QueueTask(
            step=command.step,
            task=command.task,
            input=command.input,
            pool=command.options.pool,
            priority=command.options.priority,
            options=self._encoded(_keyed(live, command)),
            visible_at=queued_at + delay if delay else 0.0,
            queued_at=queued_at + delay,
            own=own,
            traceparent=live.traceparent,
            limits=limits,
        )

    def _encoded(self, options: TaskOptions) -> bytes:
        # Nearly all calls of a task share one options object, the definition's.
        kept = self._options.get(id(options))
        if kept is None or kept[0] is not options:
            if len(self._options) >= 1_000:
                self._options.clear()
            kept = self._options[id(options)] = (options, _encode_options(options))
        return kept[1]

    # --- First attempts in this process ------------------------------------------------------------------------

    def _is_quick(self, command: ScheduleTask) -> bool:
        options = command.options
        quick = (
            options.pool in self._pools
            and options.record == "auto"
            and not options.idempotency_key  # which only the queue hands on
            and options.limits is None
            and self._runner.is_quick(command.task, options)
        )
        if quick:
            self._quick[command.task] = options
        return quick

    def _start(self, live: Live, issued: Issued, command: ScheduleTask) -> None:
        now = self._now()
        step = command.step
        name = live.name
        key = f"{name}/{step}"
        if live.keys is not None:
            key = _keyed(live, command).idempotency_key or key
        call = TaskCall(live.run_id, name, step, command.task, command.input, command.options, key, 1, 0, now)
        if live.traceparent:
            call = msgspec.structs.replace(call, traceparent=live.traceparent)
        attempt = FirstAttempt(live, issued, call, now)
        live.busy[step] = attempt
        self._count += 1
        running = self._runner.start(call, partial(self._done, attempt))
        if running is not None and step in live.busy:
            attempt.running = running
            self._running.append(attempt)
            if self._handle is None:
                self._handle = asyncio.get_running_loop().call_later(self._promote_seconds, self._promote)

    def _promote(self) -> None:
        self._handle = None
        now = self._now()
        running = self._running
        while running:
            attempt = running[0]
            if attempt.running is not None:
                left = attempt.started + self._promote_seconds - now
                if left > 0:
                    self._handle = asyncio.get_running_loop().call_later(left, self._promote)
                    return
                self._make_durable(attempt)
            running.popleft()

    def _make_durable(self, attempt: FirstAttempt) -> None:
        live, command = attempt.live, attempt.issued.command
        assert isinstance(command, ScheduleTask)
        attempt.promoted = True
        live.entries.append(attempt.issued)
        live.beside.queue.append(self._queued(live, command, attempt.started, own=True))
        self._touched(live)

    def _done(self, attempt: FirstAttempt, call: TaskCall, outcome: AttemptOutcome) -> None:
        live = attempt.live
        step = call.step
        if live.busy.get(step) is not attempt:
            if attempt.detached:
                self._conclude(attempt, outcome)
            return  # cancelled or abandoned; nobody here waits for it
        del live.busy[step]
        attempt.running = None
        self._count -= 1
        if attempt.promoted:
            _unqueue(live, step)
        else:
            live.entries.append(attempt.issued)
        if outcome.result is not None:
            live.entries.append(TaskCompleted(outcome.ended, -1, step, outcome.result))
        else:
            self._failed(attempt, outcome)
        self._touched(live)

    def _conclude(self, attempt: FirstAttempt, outcome: AttemptOutcome) -> None:
        self._detached.discard(attempt)
        attempt.running = None
        self._count -= 1
        execution_id, step = attempt.live.execution_id, attempt.call.step
        if outcome.result is not None:
            event: Input = TaskCompleted(outcome.ended, -1, step, outcome.result)
        else:
            decided = self._decide_failed(attempt, outcome)
            if isinstance(decided, tuple):
                self._hand_in(RetryOwnTask(execution_id, step, 1, *decided, outcome.progress))
                return
            event = decided
        self._hand_in(FinishOwnTask(execution_id, step, 1, _encode_event(event)))

    def _failed(self, attempt: FirstAttempt, outcome: AttemptOutcome) -> None:
        live, call = attempt.live, attempt.call
        decided = self._decide_failed(attempt, outcome)
        if isinstance(decided, Input):
            live.entries.append(decided)
            return
        visible_at, failures = decided
        command = attempt.issued.command
        assert isinstance(command, ScheduleTask)
        again = self._queued(live, command, call.queued_at)
        live.beside.queue.append(
            msgspec.structs.replace(
                again,
                attempt=1 if failures == _NOT_TRIED else 2,
                visible_at=visible_at,
                failures=failures,
                progress=outcome.progress,
            )
        )

    def _decide_failed(self, attempt: FirstAttempt, outcome: AttemptOutcome) -> Input | tuple[float, bytes]:
        """Return the final outcome, or when to try again and the encoded attempts so far."""
        call, options = attempt.call, attempt.call.options
        failure = outcome.failure or Failure("CancelledError", "the attempt was cancelled")
        if isinstance(failure, PutOff):
            if (
                options.total_timeout is None
                or outcome.ended + failure.seconds < call.queued_at + options.total_timeout
            ):
                if failure.rate and failure.freezes:
                    self._hand_in(FreezeRate(failure.rate, failure.seconds, call.idempotency_key))
                return outcome.ended + failure.seconds, _NOT_TRIED
            failure = failure.as_failure(final=True)
        if isinstance(failure, Parks):
            self._hand_in(failure.report(attempt.live.execution_id))
            self._keep_calls(attempt, outcome)
            return outcome.ended, _NOT_TRIED
        described = plain(failure)
        tried = (Attempt(1, outcome.started, outcome.ended, "", described),)
        delay = decide_retry(options.retry, 1, failure, self._jitter())
        total = options.total_timeout
        if delay is not None and total is not None and outcome.ended + delay > call.queued_at + total:
            delay = None
        if delay is not None:
            return outcome.ended + delay, _encode_attempts(tried)
        self._keep_calls(attempt, outcome)
        remedy = remedy_of(failure)
        if outcome.timeout:
            return TaskTimedOut(outcome.ended, -1, call.step, outcome.timeout, described, tried, "", remedy)
        return TaskFailed(outcome.ended, -1, call.step, described, tried, "", remedy)

    def _keep_calls(self, attempt: FirstAttempt, outcome: AttemptOutcome) -> None:
        for each in outcome.recorded(attempt.live.execution_id, attempt.call.step):
            self._hand_in(each)


def _keyed(live: Live, command: ScheduleTask | StartFanOut) -> TaskOptions:
    """Return a call's options, with the idempotency key it keeps when its execution is a fork."""
    options = command.options
    if live.keys is None:
        return options
    digest = input_digest(command.input) if isinstance(command, ScheduleTask) else command.digest[:8].hex()
    key = kept_key(live.keys, command.step, digest)
    return msgspec.structs.replace(options, idempotency_key=key) if key else options


def _unqueue(live: Live, step: str) -> None:
    if not live.withdraw(step):
        live.beside.unqueue.append(step)
