"""Tasks as Temporal's activities.

Owns: one attempt at a task as an activity, its beats, and what its end is for Temporal.
Must not know: workflows, how an attempt runs.

The attempt is run by the same runner as on the embedded engine: in a thread or a process of its own where it has to be,
under its own time-outs, with its own heartbeats. Besides, this process says every few seconds that it lives: a worker
that is killed or frozen loses its tasks within the heartbeat time-out, and one that comes back is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from holdfast.engine import decide_retry
from holdfast.errors import UnknownNameError
from holdfast.history import Failure, TaskOptions, describe_failure
from holdfast.ports.task import AttemptOutcome, PutOff, RunningAttempt, TaskCall, TaskRunner
from holdfast.temporal.chunks import ChunkRun, ChunkUnfinishedError
from holdfast.temporal.commands import SIDE_EFFECT
from holdfast.temporal.failures import carry, carry_attempt, carry_delay
from holdfast.temporal.interceptors import incoming_header
from holdfast.temporal.mapping import PREFIX, Progress, decode_chunk, read_progress
from holdfast.temporal.options import TIMER_SECONDS_MIN, delay_of
from holdfast.temporal.own import Call, read_call
from holdfast.temporal.payloads import NOTHING, NULL, raw, read_arguments
from holdfast.temporal.returning import note_cancelled, note_return


class Activities:
    """The activities of one worker."""

    def __init__(
        self,
        runner: TaskRunner | None,
        options_of: Callable[[str], TaskOptions],
        jitter: Callable[[], float],
        side_effects: dict[str, Callable[[], bytes | Awaitable[bytes]]],
        beat_seconds: float,
    ) -> None:
        """Run tasks.

        Args:
            runner: runs attempts in this process; None where only side effects are called.
            options_of: gives how a task is run that somebody else's workflow has called; raises UnknownNameError.
            jitter: uniform in [0, 1), for the wait before another attempt.
            side_effects: functions that wait to be called, by place.
            beat_seconds: how often this process says that it lives.
        """
        self.runner = runner
        """What runs attempts; a plugin has it while its worker runs."""
        self._options_of = options_of
        self._jitter = jitter
        self._side_effects = side_effects
        self._beat_seconds = beat_seconds
        self.callables: list[Callable[..., Any]] = [self.call_side_effect]
        """What Temporal's SDK calls."""
        if runner is not None:
            self.callables.append(self.perform)

    def named(self, task: str) -> Callable[..., Any]:
        """Return an activity for one task alone."""

        async def perform(value: RawValue = NOTHING) -> RawValue:
            return await self._attempt([value])

        return activity.defn(name=task)(perform)

    def mapped(self, task: str) -> Callable[..., Any]:
        """Return an activity for chunks of one task alone."""

        async def perform(value: RawValue) -> RawValue:
            return await self._chunk([value])

        return activity.defn(name=f"{PREFIX}{task}")(perform)

    @activity.defn(dynamic=True)
    async def perform(self, values: Sequence[RawValue]) -> RawValue:
        """Make one attempt at the task, or the chunk, that the activity is called like; return its result."""
        if activity.info().activity_type.startswith(PREFIX):
            return await self._chunk(values)
        return await self._attempt(values)

    async def _chunk(self, values: Sequence[RawValue]) -> RawValue:
        info, call = activity.info(), read_call(incoming_header.get())
        assert self.runner is not None, "this is no activity where nothing runs attempts"
        part = None if call is None else call.fan_out
        if call is None or part is None:
            raise ApplicationError(f"{info.activity_type} is for workflows of Holdfast", non_retryable=True)
        pattern = TaskCall(
            run_id=info.workflow_id or "",
            execution=call.execution,
            step=part.step,
            task=info.activity_type.removeprefix(PREFIX),
            input=NULL,
            options=call.options,
            idempotency_key="",
            attempt=info.attempt,
            token=info.attempt,
        )
        loop, due_at = asyncio.get_running_loop(), 0.0

        def details() -> RawValue:
            nonlocal due_at
            due_at = loop.time() + self._beat_seconds
            return raw(run.details)

        def report() -> None:
            if loop.time() >= due_at:
                _beat(details())

        run = ChunkRun(
            pattern=pattern,
            chunk=decode_chunk(read_arguments(values)),
            progress=read_progress(info.heartbeat_details[0]) if info.heartbeat_details else Progress(),
            failures_max=part.failures_max,
            runner=self.runner,
            jitter=self._jitter,
            wait=lambda ended, running: self._beat_until(ended, running, details),
            report=report,
            is_stopping=activity.is_worker_shutdown,
        )
        try:
            return raw(await run.run())
        except ChunkUnfinishedError as over:
            activity.heartbeat(raw(run.details))  # the next attempt reads it
            raise carry_delay(over.failure, info.attempt, over.seconds) from None

    async def _attempt(self, values: Sequence[RawValue]) -> RawValue:
        info = activity.info()
        told = read_call(incoming_header.get())
        number = info.attempt
        if told is not None and (delay := delay_of(told.options)):
            left = delay - _waited(info)
            # The first only says how long to wait, also when the time is over: else the next would be a first again.
            if number == 1 or left > 0:
                early = Failure("TooEarlyError", f"it is to begin {delay:g} s after it was called")
                raise carry_delay(early, 1, max(left, TIMER_SECONDS_MIN))
            number -= 1
        call = self._call(info, told, number, read_arguments(values))
        ended: asyncio.Future[AttemptOutcome] = asyncio.get_running_loop().create_future()

        def done(_: TaskCall, outcome: AttemptOutcome) -> None:
            if not ended.done():
                ended.set_result(outcome)

        assert self.runner is not None, "this is no activity where nothing runs attempts"
        try:
            running = self.runner.start(call, done)
        except UnknownNameError as error:
            # Another worker of the queue may know it.
            raise carry(describe_failure(error)) from None
        outcome = await self._beat_until(ended, running, lambda: _details(getattr(running, "progress", b"")))
        return self._conclude(call, outcome)

    def _call(self, info: activity.Info, told: Call | None, attempt: int, input: bytes) -> TaskCall:
        run_id, step = info.workflow_id or "", info.activity_id
        if told is None:  # somebody's own workflow, in any language
            told = Call(run_id, self._options_of(info.activity_type))
        details = info.heartbeat_details
        return TaskCall(
            run_id=run_id,
            execution=told.execution,
            step=step,
            task=info.activity_type,
            input=input,
            options=told.options,
            idempotency_key=told.options.idempotency_key or f"{told.execution}/{step}",
            attempt=attempt,
            token=attempt,
            progress=details[0].encode() if details else b"",
        )

    async def _beat_until(
        self, ended: asyncio.Future[AttemptOutcome], running: RunningAttempt | None, details: Callable[[], Any]
    ) -> AttemptOutcome:
        """Say now and then that this process lives, with what there is to report; return how the attempt ends."""
        clock = asyncio.get_running_loop().time
        beaten_at, silent = clock(), 0.0
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=self._beat_seconds)
                silent = max(silent, clock() - beaten_at)
                if not ended.done():
                    _beat(details())
                    beaten_at = clock()
            await note_return(silent, details())
        except asyncio.CancelledError:
            note_cancelled()
            if running is not None:
                running.cancel()
                await asyncio.wait([ended])
            raise
        return ended.result()

    def _conclude(self, call: TaskCall, outcome: AttemptOutcome) -> RawValue:
        if outcome.result is not None:
            return raw(outcome.result)
        if outcome.cancelled:
            raise asyncio.CancelledError
        failure = outcome.failure or Failure("RuntimeError", "the attempt ended without a result")
        _beat(_details(outcome.progress))  # the next attempt reads it
        if isinstance(failure, PutOff):
            raise carry_attempt(failure.as_failure(final=False), "", call.attempt, failure.seconds)
        policy = call.options.retry
        seconds = decide_retry(policy, call.attempt, failure, self._jitter())
        if seconds is None and call.attempt < policy.attempts and not outcome.timeout:
            failure = Failure(failure.type, failure.message, failure.traceback, retryable=False, cause=failure.cause)
        raise carry_attempt(failure, outcome.timeout, call.attempt, seconds)

    @activity.defn(name=SIDE_EFFECT)
    async def call_side_effect(self, place: str) -> RawValue:
        """Call a side effect's function; return what it gives."""
        function = self._side_effects.get(place)
        if function is None:
            raise ApplicationError("the run has left this worker's memory", type="SideEffectLostError")
        try:
            value = function()
            return raw(await value if isawaitable(value) else value)
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is its outcome
            raise carry(describe_failure(error)) from None


def _waited(info: activity.Info) -> float:
    """Return how long after its call an attempt has begun, in seconds, by the clock of the cluster alone."""
    return (max(info.started_time, info.current_attempt_scheduled_time) - info.scheduled_time).total_seconds()


def _details(progress: bytes) -> str | None:
    return progress.decode() if progress else None


def _beat(details: Any) -> None:
    if details is None:
        activity.heartbeat()
    else:
        activity.heartbeat(details)
