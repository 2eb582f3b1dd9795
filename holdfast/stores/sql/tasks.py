"""Queued tasks: work that any member serving the pool may claim.

Owns: the table `task_queue`.
Must not know: what a task does, what its options and outcomes mean.

Theory of operation
===================

A row waits, delayed or ready, or is claimed by a member. Its claim's token is on the row: handing in an outcome, a
retry or progress needs that token *and* the member that claimed, so whoever lost the row changes nothing. A row queued
with `own` is claimed from the start by the member that queues it, which names it by execution and step.

A row with limits is claimable when the lines it stands in have let it through, see `lines`: each claim has them moved
before it takes anything. What such a row had is handed to others when it goes.

The rows of a paused run are set aside when it is paused, and those that were claimed then when they are given back, so
that no claim walks over them.

A final outcome deletes the row and puts the outcome into the run's inbox in the same transaction: a task is queued, or
has its outcome, never both and never neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import FencedError
from holdfast.history import Attempt, Failure, TaskFailed, is_encrypted
from holdfast.ports.bus import TASKS
from holdfast.ports.operations import (
    BeatTasks,
    ClaimedTask,
    ClaimTasks,
    FinishOwnTask,
    FinishTask,
    QueueRecord,
    QueueTask,
    ReleaseTasks,
    RetryOwnTask,
    RetryTask,
)
from holdfast.stores.sql import executions, inbox, lines, pools, prefixes
from holdfast.stores.sql.queue_states import ASIDE, CLAIMED, DELAYED, READY
from holdfast.stores.sql.turns import draw, take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.stores.sql.session import Handler, Reader, Session

PROMOTED_MAX: Final = 1_000
"""How many delayed rows one claim makes ready at most; the next claim goes on."""

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_attempts = msgspec.msgpack.Decoder(tuple[Attempt, ...]).decode


# --- What an Append brings and takes -----------------------------------------------------------------------------


def enqueue(session: Session, execution_id: int, item: QueueTask) -> None:
    """Queue a task of an execution. A step that is queued already is queued anew, at the attempt `item` names."""
    if not item.own:
        session.rings.add(TASKS)
    if item.limits is not None:
        lines.enqueue(session, execution_id, item)
        return
    ready = item.visible_at <= session.now
    session.later(
        "enqueue_task",
        (
            execution_id,
            item.step,
            item.task,
            item.pool,
            item.priority,
            item.input,
            item.options,
            item.failures,
            item.attempt,
            item.queued_at or session.now,
            session.now if ready else item.visible_at,
            CLAIMED if item.own else READY if ready else DELAYED,
            session.member if item.own else None,
            session.next_token() if item.own else 0,
            item.progress,
            item.traceparent,
        ),
    )


def unqueue(session: Session, execution_id: int, steps: Sequence[str], *, limited: bool) -> None:
    """Remove the tasks of `steps`, claimed or not; steps that are not queued are ignored.

    Args:
        session: the transaction.
        execution_id: whose tasks.
        steps: which of them.
        limited: whether any may have limits.
    """
    if limited:
        lines.withdraw(session, execution_id, steps)
    session.run_many("unqueue_task", ((execution_id, step) for step in steps))


def drop(session: Session, execution_id: int, *, limited: bool) -> None:
    """Remove all tasks of an execution, claimed or not; `limited` says whether any may have limits."""
    if limited:
        lines.drop(session, execution_id)
    session.later("drop_tasks", (execution_id,))


def set_aside(session: Session, execution_id: int) -> None:
    """Keep an execution's rows that nobody has claimed from being claimed."""
    rows = lines.rows_of(session, execution_id)
    session.run("set_aside_tasks", (execution_id,))
    lines.forget(session, rows)


def resume(session: Session, execution_id: int) -> None:
    """Make what was set aside claimable again."""
    if session.run("resume_tasks", (execution_id, session.now)):
        session.rings.add(TASKS)


# --- Claims ------------------------------------------------------------------------------------------------------


