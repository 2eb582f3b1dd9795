"""The recorded facts of one execution.

Owns: every kind of event, its fields, and its number in the stored form.
Must not know: how events are stored, who produces them, what they cause.

Two families:

- **Inputs** come from outside the workflow's code: a task's outcome, a timer that
  fired, a signal. Applying one resumes the code, and the code runs until it waits
  again (one *drain*).
- **Decisions** record what the code asked for. Each names the input whose drain
  issued it (`cause`) and its place within that drain (`ordinal`).

An event's id is its position in the execution's history, from 1. Times are
seconds since the epoch, UTC. Payloads (`input`, `result`) are JSON text.

The tag numbers and field orders are the storage format. Fields are only ever
appended, with a default; golden histories hold us to it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from holdfast.history.failures import Failure


class BlobRef(msgspec.Struct, frozen=True, array_like=True):
    """A payload that is stored once, elsewhere, under the hash of its bytes."""

    digest: bytes
    size_bytes: int


Payload: TypeAlias = bytes | BlobRef


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One failed try at a task."""

    number: int
    started: float
    ended: float
    worker: str
    failure: Failure | None


class Event(msgspec.Struct, array_like=True, gc=False):
    """What all events have: the time they were recorded, in seconds since the epoch."""

    time: float


class Input(Event, array_like=True, gc=False):
    """A fact from outside. `issued` counts the commands the code had issued before it, -1 where not known yet.

    The count catches a command that was added to or removed from a drain whose other commands stayed the same.
    """

    issued: int


class Decision(Event, array_like=True, gc=False):
    """A command of the workflow's code, recorded."""

    cause: int
    ordinal: int


# --- Inputs ------------------------------------------------------------------------------------------------------


class WorkflowStarted(Input, array_like=True, gc=False, tag=1):
    """Event 1 of every execution."""

    workflow: str
    run_id: str
    execution: str
    input: Payload
    seed: int
    """Seeds the run's `random()` and `uuid4()`."""
    flags: int
    """Behaviours of the engine that this execution keeps for its life; see `holdfast.engine.behaviours`."""
    code_version: str
    python: str
    memo: dict[str, str] = msgspec.field(default_factory=dict)
    deadline: float = 0.0
    """When the run times out, with all executions it goes on as; 0 is never. In seconds since the epoch."""
    execution_timeout: float = 0.0
    """How long this execution may take, in seconds; 0 is for ever."""
    keys: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a fork: by step, the digest of an input, a space, and the idempotency key the step has with that input."""
    forked_from: str = ""
    """Of a fork: the execution whose history it began with."""
    forked_at: int = 0
    """Of a fork: how many events of that history it began with."""
    parent: str = ""
    """The execution that started this one as its child."""
    continued: str = ""
    """The execution of the same run that went on as this one."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """What the run is found by: literals, by name. See `holdfast.history.attributes`."""
    traceparent: str = ""
    """Where in which trace the run was started (W3C Trace Context); empty for nowhere. Nothing depends on it."""

    @property
    def due(self) -> float:
        """Return when this execution times out, in seconds since the epoch; 0 is never."""
        if not self.execution_timeout:
            return self.deadline
        own = self.time + self.execution_timeout
        return min(own, self.deadline) if self.deadline else own


class TaskCompleted(Input, array_like=True, gc=False, tag=2):
    """A task has its result. Failed tries before it are listed."""

    step: str
    result: Payload
    attempts: tuple[Attempt, ...] = ()
    worker: str = ""


class TaskFailed(Input, array_like=True, gc=False, tag=3):
    """A task failed for good."""

    step: str
    failure: Failure
    attempts: tuple[Attempt, ...] = ()
    worker: str = ""
    remedy: str = ""
    """What is done instead of raising it: see `remedies`; empty for nothing."""


class TaskTimedOut(Input, array_like=True, gc=False, tag=4):
    """A task ran out of time for good. `timeout` is queue, attempt, total or heartbeat."""

    step: str
    timeout: str
    failure: Failure
    attempts: tuple[Attempt, ...] = ()
    worker: str = ""
    remedy: str = ""
    """As of `TaskFailed`."""


class TimerFired(Input, array_like=True, gc=False, tag=5):
    """A timer's time has come."""

    step: str


