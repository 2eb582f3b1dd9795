"""What the recorded outcome of a step does to whoever awaits it.

Owns: one function for each kind of outcome, and the table of them.
Must not know: how a step was asked for, or where outcomes come from.

A new kind of outcome is a function here, and a line in OUTCOMES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holdfast.engine import machines
from holdfast.engine.futures import ChildFuture
from holdfast.engine.machines import State
from holdfast.engine.remedies import begin_remedy
from holdfast.engine.steps import Steps
from holdfast.errors import ChildError, FanOutError, MessageError, TaskError, TaskTimeoutError
from holdfast.history import (
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Failure,
    FanOutCompleted,
    LockGranted,
    MessageDelivered,
    RunResumed,
    SendMessage,
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
    """Raise TaskError, or do what is to be done about it instead."""
    future = steps.resolve(event.step, machines.Step.FAIL)
    if future is None:
        return
    failure = event.failure
    attempts = len(event.attempts) or 1
    error = TaskError(
        event.step, failure.type, failure.message, attempts, failure.traceback, causes=_causes_of(failure)
    )
    if event.remedy:
        begin_remedy(steps, future, event.remedy, error)
    else:
        steps.fail(future, error)


def time_task_out(steps: Steps, event: TaskTimedOut) -> None:
    """Raise TaskTimeoutError, or do what is to be done about it instead."""
    future = steps.resolve(event.step, machines.Step.TIME_OUT)
    if future is None:
        return
    failure = event.failure
    attempts = len(event.attempts) or 1
    error = TaskTimeoutError(event.step, failure.type, failure.message, attempts, failure.traceback, event.timeout)
    if event.remedy:
        begin_remedy(steps, future, event.remedy, error)
    else:
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
        causes = _causes_of(failure)
        steps.fail(future, TaskError(event.step, failure.type, failure.message, 1, failure.traceback, causes=causes))


def resume(steps: Steps, event: RunResumed) -> None:
    """Let code go on that had parked the run."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is not None:
        future.set_result(None)


def start_child(steps: Steps, event: ChildStarted) -> None:
    """Tell who waits for the start of a child."""
    future = steps.begin_step(event.step, machines.Step.START)
    assert isinstance(future, ChildFuture)
    future.note_started(event.execution)


def complete_child(steps: Steps, event: ChildCompleted) -> None:
    """Hand a child's result over."""
    future = steps.resolve(event.step, machines.Step.COMPLETE)
    if future is not None:
        steps.settle(future, event.result)


def fail_child(steps: Steps, event: ChildFailed) -> None:
    """Raise ChildError; or CancelledError, where the code had asked the child to stop."""
    was_asked = event.step in steps.open and steps.open[event.step].state is State.CANCELLING
    future = steps.resolve(event.step, machines.Step.FAIL)
    if future is None:
        return
    assert isinstance(future, ChildFuture)
    if was_asked and event.status == "CANCELLED":
        future.note_cancelled()
        return
    failure = event.failure
    causes = _causes_of(failure)
    error = ChildError(
        event.step, future.run_id, event.status, failure.type, failure.message, failure.traceback, causes
    )
    future.note_not_started(error)
    steps.fail(future, error)


def deliver_message(steps: Steps, event: MessageDelivered) -> None:
    """Say that a message to another run is in its inbox, or raise why it is not."""
    failure = event.failure
    future = steps.resolve(event.step, machines.Step.COMPLETE if failure is None else machines.Step.FAIL)
    if future is None:
        return
    if failure is None:
        future.set_result(None)
        return
    command = future.command
    assert isinstance(command, SendMessage)
    steps.fail(future, MessageError(event.step, command.run_id, failure.type, failure.message))


OUTCOMES: Final[dict[type, Callable[[Steps, Any], None]]] = {
    TaskCompleted: complete_task,
    TaskFailed: fail_task,
    TaskTimedOut: time_task_out,
    TimerFired: fire_timer,
    LockGranted: grant_lock,
    FanOutCompleted: complete_fan_out,
    SideEffectRecorded: complete_side_effect,
    RunResumed: resume,
    ChildStarted: start_child,
    ChildCompleted: complete_child,
    ChildFailed: fail_child,
    MessageDelivered: deliver_message,
}


def _causes_of(failure: Failure) -> tuple[tuple[str, str], ...]:
    """Return class name and message of what caused a failure, nearest first."""
    causes = []
    while failure.cause is not None:
        failure = failure.cause
        causes.append((failure.type, failure.message))
    return tuple(causes)
