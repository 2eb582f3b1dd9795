"""The fact that a command is recorded as.

Owns: the translation of each command into its decision, and the step it belongs to.
Must not know: when, or whether, it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from holdfast.history import (
    AcquireLock,
    AttributesSet,
    CallbackOpened,
    CancelChild,
    CancelFanOut,
    CancelRun,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    ChildCancelRequested,
    ChildScheduled,
    Command,
    CompleteRun,
    CompleteUpdate,
    ContinueRun,
    DecisionEvent,
    FailRun,
    FanOutCancelled,
    FanOutStarted,
    LockReleased,
    LockRequested,
    MarkPatch,
    MessageSent,
    OpenCallback,
    ParkRun,
    PatchMarked,
    ReleaseLock,
    RunParked,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SetAttributes,
    SideEffectCancelled,
    SideEffectRequested,
    StartChild,
    StartFanOut,
    StartTimer,
    TaskCancelled,
    TaskScheduled,
    TimerCancelled,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
)

Closing: TypeAlias = CompleteRun | FailRun | CancelRun | ContinueRun
CLOSING_COMMANDS = (CompleteRun, FailRun, CancelRun, ContinueRun)


class Issued(msgspec.Struct, gc=False):
    """A command, and when it was issued: the id of the input whose drain issued it, and its place in that drain."""

    cause: int
    ordinal: int
    command: Command
    where: str = ""


def decision_of(issued: Issued, time: float) -> DecisionEvent:
    """Return the fact that `issued` is recorded as at `time` (seconds since the epoch)."""
    command = issued.command
    return _DECISIONS[type(command)](time, issued.cause, issued.ordinal, command)


def _task_scheduled(time: float, cause: int, ordinal: int, command: ScheduleTask) -> TaskScheduled:
    return TaskScheduled(time, cause, ordinal, command.step, command.task, command.input, command.options.pool)


def _task_cancelled(time: float, cause: int, ordinal: int, command: CancelTask) -> TaskCancelled:
    return TaskCancelled(time, cause, ordinal, command.step)


def _timer_started(time: float, cause: int, ordinal: int, command: StartTimer) -> TimerStarted:
    return TimerStarted(time, cause, ordinal, command.step, command.seconds, command.due)


def _timer_cancelled(time: float, cause: int, ordinal: int, command: CancelTimer) -> TimerCancelled:
    return TimerCancelled(time, cause, ordinal, command.step)


def _update_completed(time: float, cause: int, ordinal: int, command: CompleteUpdate) -> UpdateCompleted:
    return UpdateCompleted(time, cause, ordinal, command.update_id, command.result, command.failure)


def _lock_requested(time: float, cause: int, ordinal: int, command: AcquireLock) -> LockRequested:
    return LockRequested(time, cause, ordinal, command.step, command.name, command.slots)


def _lock_released(time: float, cause: int, ordinal: int, command: ReleaseLock) -> LockReleased:
    return LockReleased(time, cause, ordinal, command.step, command.name)


def _fan_out_started(time: float, cause: int, ordinal: int, command: StartFanOut) -> FanOutStarted:
    return FanOutStarted(time, cause, ordinal, command.step, command.task, len(command.items), command.digest)


def _fan_out_cancelled(time: float, cause: int, ordinal: int, command: CancelFanOut) -> FanOutCancelled:
    return FanOutCancelled(time, cause, ordinal, command.step)


def _patch_marked(time: float, cause: int, ordinal: int, command: MarkPatch) -> PatchMarked:
    return PatchMarked(time, cause, ordinal, command.patch_id, command.deprecated)


def _side_effect_requested(time: float, cause: int, ordinal: int, command: RunSideEffect) -> SideEffectRequested:
    return SideEffectRequested(time, cause, ordinal, command.step)


def _side_effect_cancelled(time: float, cause: int, ordinal: int, command: CancelSideEffect) -> SideEffectCancelled:
    return SideEffectCancelled(time, cause, ordinal, command.step)


def _parked(time: float, cause: int, ordinal: int, command: ParkRun) -> RunParked:
    return RunParked(time, cause, ordinal, command.step, command.reason)


def _callback_opened(time: float, cause: int, ordinal: int, command: OpenCallback) -> CallbackOpened:
    return CallbackOpened(time, cause, ordinal, command.step, command.url)


def _attributes_set(time: float, cause: int, ordinal: int, command: SetAttributes) -> AttributesSet:
    return AttributesSet(time, cause, ordinal, command.attributes)


def _child_scheduled(time: float, cause: int, ordinal: int, command: StartChild) -> ChildScheduled:
    return ChildScheduled(
        time, cause, ordinal, command.step, command.workflow, command.run_id, command.input, command.parent_close
    )


def _child_cancel_requested(time: float, cause: int, ordinal: int, command: CancelChild) -> ChildCancelRequested:
    return ChildCancelRequested(time, cause, ordinal, command.step, command.reason)


def _message_sent(time: float, cause: int, ordinal: int, command: SendMessage) -> MessageSent:
    return MessageSent(time, cause, ordinal, command.step, command.run_id, command.kind, command.name, command.input)


def _completed(time: float, cause: int, ordinal: int, command: CompleteRun) -> WorkflowCompleted:
    return WorkflowCompleted(time, cause, ordinal, command.result)


def _failed(time: float, cause: int, ordinal: int, command: FailRun) -> WorkflowFailed:
    return WorkflowFailed(time, cause, ordinal, command.failure)


def _cancelled(time: float, cause: int, ordinal: int, command: CancelRun) -> WorkflowCancelled:
    return WorkflowCancelled(time, cause, ordinal, command.reason)


def _continued(time: float, cause: int, ordinal: int, command: ContinueRun) -> WorkflowContinued:
    return WorkflowContinued(time, cause, ordinal, command.input)


_DECISIONS: Final[dict[type, Callable[[float, int, int, Any], DecisionEvent]]] = {
    ScheduleTask: _task_scheduled,
    CancelTask: _task_cancelled,
    StartTimer: _timer_started,
    CancelTimer: _timer_cancelled,
    CompleteUpdate: _update_completed,
    AcquireLock: _lock_requested,
    ReleaseLock: _lock_released,
    StartFanOut: _fan_out_started,
    CancelFanOut: _fan_out_cancelled,
    MarkPatch: _patch_marked,
    RunSideEffect: _side_effect_requested,
    CancelSideEffect: _side_effect_cancelled,
    ParkRun: _parked,
    OpenCallback: _callback_opened,
    SetAttributes: _attributes_set,
    StartChild: _child_scheduled,
    CancelChild: _child_cancel_requested,
    SendMessage: _message_sent,
    CompleteRun: _completed,
    FailRun: _failed,
    CancelRun: _cancelled,
    ContinueRun: _continued,
}
"""One entry for each command."""