def claim(session: Session, operation: ClaimTasks) -> tuple[ClaimedTask, ...]:
    """Claim ready rows for the writing member: pool by pool, highest priority first, then oldest first."""
    member = session.member
    promoted_max = max(PROMOTED_MAX, sum(limit for _, limit in operation.pools))
    session.run("promote_tasks", (session.now, promoted_max))
    let_through = lines.let_through(session, promoted_max)
    known = _encode_json(operation.tasks).decode()
    claimed: list[tuple[Any, ...]] = []
    for pool, limit, _ in pools.open_for_claims(session, operation.pools):
        # The token is only taken when there is a claim to bear it: looking in vain writes nothing.
        token = session.offer_token()
        in_turn = session.rows("claimable_in_turn", (f"pool {pool}", known, limit, prefixes.line_of(pool)))
        if in_turn:
            chosen = _choose(session, pool, known, limit, in_turn, oldest=operation.oldest, first=draw(token))
            rows = _claim_chosen(session, token, chosen, limit)
        else:
            rows = session.rows("claim_tasks", (member, token, pool, known, limit))
        if not rows:
            continue
        session.keep_token(token)
        # RETURNING gives rows in no particular order.
        claimed += sorted(rows, key=lambda row: (-row[0], row[1]))
    limited = [(row[1], row[-1]) for row in claimed if row[-1]]
    refused = lines.use(session, limited, operation.starts_within) if limited else ()
    if not let_through.issubset(task_id for task_id, _ in limited):
        session.rings.add(TASKS)  # there are more than are claimed here
    return tuple(_claimed(*row[1:-1], session.waited) for row in claimed if row[1] not in refused)


def _choose(
    session: Session, pool: str, known: str, limit: int, found: Sequence[Sequence[Any]], *, oldest: bool, first: bool
) -> list[int]:
    """Return the ids of rows to claim, best first, where `found` are those that take turns."""
    rows = [row for row in found if row[1] is not None]
    in_turn = [(priority, task_id) for priority, task_id, _ in sorted(rows, key=lambda row: (-row[0], row[2], row[1]))]
    others = session.rows("claimable_tasks", (pool, known, limit))
    free = take_turns(in_turn, others, limit, first=first)
    if len(rows) == len(found):
        return [task_id for _, task_id in free]
    return prefixes.choose(session, pool, known, limit, free, oldest=oldest, first=not first)


def _claim_chosen(session: Session, token: int, chosen: Sequence[int], limit: int) -> list[tuple[Any, ...]]:
    """Claim the first of the chosen rows; in place of those that somebody else took meanwhile, the next ones."""
    rows: list[tuple[Any, ...]] = []
    left = list(chosen)
    while left and len(rows) < limit:
        wanted, left = left[: limit - len(rows)], left[limit - len(rows) :]
        rows += session.rows("claim_chosen_tasks", (session.member, token, _encode_json(wanted).decode()))
    return rows


def finish(session: Session, operation: FinishTask) -> bool:
    """Hand in a final outcome.

    Raises:
        FencedError: the row is no longer claimed by this member with this token.
    """
    row = session.row("finish_task", (operation.task_id, operation.token, session.member))
    if row is None:
        raise FencedError(f"the outcome of queued task {operation.task_id}")
    inbox.put(session, row[0], "outcome", row[1], operation.body, "")
    if row[2]:
        lines.free(session, row[2:3])
    if row[3]:
        session.rings.add(TASKS)  # its pool is limited, and has room for another one now
    return True


def finish_own(session: Session, operation: FinishOwnTask) -> bool:
    """Hand in a final outcome of a task that its member queued as its own.

    Raises:
        FencedError: the row went to somebody else, or is at another attempt.
    """
    name = (operation.execution_id, operation.step, operation.attempt)
    if session.row("finish_own_task", (*name, session.member)) is None:
        raise FencedError(f"the outcome of attempt {operation.attempt} of task {operation.step}")
    inbox.put(session, operation.execution_id, "outcome", operation.step, operation.body, "")
    return True


def retry(session: Session, operation: RetryTask) -> bool:
    """Hand in a failed attempt; the row is claimable for the next one at `visible_at`.

    Raises:
        FencedError: the row is no longer claimed by this member with this token.
    """
    name = (operation.task_id, operation.token, session.member)
    if not _try_again(session, "retry_task", name, operation, operation.tried):
        raise FencedError(f"a failed attempt at queued task {operation.task_id}")
    return True


def retry_own(session: Session, operation: RetryOwnTask) -> bool:
    """Hand in a failed attempt of a task that its member queued as its own.

    Raises:
        FencedError: the row went to somebody else, or is at another attempt.
    """
    name = (operation.execution_id, operation.step, operation.attempt, session.member)
    if not _try_again(session, "retry_own_task", name, operation, operation.progress):
        raise FencedError(f"failed attempt {operation.attempt} of task {operation.step}")
    return True


