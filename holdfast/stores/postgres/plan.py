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
    HoldPrefixes,
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
    Answer, Ask, Beat, BeatTasks, ClaimChunks, ClaimRuns, ClaimTasks, FinishOwnTask, FinishTask, HoldPrefixes,
    RecordItems,
    ReleaseRuns, ReturnRequest, StartRun, TakeRequests,
})  # fmt: skip
"""Operations that neither see nor change what is done ahead of others, but for what `_Before` notes of them."""

BESIDE_HISTORIES: Final = INDIFFERENT - {StartRun} | {Deliver, ReleaseTasks, RetryOwnTask, RetryTask}
"""Operations that look at no history: pages that were appended before them need not be written yet."""

_NAMED: Final = (OpenEntry, RenewEntry, CloseEntry, MarkDone, AcquireLease, RenewLease, ReleaseLease)


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

    @property
    def only_finishes(self) -> bool:
        """Whether all it has to do with is tasks that are finished, each once, and their executions."""
        tasks = {each.task_id for each in self.finished}
        return bool(tasks) and len(tasks) == len(self.finished) and not self._asks

    @property
    def only_changes(self) -> bool:
        """Whether all it has to do with is executions that are changed, of which nothing is asked."""
        return not (self.finished or self._asks)

    @property
    def _asks(self) -> bool:
        return bool(self.starts or self.finished_own or self.closing or self.messages or self.chunks)

    @property
    def tokens(self) -> int:
        """How many numbers of the counter it takes for what is in inboxes."""
        return len(self.messages) + len(self.finished) + len(self.finished_own)


@dataclass(slots=True)
class _Before:
    """What the operations before another one in the batch have to do with."""

    runs: set[str] = field(default_factory=set)
    executions: set[int] = field(default_factory=set)
    """Those of which the tasks may have changed."""
    tasks: set[int] = field(default_factory=set)
    """Those that were said to be there."""
    has_claims: bool = False
    """Whether runs were claimed: not those that are made after it."""
    has_others: bool = False
    """Whether there is one of which nothing is known."""

    def note(self, operation: Operation) -> None:
        match operation:
            case Append() | RetryTask() | RetryOwnTask():
                self.executions.add(operation.execution_id)
                self.has_others = self.has_others or (type(operation) is Append and operation.outgoing is not None)
            case Deliver() | Ask():
                self.runs.add(operation.run_id)
            case BeatTasks():
                self.tasks.update(task_id for task_id, _, _ in operation.progress)
            case ClaimRuns():
                self.has_claims = True
            case _:
                self.has_others = self.has_others or type(operation) not in INDIFFERENT

    def may_start(self, start: StartRun) -> bool:
        return not (self.has_others or self.has_claims or start.run_id in self.runs)

    def may_finish(self, execution_id: int, task_id: int = -1) -> bool:
        return not (self.has_others or execution_id in self.executions or task_id in self.tasks)


def names_of(operations: Sequence[Operation]) -> set[str]:
    """Return the names of locks and ledger entries that `operations` have to do with."""
    return {each.name for each in operations if isinstance(each, _NAMED)}


def decide_plan(operations: Sequence[Operation], *, is_member: bool) -> Plan:
    """Return what `operations` will come to; without a member what needs one is refused, and comes to nothing."""
    plan, before = Plan(), _Before()
    for operation in operations:
        match operation:
            case Append() if is_member:
                _plan_append(plan, operation)
            case StartRun():
                if before.may_start(operation) and _is_plain(operation, is_member=is_member):
                    plan.starts.append(operation)
            case Deliver():
                if not operation.number:
                    plan.messages.append(operation)
            case FinishTask(execution_id=execution_id) if is_member and execution_id:
                plan.executions.add(execution_id)
                if before.may_finish(execution_id, operation.task_id):
                    plan.finished.append(operation)
            case FinishOwnTask(execution_id=execution_id) if is_member:
                plan.executions.add(execution_id)
                if before.may_finish(execution_id):
                    plan.finished_own.append(operation)
            case RetryTask(execution_id=execution_id) | RetryOwnTask(execution_id=execution_id):
                plan.executions.add(execution_id)
            case ReleaseRuns():
                plan.executions.update(operation.execution_ids)
            case RecordItems():
                plan.chunks.add(operation.chunk_id)
            case _:
                pass  # it asks when it comes to it
        before.note(operation)
    return plan


def _plan_append(plan: Plan, append: Append) -> None:
    if append.closing is not None and append.closing.continuation is None:
        plan.closing.append(append)
    if append.closing or append.queue or append.unqueue or append.fan_outs or append.wake_changed or append.stable:
        plan.executions.add(append.execution_id)


def _is_plain(start: StartRun, *, is_member: bool) -> bool:
    """Say whether a start comes to make its execution whatever else happens."""
    return start.page.first == 1 and (is_member or not start.own) and not start.places and not start.fan_outs
