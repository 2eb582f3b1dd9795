"""The task side: one attempt at one task, and what its code may know and say.

Owns: the shapes of a call, an attempt and its outcome; the ContextVar of the running task.
Must not know: pools, queues, processes, stores.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from holdfast.errors import ApiDrift, BudgetUsedUp
from holdfast.history import Attempt, Exchange, Failure, TaskOptions, encode_exchanges
from holdfast.ports.operations import DriftChange, ParkForBudget, ParkForFailure, RecordExchanges, ReportDrift


class TaskCall(msgspec.Struct, frozen=True, gc=False):
    """Everything an executor needs for one attempt. `input` is JSON text; times are seconds since the epoch."""

    run_id: str
    execution: str
    step: str
    """`fetch#1`, `fetch[doc-7]`, or `map#1[17]` for an item of a fan-out."""
    task: str
    input: bytes
    options: TaskOptions
    idempotency_key: str
    """Stable over attempts and recoveries: `<run id>/<step>`, with `@n` of the execution where it is not the first."""
    attempt: int = 1
    token: int = 0
    queued_at: float = 0.0
    progress: bytes = b""
    """What the previous attempt reported last; empty for none."""
    traceparent: str = ""
    """Where in which trace its run was started; empty for nowhere."""
    start_by: float = 0.0
    """Time of the event loop after which it must not start any more, and ends as cancelled; 0 for none."""


class AttemptOutcome(msgspec.Struct, frozen=True, gc=False):
    """How one attempt ended: with a result, a failure, a time-out, or cancelled."""

    started: float
    ended: float
    result: bytes | None = None
    """JSON text; None when the attempt did not succeed."""
    failure: Failure | None = None
    timeout: str = ""
    """`attempt`, `heartbeat`, `queue` or `total` when time ran out."""
    cancelled: bool = False
    progress: bytes = b""
    """What the attempt reported last, where it failed: JSON text, for the next attempt."""
    exchanges: tuple[Exchange, ...] = ()
    """What it asked of outside systems and was answered, where it failed."""
    classes: tuple[str, ...] = ()
    """By which classes of failure it goes, where its code raised: the exception's, and `http:503`."""

    def recorded(self, execution_id: int, step: str) -> tuple[RecordExchanges, ...]:
        """Return what is to be written of its calls: nothing where it made none."""
        if not self.exchanges:
            return ()
        return (RecordExchanges(execution_id, step, encode_exchanges(self.exchanges)),)


class Known(Failure, frozen=True, array_like=True):
    """A failure, and by which classes it goes: names of the exception's class and those above it, `http:503`."""

    classes: tuple[str, ...] = ()

    def plain(self) -> Failure:
        """Return it as history knows failures."""
        return Failure(self.type, self.message, self.traceback, self.retryable, self.cause)


class PutOff(Known, frozen=True, array_like=True):
    """A task was told by a receiver to come again later: the attempt does not count."""

    seconds: float = 0.0
    rate: str = ""
    """Which rate to freeze meanwhile; empty for all that the task takes of."""
    freezes: bool = True
    """Whether rates are frozen at all."""

    def as_failure(self, *, final: bool) -> Failure:
        """Return it as history knows failures; `final` when it cannot be put off for as long as it was told."""
        return Failure(self.type, self.message, self.traceback, self.retryable and not final, self.cause)


class Drifted(Known, frozen=True, array_like=True):
    """A host answered a task otherwise than its code expects: the run is parked, and the attempt does not count."""

    host: str = ""
    endpoint: str = ""
    contract: str = ""
    changes: tuple[tuple[str, str, str], ...] = ()

    def report(self, execution_id: int) -> ReportDrift:
        """Return what is to be written of it."""
        changes = tuple(DriftChange(*each) for each in self.changes)
        return ReportDrift(execution_id, self.host, self.endpoint, self.contract, changes)


class OutOfBudget(Known, frozen=True, array_like=True):
    """A budget is used up that a task pays from: the run is parked, and the attempt does not count."""

    name: str = ""
    per: str = ""
    scope: str = ""

    def report(self, execution_id: int) -> ParkForBudget:
        """Return what is to be written of it."""
        return ParkForBudget(execution_id, self.name, self.per, self.scope)