class SignalReceived(Input, array_like=True, gc=False, tag=6):
    """A message for the run. `signal_id` makes a second delivery of the same one harmless."""

    name: str
    input: Payload
    signal_id: str
    sender: str = ""


class UpdateAccepted(Input, array_like=True, gc=False, tag=7):
    """A validated request for the run; its answer is `UpdateCompleted`."""

    update_id: str
    name: str
    input: Payload


class CancelRequested(Input, array_like=True, gc=False, tag=8):
    """Somebody asked the run to stop; the code sees `asyncio.CancelledError`."""

    reason: str


class LockGranted(Input, array_like=True, gc=False, tag=9):
    """A lock or semaphore slot is held, with its fencing token."""

    step: str
    token: int


class FanOutCompleted(Input, array_like=True, gc=False, tag=10):
    """Every item of a `map_tasks` has its outcome; the outcomes live beside the history."""

    step: str
    digest: bytes
    count: int
    failed: int
    first_failure: Failure | None = None
    first_failed_index: int = -1


class ChildStarted(Input, array_like=True, gc=False, tag=11):
    """A child's run exists now, as `execution`."""

    step: str
    execution: str


class ChildCompleted(Input, array_like=True, gc=False, tag=12):
    """A child has its result."""

    step: str
    result: Payload


class ChildFailed(Input, array_like=True, gc=False, tag=13):
    """A child ended without a result. `status` is how, or NOT_STARTED."""

    step: str
    status: str
    failure: Failure


class MessageDelivered(Input, array_like=True, gc=False, tag=14):
    """A message to another run is in its inbox, or was refused for the reason in `failure`."""

    step: str
    failure: Failure | None = None


class SideEffectRecorded(Input, array_like=True, gc=False, tag=17):
    """What `side_effect(...)` gave: a result, or a failure."""

    step: str
    result: Payload | None
    failure: Failure | None = None


class RunResumed(Input, array_like=True, gc=False, tag=18):
    """Somebody let a run go on that had parked itself."""

    step: str


# --- Decisions ---------------------------------------------------------------------------------------------------


class TaskScheduled(Decision, array_like=True, gc=False, tag=32):
    """The code called a task."""

    step: str
    task: str
    input: Payload
    pool: str = "default"


class TaskCancelled(Decision, array_like=True, gc=False, tag=33):
    """The code no longer wants a task's outcome."""

    step: str


class TimerStarted(Decision, array_like=True, gc=False, tag=34):
    """The code waits for a time. `due` is in seconds since the epoch."""

    step: str
    seconds: float
    due: float


class TimerCancelled(Decision, array_like=True, gc=False, tag=35):
    """The code no longer waits for a timer."""

    step: str


class UpdateCompleted(Decision, array_like=True, gc=False, tag=36):
    """An update has its answer: a result, or a failure."""

    update_id: str
    result: Payload | None
    failure: Failure | None = None


class LockRequested(Decision, array_like=True, gc=False, tag=37):
    """The code wants a lock, or one of `slots` slots of a semaphore."""

    step: str
    name: str
    slots: int


class LockReleased(Decision, array_like=True, gc=False, tag=38):
    """The code gives back a lock, or no longer waits for it."""

    step: str
    name: str


class FanOutStarted(Decision, array_like=True, gc=False, tag=39):
    """The code mapped a task over items. `digest` is the hash of the encoded items."""

    step: str
    task: str
    count: int
    digest: bytes


class FanOutCancelled(Decision, array_like=True, gc=False, tag=40):
    """The code no longer wants a fan-out's outcome."""

    step: str


class ChildScheduled(Decision, array_like=True, gc=False, tag=41):
    """The code started a child: a run of its own. `parent_close` is what becomes of it when this run ends."""

    step: str
    workflow: str
    run_id: str
    input: Payload
    parent_close: str


