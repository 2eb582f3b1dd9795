"""What can be told of a batch from its operations alone: which rows it will lock, what it will ask.

Owns: these rules, operation by operation.
Must not know: the database.

What is done for an operation before its turn (an execution that is made, the row of a finished task that is removed)
has to come to the same as in its turn. So it is planned only where no operation before it in the batch has to do with
the same run, and none is there of which that cannot be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    AcquireLease,
    Answer,
    Append,
    Ask,
    Beat,
    BeatTasks,
    ClaimChunks,
    ClaimRuns,
    ClaimTasks,
    CloseEntry,
    Deliver,
    FinishOwnTask,
    FinishTask,
    MarkDone,
    OpenEntry,
    RecordItems,
    ReleaseLease,
    ReleaseRuns,
    ReleaseTasks,
    RenewEntry,
    RenewLease,
    RetryOwnTask,
    RetryTask,
    ReturnRequest,
    StartRun,
    TakeRequests,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.ports.operations import Operation

INDIFFERENT: Final = frozenset({
    Answer, Ask, Beat, BeatTasks, ClaimChunks, ClaimRuns, ClaimTasks, RecordItems, ReleaseRuns, ReturnRequest,
    TakeRequests,
})  # fmt: skip
"""Operations that make no run and finish no task: what comes after them may be done before them."""

BESIDE_HISTORIES: Final = INDIFFERENT | {
    Deliver, FinishOwnTask, FinishTask, ReleaseTasks, RetryOwnTask, RetryTask,
}  # fmt: skip
"""Operations that look at no history: pages that were appended before them need not be written yet."""


@dataclass(slots=True)
class Plan:
    """What a batch will come to."""

    starts: list[StartRun] = field(default_factory=list)
    """Runs to be made ahead."""
    finished: list[FinishTask] = field(default_factory=list)
    finished_own: list[FinishOwnTask] = field(default_factory=list)
    """Tasks whose rows are to be removed ahead."""
    closing: list[Append] = field(default_factory=list)
    messages: list[Deliver] = field(default_factory=list)
    executions: set[int] = field(default_factory=set)
    """Executions whose rows, or rows that belong to them, are changed."""
    chunks: set[int] = field(default_factory=set)
    """Chunks whose executions are."""
    names: set[str] = field(default_factory=set)
    """Of locks and ledger entries."""

    @property
    def tokens(self) -> int:
        """How many numbers of the counter it takes for what is in inboxes."""
        return len(self.messages) + len(self.finished) + len(self.finished_own)


def decide_plan(operations: Sequence[Operation], *, is_member: bool) -> Plan:
    """Return what `operations` will come to; without a member what needs one is refused, and comes to nothing."""
    plan = Plan()
    named: set[str] = set()
    """Runs that an operation before has to do with."""
    changed: set[int] = set()
    """Executions of which one may have changed the tasks."""
    is_usual = True
    for operation in operations:
        match operation:
            case Append(execution_id=execution_id):
                if is_member:
                    _plan_append(plan, operation)
                changed.add(execution_id)
                is_usual = is_usual and operation.outgoing is None
            case StartRun():
                if is_usual and operation.run_id not in named and _is_plain(operation, is_member=is_member):
                    plan.starts.append(operation)
            case Deliver():
                named.add(operation.run_id)
                if not operation.number:
                    plan.messages.append(operation)
            case FinishTask(execution_id=execution_id) if is_member:
                plan.executions.add(execution_id)
                if is_usual and execution_id and execution_id not in changed:
                    plan.finished.append(operation)
            case FinishOwnTask(execution_id=execution_id) if is_member:
                plan.executions.add(execution_id)
                if is_usual and execution_id not in changed:
                    plan.finished_own.append(operation)
            case RetryTask(execution_id=execution_id) | RetryOwnTask(execution_id=execution_id):
                plan.executions.add(execution_id)
                changed.add(execution_id)
            case ReleaseRuns():
                plan.executions.update(operation.execution_ids)
            case RecordItems():
                plan.chunks.add(operation.chunk_id)
            case (
                OpenEntry() | RenewEntry() | CloseEntry() | MarkDone() | AcquireLease() | RenewLease() | ReleaseLease()
            ):
                plan.names.add(operation.name)
            case _:
                named.add(getattr(operation, "run_id", ""))
                is_usual = is_usual and type(operation) in INDIFFERENT
    return plan


def _plan_append(plan: Plan, append: Append) -> None:
    if append.closing is not None and append.closing.continuation is None:
        plan.closing.append(append)
    if append.closing or append.queue or append.unqueue or append.fan_outs or append.wake_changed or append.stable:
        plan.executions.add(append.execution_id)


def _is_plain(start: StartRun, *, is_member: bool) -> bool:
    """Say whether a start comes to make its execution whatever else happens."""
    return start.page.first == 1 and (is_member or not start.own) and not start.places and not start.fan_outs
