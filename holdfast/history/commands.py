"""What workflow code may ask for.

Owns: every kind of command and its fields.
Must not know: who carries a command out, or how.

A command is issued in one drain and becomes a Decision in history. Everything
code inside a workflow can cause is in this file; there is no other way out.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from holdfast.history.failures import Failure


class RetryPolicy(msgspec.Struct, frozen=True):
    """When a failed attempt is tried again. Times in seconds; jitter is full: uniform between 0 and the delay."""

    attempts: int = 5
    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    non_retryable: tuple[str, ...] = ()
    """Names of exception classes that end the task at once."""


class RateUse(msgspec.Struct, frozen=True):
    """What one attempt takes of a rate: `units` of the `amount` that is allowed within any `per` seconds."""

    name: str
    amount: float
    per: float
    units: float = 1.0


class Limits(msgspec.Struct, frozen=True):
    """What a call waits for besides a free slot; who has any of it always goes through the queue."""

    place: str = ""
    """Name of the limit at which it takes a place while it is ready or running; empty for none."""
    slots: int = 0
    """How many places there are."""
    fairness: str = ""
    """Calls of different fairness keys take turns; empty for no key."""
    rates: tuple[RateUse, ...] = ()
    delay: float = 0.0
    """Seconds from the call until its first attempt may start."""
    prefix: str = ""
    """Digest of the prefix it computes with: workers that hold it go first. Empty for none."""

    @property
    def is_counted(self) -> bool:
        """Whether it waits for others: for a place among them, or for its share of a rate."""
        return bool(self.place or self.rates)


class TaskOptions(msgspec.Struct, frozen=True):
    """How a task is to be run. Time-outs in seconds; None is "no limit"."""

    pool: str = "default"
    timeout: float | None = 600.0
    """Attempt time-out: one try may take this long."""
    queue_timeout: float | None = None
    """From the call to the first attempt's start."""
    total_timeout: float | None = None
    """From the call to the final outcome, all attempts and waits included."""
    heartbeat_timeout: float | None = None
    """From one `heartbeat()` of the task's code to the next."""
    retry: RetryPolicy = RetryPolicy()
    isolation: str = "auto"
    """`async`, `thread`, `process`, or `auto` (see `holdfast.worker.isolation`)."""
    priority: int = 0
    """Higher goes first within a pool."""
    record: str = "auto"
    """`before` makes the call durable before the attempt starts; `auto` does so only when it is slow."""
    idempotency_key: str = ""
    """The one this call keeps from the run it was forked from; empty is made from execution and step."""
    limits: Limits | None = None


class ScheduleTask(msgspec.Struct, gc=False):
    """Run a task and resolve `step` with its outcome. `input` is JSON text."""

    step: str
    task: str
    input: bytes
    options: TaskOptions


class StartTimer(msgspec.Struct, gc=False):
    """Resolve `step` at `due` (seconds since the epoch), `seconds` after it was issued."""

    step: str
    seconds: float
    due: float


class CancelTask(msgspec.Struct, gc=False):
    """Stop a task whose outcome is no longer wanted."""

    step: str


class CancelTimer(msgspec.Struct, gc=False):
    """Forget a timer."""

    step: str


class CompleteUpdate(msgspec.Struct, gc=False):
    """Answer an update with a result (JSON text) or a failure."""

    update_id: str
    result: bytes | None
    failure: Failure | None = None


class AcquireLock(msgspec.Struct, gc=False):
    """Queue for a lock, or for one of `slots` slots; resolves `step` with a fencing token."""

    step: str
    name: str
    slots: int


class ReleaseLock(msgspec.Struct, gc=False):
    """Give back what `step` acquired, or leave the queue."""

    step: str
    name: str


class StartFanOut(msgspec.Struct, gc=False):
    """Run `task` over every item; resolves `step` when all have an outcome.

    Each of `items` is one call's input, as JSON text.
    """

    step: str
    task: str
    items: tuple[bytes, ...]
    digest: bytes
    options: TaskOptions
    failures_max: int
    """How many items may fail before the fan-out is given up; -1 is "any number"."""


class CancelFanOut(msgspec.Struct, gc=False):
    """Stop a fan-out whose outcome is no longer wanted."""

    step: str


class MarkPatch(msgspec.Struct, gc=False):
    """Remember that the changed side of a patch was taken. One that is `deprecated` may be gone from the code later."""

    patch_id: str
    deprecated: bool


class RunSideEffect(msgspec.Struct, gc=False):
    """Call the function that the execution keeps for `step`, and resolve `step` with what it gives."""

    step: str


class CancelSideEffect(msgspec.Struct, gc=False):
    """Stop a side effect whose value is no longer wanted."""

    step: str


class ParkRun(msgspec.Struct, gc=False):
    """Let nothing happen until somebody resumes the run, which resolves `step`."""

    step: str
    reason: str


class OpenCallback(msgspec.Struct, gc=False):
    """Remember the URL of a callback."""

    step: str
    url: str


class SetAttributes(msgspec.Struct, gc=False):
    """Change what the run is found by: literals, by name; an empty one takes the name away."""

    attributes: dict[str, str]


class StartChild(msgspec.Struct, gc=False):
    """Start a child: a run of its own. `input` is JSON text."""

    step: str
    workflow: str
    run_id: str
    input: bytes
    parent_close: str
    """What becomes of the child when this run ends: `terminate`, `cancel` or `abandon`."""
    code_version: str = ""
    timeout: float = 0.0
    """How long the child may take, with all executions it goes on as, in seconds; 0 is for ever."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """What it is to be found by: literals, by name."""
    memo: dict[str, str] = msgspec.field(default_factory=dict)


class CancelChild(msgspec.Struct, gc=False):
    """Ask a child to stop."""

    step: str
    reason: str = ""


class SendMessage(msgspec.Struct, gc=False):
    """Send a signal or a cancellation to another run; resolves `step` when it is delivered."""

    step: str
    run_id: str
    kind: str
    """`signal` or `cancel`."""
    name: str
    input: bytes
    """The signal's input as JSON text, or the cancellation's reason as text."""


class CompleteRun(msgspec.Struct, gc=False):
    """End the run with a result, as JSON text."""

    result: bytes


class FailRun(msgspec.Struct, gc=False):
    """End the run with a failure."""

    failure: Failure


class CancelRun(msgspec.Struct, gc=False):
    """End the run as cancelled."""

    reason: str


class ContinueRun(msgspec.Struct, gc=False):
    """End the execution, and let the run go on as a new one with this input, as JSON text."""

    input: bytes


Command: TypeAlias = (
    ScheduleTask
    | StartTimer
    | CancelTask
    | CancelTimer
    | CompleteUpdate
    | AcquireLock
    | ReleaseLock
    | StartFanOut
    | CancelFanOut
    | MarkPatch
    | RunSideEffect
    | CancelSideEffect
    | ParkRun
    | OpenCallback
    | SetAttributes
    | StartChild
    | CancelChild
    | SendMessage
    | CompleteRun
    | FailRun
    | CancelRun
    | ContinueRun
)