class ChildCancelRequested(Decision, array_like=True, gc=False, tag=42):
    """The code asked a child to stop. What it waits for is still the child's end."""

    step: str
    reason: str = ""


class MessageSent(Decision, array_like=True, gc=False, tag=43):
    """The code sent a signal or a cancellation (`kind`) to another run."""

    step: str
    run_id: str
    kind: str
    name: str
    input: Payload


class PatchMarked(Decision, array_like=True, gc=False, tag=44):
    """The code took the changed side of a patch. Its `ordinal` is negative: a mark has no place among the commands.

    One that is `deprecated` may be missing from the code.
    """

    patch_id: str
    deprecated: bool = False


class SideEffectRequested(Decision, array_like=True, gc=False, tag=45):
    """The code wants the value of a function whose outcome is recorded."""

    step: str


class SideEffectCancelled(Decision, array_like=True, gc=False, tag=46):
    """The code no longer wants a side effect's value."""

    step: str


class RunParked(Decision, array_like=True, gc=False, tag=47):
    """The code cannot go on until somebody has looked."""

    step: str
    reason: str


class CallbackOpened(Decision, array_like=True, gc=False, tag=52):
    """The code made a URL that an outside system may answer at, once."""

    step: str
    url: str


class AttributesSet(Decision, array_like=True, gc=False, tag=53):
    """The code changed what the run is found by. See `holdfast.history.attributes`."""

    attributes: dict[str, str]
    """Literals, by name; an empty one takes the name away."""


class WorkflowCompleted(Decision, array_like=True, gc=False, tag=48):
    """The run has its result."""

    result: Payload


class WorkflowFailed(Decision, array_like=True, gc=False, tag=49):
    """The run failed."""

    failure: Failure


class WorkflowCancelled(Decision, array_like=True, gc=False, tag=50):
    """The run was cancelled, and had its time to clean up."""

    reason: str


class WorkflowContinued(Decision, array_like=True, gc=False, tag=51):
    """The run goes on as a new execution, with this input and an empty history."""

    input: Payload


# --- Ends that no code decided -----------------------------------------------------------------------------------


class WorkflowTerminated(Event, array_like=True, gc=False, tag=64):
    """Somebody ended the run without asking its code."""

    reason: str
    cancelled: bool = False
    """It was cancelled before its time to begin had come, and is CANCELLED; else it is TERMINATED."""


class WorkflowTimedOut(Event, array_like=True, gc=False, tag=65):
    """The run's time was up; its code was not asked."""

    reason: str


InputEvent: TypeAlias = (
    WorkflowStarted
    | TaskCompleted
    | TaskFailed
    | TaskTimedOut
    | TimerFired
    | SignalReceived
    | UpdateAccepted
    | CancelRequested
    | LockGranted
    | FanOutCompleted
    | SideEffectRecorded
    | RunResumed
    | ChildStarted
    | ChildCompleted
    | ChildFailed
    | MessageDelivered
)
DecisionEvent: TypeAlias = (
    TaskScheduled
    | TaskCancelled
    | TimerStarted
    | TimerCancelled
    | UpdateCompleted
    | LockRequested
    | LockReleased
    | FanOutStarted
    | FanOutCancelled
    | PatchMarked
    | SideEffectRequested
    | SideEffectCancelled
    | RunParked
    | CallbackOpened
    | AttributesSet
    | ChildScheduled
    | ChildCancelRequested
    | MessageSent
    | WorkflowCompleted
    | WorkflowFailed
    | WorkflowCancelled
    | WorkflowContinued
)
AnyEvent: TypeAlias = InputEvent | DecisionEvent | WorkflowTerminated | WorkflowTimedOut

CLOSING = (
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowCancelled,
    WorkflowContinued,
    WorkflowTerminated,
    WorkflowTimedOut,
)
"""The events of which exactly one ends an execution, as its last."""

UNASKED = (WorkflowTerminated, WorkflowTimedOut)
"""Those of them that no code decided."""
