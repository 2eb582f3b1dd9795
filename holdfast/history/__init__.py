"""What is recorded: events, commands, failures, and the pages they are stored in.

Owns: the vocabulary of facts and requests, and its stored form.
Must not know: loops, stores, processes. Everything here is a value or a pure function.
"""

from holdfast.history.commands import (
    AcquireLock,
    CancelFanOut,
    CancelRun,
    CancelTask,
    CancelTimer,
    Command,
    CompleteRun,
    CompleteUpdate,
    FailRun,
    ReleaseLock,
    RetryPolicy,
    ScheduleTask,
    StartFanOut,
    StartTimer,
    TaskOptions,
)
from holdfast.history.events import (
    CLOSING,
    AnyEvent,
    Attempt,
    BlobRef,
    CancelRequested,
    Decision,
    DecisionEvent,
    Event,
    FanOutCancelled,
    FanOutCompleted,
    FanOutStarted,
    Input,
    InputEvent,
    LockGranted,
    LockReleased,
    LockRequested,
    SignalReceived,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTerminated,
)
from holdfast.history.failures import Failure, describe_failure
from holdfast.history.pages import (
    HASH_BYTES,
    INLINE_BYTES_MAX,
    ROOT,
    Page,
    blob_digest,
    open_page,
    page_hash,
    seal,
    verify_chain,
)

__all__ = [name for name in dir() if not name.startswith("_")]