class Parked(Known, frozen=True, array_like=True):
    """A rule says that the run is to be parked, and the attempt does not count."""

    reason: str = ""

    def report(self, execution_id: int) -> ParkForFailure:
        """Return what is to be written of it."""
        return ParkForFailure(execution_id, self.reason)


Parks: TypeAlias = Drifted | OutOfBudget | Parked
"""Failures that park a run."""


class TryAgain(Known, frozen=True, array_like=True):
    """A rule says that another attempt is made, which counts."""

    seconds: float | None = None
    """After so many; None is as the retry policy says."""


class Remedied(Known, frozen=True, array_like=True):
    """A rule says what is done instead of raising it."""

    remedy: str = ""
    """As it is recorded: see `holdfast.history.Remedy`."""


def plain(failure: Failure) -> Failure:
    """Return a failure as history knows it, whatever else it means."""
    return failure.plain() if isinstance(failure, Known) else failure


def remedy_of(failure: Failure) -> str:
    """Return what is recorded as done instead of raising it; empty for nothing."""
    return failure.remedy if isinstance(failure, Remedied) else ""


def parking_of(error: BaseException, failure: Failure) -> Drifted | OutOfBudget | None:
    """Return what `error`, described as `failure`, parks the run of a step for; None when it does not."""
    said = (failure.type, failure.message, failure.traceback, failure.retryable, failure.cause)
    match error:
        case ApiDrift(host=host, endpoint=endpoint, contract=contract, changes=changes):
            return Drifted(*said, host=host, endpoint=endpoint, contract=contract, changes=changes)
        case BudgetUsedUp(name=name, per=per, scope=scope):
            return OutOfBudget(*said, name=name, per=per, scope=scope)
        case _:
            return None


class RunningAttempt(Protocol):
    """An attempt under way."""

    def cancel(self) -> None:
        """Stop it; its outcome will say `cancelled`, unless it ended before."""


class TaskRunner(Protocol):
    """Runs attempts in this process, on behalf of whoever is responsible for the task."""

    def knows(self, task: str) -> bool:
        """Say whether code for this task is registered here."""

    enter: Callable[[TaskCall, Context], None] | None
    """Called with each attempt that runs in this process, and the contextvars that its code is to run in, before it."""

    def is_quick(self, task: str, options: TaskOptions) -> bool:
        """Say whether an attempt may start before its call is recorded: known here, no own process, no heartbeats."""

    def start(self, call: TaskCall, done: Callable[[TaskCall, AttemptOutcome], None]) -> RunningAttempt | None:
        """Start an attempt; `done` is called exactly once, on the event loop - possibly before this returns.

        Returns None when the attempt ended before this returned.
        """


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What a task may know about the attempt it is in."""

    idempotency_key: str
    """Stable over attempts and recoveries: hand it to receivers that honour one."""
    attempt: int
    run_id: str
    execution: str
    task: str
    step: str
    fencing_token: int
    """Rises with every claim of this step; hand it to receivers that refuse older ones."""
    deadline: datetime | None
    """When this attempt will be stopped: aware, UTC."""
    last_progress: Any
    """What `heartbeat(...)` last recorded in an earlier attempt, as JSON values; None for nothing."""


class TaskContext(Protocol):
    """The running attempt, as functions called inside a task see it."""

    info: TaskInfo
    exchanges: tuple[Exchange, ...]
    """The calls to outside systems that it has made so far, the first EXCHANGES_MAX of them."""

    def heartbeat(self, progress: Any = None) -> None:
        """Say "still at it", and record `progress` (JSON values) for the next attempt. Thread-safe.

        Raises:
            LeaseLost: the attempt is no longer wanted; stop.
        """


current_task: ContextVar[TaskContext] = ContextVar("holdfast_task_context")
"""Set while task code runs; unset everywhere else."""

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "Drifted",
    "Known",
    "OutOfBudget",
    "Parked",
    "Parks",
    "PutOff",
    "Remedied",
    "RunningAttempt",
    "TaskCall",
    "TaskContext",
    "TaskInfo",
    "TaskRunner",
    "TryAgain",
    "current_task",
    "parking_of",
    "plain",
    "remedy_of",
]
