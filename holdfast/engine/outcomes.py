"""What the recorded outcome of a step does to whoever awaits it.

Owns: one function for each kind of outcome, and the table of them.
Must not know: how a step was asked for, or where outcomes come from.

A new kind of outcome is a function here, and a line in OUTCOMES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.engine import machines
from holdfast.engine.steps import Steps
from holdfast.errors import FanOutError, TaskError, TaskTimeoutError
from holdfast.history import (
    FanOutCompleted,
    LockGranted,
    RunResumed,
    SideEffectRecorded,
    StartFanOut,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    TimerFired,
)


def complete_task(steps: Steps, event: TaskCompleted) -> None:
    """Hand a task's result over."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is not None:
        steps.settle(future, event.result)


def fail_task(steps: Steps, event: TaskFailed) -> None:
    """Raise TaskError."""
    future = steps.resolve(event.step, machines.Step.FAIL)
    if future is None:
        return
    failure = event.failure
    attempts = len(event.attempts) or 1
    error = TaskError(event.step, failure.type, failure.message, attempts, failure.traceback)
    steps.fail(future, error)


def time_task_out(steps: Steps, event: TaskTimedOut) -> None:
    """Raise TaskTimeoutError."""
    future = steps.resolve(event.step, machines.Step.TIME_OUT)
    if future is None:
        return
    failure = event.failure
    attempts = len(event.attempts) or 1
    error = TaskTimeoutError(event.step, failure.type, failure.message, attempts, failure.traceback, event.timeout)
    steps.fail(future, error)


def fire_timer(steps: Steps, event: TimerFired) -> None:
    """Make the timer's callback ready."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is None:
        return
    fire = future.decode
    future.set_result(None)
    if fire is not None:
        fire(None)


def grant_lock(steps: Steps, event: LockGranted) -> None:
    """Hand a lock's token over."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is None:
        return
    steps.held[future] = None
    future.set_result(event.token)


def complete_fan_out(steps: Steps, event: FanOutCompleted) -> None:
    """Give access to a fan-out's outcomes, or raise FanOutError."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is None:
        return
    command = future.command
    assert isinstance(command, StartFanOut)
    if command.failures_max >= 0 and event.failed > command.failures_max:
        first = event.first_failure
        error = FanOutError(
            event.step,
            first.type if first else "",
            first.message if first else "",
            traceback=first.traceback if first else "",
            failed=event.failed,
            index=event.first_failed_index,
        )
        steps.fail(future, error)
        return
    steps.settle(future, event)


def complete_side_effect(steps: Steps, event: SideEffectRecorded) -> None:
    """Hand a side effect's value over, or raise TaskError."""
    failure = event.failure
    future = steps.resolve(event.step, machines.Step.COMPLETE if failure is None else machines.Step.FAIL)
    if future is None:
        return
    if failure is None:
        steps.settle(future, event.result)
    else:
        steps.fail(future, TaskError(event.step, failure.type, failure.message, 1, failure.traceback))


def resume(steps: Steps, event: RunResumed) -> None:
    """Let code go on that had parked the run."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is not None:
        future.set_result(None)


OUTCOMES: Final[dict[type, Callable[[Steps, Any], None]]] = {
    TaskCompleted: complete_task,
    TaskFailed: fail_task,
    TaskTimedOut: time_task_out,
    TimerFired: fire_timer,
    LockGranted: grant_lock,
    FanOutCompleted: complete_fan_out,
    SideEffectRecorded: complete_side_effect,
    RunResumed: resume,
}
