"""A claimed task: from the row in the queue to what is written about it.

Owns: what an attempt's end means for a queued task - result, another attempt, or final failure.
Must not know: when anything is written, how attempts run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from holdfast.engine import decide_retry
from holdfast.history import Attempt, Failure, TaskCompleted, TaskFailed, TaskOptions, TaskTimedOut
from holdfast.ports.operations import (
    BeatTasks,
    ClaimedTask,
    FinishTask,
    FreezeRate,
    Operation,
    RetryTask,
    slack_seconds,
)
from holdfast.ports.task import AttemptOutcome, Parks, PutOff, RunningAttempt, TaskCall, plain, remedy_of

OPTIONS_KEPT: Final = 1_000
"""How many different options are kept decoded: nearly all calls of a task have the same."""

PARKED_SECONDS: Final = 1.0
"""When an attempt is made again whose reason to park was gone before it could be told."""

_decode_options: Final = msgspec.msgpack.Decoder(TaskOptions).decode
_decode_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...]).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def _start_by(options: TaskOptions, claimed_at: float, starts_within: float) -> float:
    """Return until when an attempt may start that takes of rates: what it takes counts from its claim. 0 for none."""
    if options.limits is None or not options.limits.rates:
        return 0.0
    return claimed_at + max(min(slack_seconds(rate.per) for rate in options.limits.rates) / 2, starts_within)


@lru_cache(OPTIONS_KEPT)
def decode_options(encoded: bytes) -> TaskOptions:
    """Return options as they were queued. Raises msgspec.ValidationError, msgspec.DecodeError."""
    return _decode_options(encoded)


def rates_of(failure: PutOff, options: TaskOptions) -> list[str]:
    """Return the rates that wait because a task with these options was told to come again later."""
    if not failure.freezes:
        return []
    if failure.rate:
        return [failure.rate]
    return [] if options.limits is None else [rate.name for rate in options.limits.rates]


class ClaimedRun:
    """One attempt at a queued task, under way."""

    __slots__ = ("call", "claimed", "recorded", "running")

    def __init__(self, claimed: ClaimedTask, asked_at: float, starts_within: float = 0.0) -> None:
        """Take over a row. Raises msgspec.ValidationError when its options are not ours.

        Args:
            claimed: the row.
            asked_at: the event loop's time before it was claimed.
            starts_within: as the claim said.
        """
        self.claimed = claimed
        self.running: RunningAttempt | None = None
        self.recorded = 0
        """How many heartbeats were written down."""
        options = decode_options(claimed.options)
        self.call = TaskCall(
            run_id=claimed.run_id,
            execution=claimed.execution,
            step=claimed.step,
            task=claimed.task,
            input=claimed.input,
            options=options,
            idempotency_key=options.idempotency_key or f"{claimed.execution}/{claimed.step}",
            attempt=claimed.attempt,
            token=claimed.token,
            queued_at=claimed.queued_at,
            progress=claimed.progress,
            traceparent=claimed.traceparent,
            start_by=_start_by(options, asked_at + claimed.waited, starts_within),
        )

    def progress(self) -> bytes | None:
        """Return progress that was not written down yet: JSON text, empty for a bare sign of life; None for none."""
        beats = getattr(self.running, "beats", 0)
        if beats == self.recorded:
            return None
        self.recorded = beats
        progress: bytes = getattr(self.running, "progress", b"")
        return progress

    def conclude(self, outcome: AttemptOutcome, worker: str, draw: Callable[[], float]) -> list[Operation]:
        """Return what has to be written after an attempt.

        Args:
            outcome: how it ended; not cancelled.
            worker: name of this member.
            draw: uniform in [0, 1), for the wait before another attempt.
        """
        claimed, options = self.claimed, self.call.options
        before = _decode_attempts(claimed.failures) if claimed.failures else ()
        if outcome.result is not None:
            completed = TaskCompleted(outcome.ended, -1, claimed.step, outcome.result, before, worker)
            return [self._finish(completed)]
        failure = outcome.failure or Failure("RuntimeError", "the attempt ended without a result")
        if isinstance(failure, PutOff):
            if not self._is_too_late(outcome.ended + failure.seconds):
                return self._put_off(outcome, failure)
            failure = failure.as_failure(final=True)
        if isinstance(failure, Parks):
            return self._park(outcome, failure)
        described = plain(failure)
        tried = (*before, Attempt(claimed.attempt, outcome.started, outcome.ended, worker, described))
        delay = decide_retry(options.retry, claimed.attempt, failure, draw())
        if delay is not None and not self._is_too_late(outcome.ended + delay):
            operations: list[Operation] = []
            if outcome.progress:  # the next attempt reads it
                operations.append(BeatTasks(((claimed.task_id, claimed.token, outcome.progress),)))
            again = RetryTask(
                claimed.task_id,
                claimed.token,
                outcome.ended + delay,
                _encode(tried),
                claimed.execution_id,
                claimed.step,
            )
            return [*operations, again]
        recorded = outcome.recorded(claimed.execution_id, claimed.step)
        failed: TaskFailed | TaskTimedOut
        ended, step, remedy = outcome.ended, claimed.step, remedy_of(failure)
        if outcome.timeout:
            failed = TaskTimedOut(ended, -1, step, outcome.timeout, described, tried, worker, remedy)
        else:
            failed = TaskFailed(ended, -1, step, described, tried, worker, remedy)
        return [self._finish(failed), *recorded]

    def _put_off(self, outcome: AttemptOutcome, failure: PutOff) -> list[Operation]:
        claimed = self.claimed
        rates = rates_of(failure, self.call.options)
        by = f"{claimed.execution}/{claimed.step}"
        return [
            *(FreezeRate(rate, failure.seconds, by) for rate in rates),
            RetryTask(
                claimed.task_id,
                claimed.token,
                outcome.ended + failure.seconds,
                claimed.failures,
                claimed.execution_id,
                claimed.step,
                tried=False,
            ),
        ]

    def _park(self, outcome: AttemptOutcome, failure: Parks) -> list[Operation]:
        claimed = self.claimed
        again = RetryTask(
            claimed.task_id,
            claimed.token,
            outcome.ended + PARKED_SECONDS,
            claimed.failures,
            claimed.execution_id,
            claimed.step,
            tried=False,
        )
        recorded = outcome.recorded(claimed.execution_id, claimed.step)
        # In this order: what is queued by then is set aside.
        return [again, failure.report(claimed.execution_id), *recorded]

    def _finish(self, event: TaskCompleted | TaskFailed | TaskTimedOut) -> FinishTask:
        claimed = self.claimed
        return FinishTask(claimed.task_id, claimed.token, _encode(event), claimed.execution_id, claimed.step)

    def _is_too_late(self, time: float) -> bool:
        total = self.call.options.total_timeout
        return total is not None and time >= self.claimed.queued_at + total
