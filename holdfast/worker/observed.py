"""Attempts that are seen: counted, traced, and logged where they fail.

Owns: what is noted of an attempt, wherever it came from - a first attempt, a queued task, an item of a fan-out.
Must not know: how attempts run, how numbers and spans are published.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from holdfast.history import TaskOptions
from holdfast.observe import Meters, Tracer, logger
from holdfast.ports.task import AttemptOutcome, RunningAttempt, TaskCall, TaskRunner

log = logger("holdfast.worker")

Recover: TypeAlias = Callable[[TaskCall, AttemptOutcome], AttemptOutcome]
"""Returns the outcome of an attempt that failed with what is to be done about it."""


class ObservedRunner:
    """Runs attempts as another runner does, and notes how they end. Implements `TaskRunner`."""

    def __init__(
        self, runner: TaskRunner, meters: Meters, tracer: Tracer | None = None, recover: Recover | None = None
    ) -> None:
        """Run with `runner`, count in `meters`, make spans with `tracer`; `recover` says what failures come to."""
        self._recover = recover
        self._tracer = tracer
        if tracer is not None:
            runner.enter = tracer.enter_attempt
        self.enter = runner.enter
        self._knows = runner.knows
        self._is_quick = runner.is_quick
        self._start = runner.start
        self._attempted = meters.attempted

    def knows(self, task: str) -> bool:
        """See `TaskRunner`."""
        return self._knows(task)

    def is_quick(self, task: str, options: TaskOptions) -> bool:
        """See `TaskRunner`."""
        return self._is_quick(task, options)

    def start(self, call: TaskCall, done: Callable[[TaskCall, AttemptOutcome], None]) -> RunningAttempt | None:
        """See `TaskRunner`."""
        if self._tracer is not None:
            return self._start_traced(self._tracer, call, done)
        return self._start(call, partial(self._ended, done))

    def _start_traced(
        self, tracer: Tracer, call: TaskCall, done: Callable[[TaskCall, AttemptOutcome], None]
    ) -> RunningAttempt | None:
        span = tracer.begin_attempt(call)

        def ended(call: TaskCall, outcome: AttemptOutcome) -> None:
            tracer.end_attempt(span, call, outcome)
            self._ended(done, call, outcome)

        try:
            return self._start(call, ended)
        except BaseException:
            tracer.end_attempt(span, call, None)
            raise

    def _ended(self, done: Callable[[TaskCall, AttemptOutcome], None], call: TaskCall, outcome: AttemptOutcome) -> None:
        self._attempted(call.task, outcome)
        if outcome.failure is not None:
            failure = outcome.failure
            log.info(
                "attempt failed",
                run_id=call.run_id,
                execution=call.execution,
                step=call.step,
                task=call.task,
                attempt=call.attempt,
                pool=call.options.pool,
                seconds=round(outcome.ended - outcome.started, 6),
                error=f"{failure.type}: {failure.message}",
            )
            if self._recover is not None:
                outcome = self._recover(call, outcome)
        done(call, outcome)
