"""What the operations of a batch are going to ask, asked at once; and the order in which a batch locks rows.

Owns: that order, the statements that ask for many.
Must not know: what operations do with the answers.

Handlers ask one thing after another, each of them a journey to the server and back. Where it can be told from the
operations alone what that will be (see `plan`), it is asked for all of a batch before the first of them is carried out,
some of it even with the question that a transaction begins with (see `opening`), and the session answers from that: see
`ServerSession.foresee`. A handler cannot tell the difference, and whatever was
not foreseen is asked when it comes to it.

Beside others a batch locks what it is going to change, in this order, each kind in the order of its ids:

    names       of locks and ledger entries: whoever is about to make a row finds no row to lock
    executions  whose rows, or rows that belong to them, are changed

so two batches may wait for one another, but not in a circle. Whatever belongs to an execution (its inbox, its queued
tasks, its fan-outs) is changed under the lock of its row; only claims are not, which pass over what others have locked.
Tokens are drawn once the rows are locked that they are for: so the messages of an inbox become visible in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.stores.postgres.plan import decide_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.ports.operations import Append, Deliver, FinishOwnTask, FinishTask, Membership, Operation, StartRun
    from holdfast.stores.postgres.opening import Opening
    from holdfast.stores.postgres.plan import Plan
    from holdfast.stores.postgres.session import ServerSession


def decide(operations: Sequence[Operation], membership: Membership | None, *, is_shared: bool) -> Plan | None:
    """Return what a batch will come to, if it pays to look ahead.

    Alone there is nothing to lock, and one question is not asked sooner than when it comes up.
    """
    if not is_shared and len(operations) < 2:
        return None
    return decide_plan(operations, is_member=membership is not None)


def foresee(session: ServerSession, plan: Plan, opening: Opening) -> None:
    """Lock what a batch is going to change, and ask what it will ask, as far as it pays.

    Args:
        session: the transaction.
        plan: what the batch will come to.
        opening: what was done when it began.
    """
    if len(plan.starts) > 1:
        _start(session, plan.starts)
    if opening.finished:
        _foresee_executions(session, opening.locked, {})
        return
    if plan.only_changes:
        if session.is_shared:
            session.lock_later(sorted(plan.executions))
        return
    runs = _find_runs(session, plan.messages)
    locked = _lock_executions(session, plan, runs)
    _finish(session, plan.finished)
    _finish_own(session, plan.finished_own)
    # From here on nothing is changed until the first handler is called.
    _foresee_executions(session, locked, runs)
    named = [(runs[each.run_id], each.operation_id) for each in plan.messages if each.run_id in runs]
    _look_for_messages(session, named)
    _look_before_closing(session, plan.closing)
    session.draw_tokens(plan.tokens)


def _start(session: ServerSession, starts: Sequence[StartRun]) -> None:
    """Make the executions of new runs."""
    member = None if session.membership is None else session.membership.member
    rows: dict[str, tuple[Any, ...]] = {}
    for each in starts:
        owner, ready = (member, False) if each.own else (None, True)
        row = (each.run_id, each.workflow, each.input_digest, each.code_version, session.now, owner, ready)
        rows.setdefault(each.run_id, row)  # of several with one run id it is the first that makes it
    made: dict[str, int] = dict(session.rows_of_many("start_executions", list(rows.values())))
    for run_id, row in rows.items():
        session.note_done("start_execution", row, made.get(run_id))


def _find_runs(session: ServerSession, messages: Iterable[Deliver]) -> dict[str, int]:
    """Return the newest executions of the runs that messages are for."""
    run_ids = sorted({each.run_id for each in messages})
    return dict(session.rows_of_many("newest_executions", [(run_id,) for run_id in run_ids])) if run_ids else {}


def _lock_executions(session: ServerSession, plan: Plan, runs: dict[str, int]) -> list[tuple[Any, ...]]:
    """Lock the executions that are going to be changed; return (id, owner, ready, status) of each."""
    wanted = plan.executions | set(runs.values())
    if plan.chunks and session.is_shared:
        wanted |= {row[0] for row in session.rows("executions_of_chunks", (sorted(plan.chunks),))}
    return session.rows("lock_executions", (sorted(wanted),)) if wanted else []


def _foresee_executions(session: ServerSession, locked: list[tuple[Any, ...]], runs: dict[str, int]) -> None:
    found = {execution_id: (owner, ready, status) for execution_id, owner, ready, status in locked}
    for execution_id, row in found.items():
        session.foresee("find_addressee", (execution_id,), row, execution_id)
    for run_id, execution_id in runs.items():
        owner, _, status = found[execution_id]
        session.foresee("newest_execution", (run_id,), (execution_id, owner, status), execution_id)


def _finish(session: ServerSession, finished: Sequence[FinishTask]) -> None:
    """Remove the rows of finished tasks."""
    rows = sorted({(each.task_id, each.token) for each in finished})
    if len(rows) < len(finished) or not rows:
        return  # one of them twice: let each find out for itself
    member = session.member
    found = {
        (task_id, token): tuple(rest)
        for task_id, token, *rest in session.rows_of_many("finish_tasks", [(*row, member) for row in rows])
    }
    for task_id, token in rows:
        session.note_done("finish_task", (task_id, token, member), found.get((task_id, token)))


def _finish_own(session: ServerSession, finished: Sequence[FinishOwnTask]) -> None:
    rows = sorted({(each.execution_id, each.step, each.attempt) for each in finished})
    if len(rows) < len(finished) or not rows:
        return
    member = session.member
    found = {
        tuple(row[:3]): (row[3],) for row in session.rows_of_many("finish_own_tasks", [(*row, member) for row in rows])
    }
    for row in rows:
        session.note_done("finish_own_task", (*row, member), found.get(row))


def _look_for_messages(session: ServerSession, named: Iterable[tuple[int, str]]) -> None:
    """Ask which messages have been delivered before."""
    wanted = sorted({each for each in named if each[1]})
    known: dict[Any, Any] = {}
    if wanted:
        known = {(row[0], row[1]): (row[2],) for row in session.rows_of_many("find_all_delivered", wanted)}
    for each in wanted:
        session.foresee("find_delivered", each, known.get(each), each[0])


def _look_before_closing(session: ServerSession, closing: Iterable[Append]) -> None:
    """Ask whether executions that close have messages unread."""
    wanted = sorted({(each.execution_id, each.inbox_read) for each in closing})
    if wanted:
        for execution_id, read, *answer in session.rows_of_many("look_before_all_closing", wanted):
            session.foresee("look_before_closing", (execution_id, read), tuple(answer), execution_id)
