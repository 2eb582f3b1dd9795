"""The fact that a command is recorded as.

Owns: the translation of each command into its decision, and the step it belongs to.
Must not know: when, or whether, it is recorded.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import msgspec

from holdfast.history import (
    AcquireLock,
    CancelFanOut,
    CancelRun,
    CancelTask,
    CancelTimer,
    Command,
    CompleteRun,
    CompleteUpdate,
    DecisionEvent,
    FailRun,
    FanOutCancelled,
    FanOutStarted,
    LockReleased,
    LockRequested,
    ReleaseLock,
    ScheduleTask,
    StartFanOut,
    StartTimer,
    TaskCancelled,
    TaskScheduled,
    TimerCancelled,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
)

Closing: TypeAlias = CompleteRun | FailRun | CancelRun
CLOSING_COMMANDS = (CompleteRun, FailRun, CancelRun)


class Issued(msgspec.Struct, gc=False):
    """A command, and when it was issued: the id of the input whose drain issued it, and its place in that drain."""

    cause: int
    ordinal: int
    command: Command
    where: str = ""


def decision_of(issued: Issued, time: float) -> DecisionEvent:
    """Return the fact that `issued` is recorded as at `time` (seconds since the epoch)."""
    cause, ordinal, command = issued.cause, issued.ordinal, issued.command
    kind = type(command)
    if kind is ScheduleTask:  # by far the most frequent; the match below would reach it as well
        return TaskScheduled(time, cause, ordinal, command.step, command.task, command.input, command.options.pool)  # type: ignore[union-attr]  # narrowed by identity
    match command:
        case ScheduleTask():
            return TaskScheduled(time, cause, ordinal, command.step, command.task, command.input, command.options.pool)
        case StartTimer():
            return TimerStarted(time, cause, ordinal, command.step, command.seconds, command.due)
        case CancelTask():
            return TaskCancelled(time, cause, ordinal, command.step)
        case CancelTimer():
            return TimerCancelled(time, cause, ordinal, command.step)
        case CompleteUpdate():
            return UpdateCompleted(time, cause, ordinal, command.update_id, command.result, command.failure)
        case AcquireLock():
            return LockRequested(time, cause, ordinal, command.step, command.name, command.slots)
        case ReleaseLock():
            return LockReleased(time, cause, ordinal, command.step, command.name)
        case StartFanOut():
            return FanOutStarted(time, cause, ordinal, command.step, command.task, len(command.items), command.digest)
        case CancelFanOut():
            return FanOutCancelled(time, cause, ordinal, command.step)
        case CompleteRun():
            return WorkflowCompleted(time, cause, ordinal, command.result)
        case FailRun():
            return WorkflowFailed(time, cause, ordinal, command.failure)
        case CancelRun():
            return WorkflowCancelled(time, cause, ordinal, command.reason)
        case _:
            assert_never(command)