def _try_again(
    session: Session, name: str, row: tuple[Any, ...], operation: RetryTask | RetryOwnTask, *more: bytes | bool
) -> bool:
    ready = operation.visible_at <= session.now
    visible_at = session.now if ready else operation.visible_at
    found = session.row(name, (*row, operation.failures, visible_at, READY if ready else DELAYED, *more))
    if found is None:
        return False
    if executions.is_paused(session, found[0]):
        session.run("set_aside_tasks", found[:1])
    lines.free(session, found[1:])
    session.rings.add(TASKS)
    return True


def release(session: Session, operation: ReleaseTasks) -> int:
    """Give back rows untried; return how many were this member's."""
    released = session.rows("release_tasks", (_encode_json(operation.task_ids).decode(), session.member))
    return _given_back(session, released)


def beat(session: Session, operation: BeatTasks) -> tuple[int, ...]:
    """Record progress; return the ids of the rows that are gone or have another owner."""
    ids = _encode_json([task_id for task_id, _, _ in operation.progress]).decode()
    held = dict(session.rows("held_tasks", (ids, session.member)))
    wanted = [(task_id, progress) for task_id, token, progress in operation.progress if held.get(task_id) == token]
    session.run_many("record_progress", [each for each in wanted if each[1]])
    kept = {task_id for task_id, _ in wanted}
    return tuple(task_id for task_id, _, _ in operation.progress if task_id not in kept)


def free_member(session: Session, member: int, recoveries_max: int | None) -> int:
    """Make a member's rows claimable again; return how many there were.

    Args:
        session: the transaction.
        member: number of the member that left or died.
        recoveries_max: how often a row may lose its member. One that did so more often is taken for poison: it goes,
            and its run gets a final failure. None is a member that left in good order, which is held against nobody.
    """
    removed = 0
    if recoveries_max is not None:
        poisonous = session.rows("remove_poisonous_tasks", (member, recoveries_max))
        for execution_id, step, task, recoveries, _ in poisonous:
            removed += 1
            failure = _poison(session.now, step, task, recoveries + 1)
            inbox.put(session, execution_id, "outcome", step, _encode(failure), "")
        lines.free(session, [place for *_, place in poisonous])
        _note_lost(session, member)
    freed = session.rows("free_tasks", (member, int(recoveries_max is not None)))
    return _given_back(session, freed) + removed


def _note_lost(session: Session, member: int) -> None:
    """Note with each row of a dead member that it was tried there: who looks at its run is to see who took over."""
    noted = []
    for task_id, attempt, visible_at, failures, name in session.rows("lost_tasks", (member,)):
        if is_encrypted(failures):
            continue  # nobody here can read what was noted before
        failure = Failure("WorkerLostError", f"{name} died or froze with it")
        lost = Attempt(attempt, visible_at, session.now, name, failure)
        noted.append((task_id, _encode((*(_decode_attempts(failures) if failures else ()), lost))))
    session.run_many("note_lost_attempt", noted)


def _given_back(session: Session, rows: Sequence[Sequence[Any]]) -> int:
    """Note that rows, given by state and place, are nobody's again; return how many."""
    if rows:
        session.rings.add(TASKS)
        lines.free(session, [place for state, place in rows if state == ASIDE])
    return len(rows)


def _poison(now: float, step: str, task: str, deaths: int) -> TaskFailed:
    text = f"{deaths} workers died or froze while they ran {task} for {step}; it is not tried again"
    return TaskFailed(now, -1, step, Failure("PoisonTaskError", text, retryable=False))


def _claimed(task_id: int, execution_id: int, run_id: str, number: int, *rest: Any) -> ClaimedTask:
    return ClaimedTask(task_id, execution_id, run_id, executions.name_of(run_id, number), *rest)


# --- Reads -------------------------------------------------------------------------------------------------------


def read_queue(reader: Reader, execution_id: int) -> list[QueueRecord]:
    """Return an execution's rows, oldest first."""
    return [QueueRecord(*row) for row in reader.rows("read_queue", (execution_id,))]


HANDLERS: Final[dict[type, Handler]] = {
    ClaimTasks: claim,
    FinishTask: finish,
    FinishOwnTask: finish_own,
    RetryTask: retry,
    RetryOwnTask: retry_own,
    ReleaseTasks: release,
    BeatTasks: beat,
}
