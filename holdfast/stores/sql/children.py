"""Runs that have to do with other runs: children, messages between runs, executions that follow one another.

Owns: the table `children`.
Must not know: how histories are stored, what a message means to the workflow that gets it.

Everything here happens in the transaction of the append that asks for it: a child begins in the commit that records it,
its outcome reaches its parent in the commit that closes it, and an execution is followed in the commit that ends it.
Nothing can be lost or doubled in between, because there is no between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from holdfast.errors import HoldfastError, RunClosedError, RunNotFoundError
from holdfast.ports.answers import encode_error, encode_result
from holdfast.ports.operations import CANCELLED, TERMINAL
from holdfast.stores.sql import delivery, executions, inbox, notices, parts, pruning

if TYPE_CHECKING:
    from holdfast.history import Page
    from holdfast.ports.operations import Append, ChildCancel, Closing, Continuation, NewChild, OutgoingMessage
    from holdfast.stores.sql.session import Session

CARRIED_MAX: Final = 1_000
"""Of how many messages a run still knows the operation ids when it goes on as a new execution: the newest ones."""
STOP: Final = "parent-cancel"
"""Operation id of a cancellation by the parent: a second one would interrupt the child's clean-up."""


class Create(Protocol):
    """Creates executions. See `Log.create`."""

    def __call__(self, session: Session, run_id: str, number: int, row: tuple[Any, ...], page: Page) -> int:
        """Create one; return its id, or 0."""


def change(session: Session, append: Append, create: Create) -> int:
    """Start and stop children and send messages, as `append` says; return the execution's new marks of `parts`."""
    outgoing, sender = append.outgoing, append.execution_id
    assert outgoing is not None, "only called for an append that has something to do with other runs"
    tells = append.closing is None  # one that has ended is told nothing
    for child in outgoing.children:
        _start(session, sender, child, create, tells=tells)
    for stop in outgoing.stop:
        _stop(session, sender, stop)
    for message in outgoing.messages:
        _send(session, sender, message, tells=tells)
    return parts.CHILDREN if outgoing.children else 0


def close(session: Session, execution_id: int, closing: Closing) -> None:
    """Tell the parents of an execution that ends how it did, and end its children as they were started to be."""
    for parent, step in session.rows("parents_of", (execution_id,)):
        if step:
            inbox.put(session, parent, "child", step, closing.outcome, "", str(execution_id))
    session.run("drop_parents_of", (execution_id,))
    children = session.rows("children_of", (execution_id,))
    if not children:
        return
    reason = f"its parent {_name(session, execution_id)} ended ({closing.status})".encode()
    for child, owner, status, parent_close in children:
        if parent_close == "abandon" or status in TERMINAL:
            continue
        if parent_close == "cancel" or closing.status == CANCELLED:
            delivery.hand(session, (child, owner, status), "cancel", "", reason, STOP)
        else:
            delivery.hand(session, (child, owner, status), "terminate", "", reason, "")
    session.run("drop_children_of", (execution_id,))


def go_on(session: Session, append: Append, continuation: Continuation, marks: int, create: Create) -> None:
    """Let a run go on as a new execution, with everything that was meant for the one that ends."""
    before = append.execution_id
    found = session.row("execution_work", (before,))
    assert found is not None, "it was appended to just now"
    run_id, _, workflow, digest = found
    row = (workflow, digest, continuation.code_version, marks & (parts.CHILDREN | parts.CHILD | parts.NOTICES))
    after = create(session, run_id, continuation.number, row, continuation.page)
    if not after:
        raise ValueError(f"run {run_id!r} has an execution {continuation.number} already")
    if continuation.blobs:
        pruning.keep_payloads(session, after, continuation.blobs)
    session.run("carry_pin", (before, after))
    if continuation.deadline:
        session.run("put_deadline", (after, continuation.deadline))
    session.run("make_older", (before,))
    session.run("move_inbox", (before, after))
    session.run("drop_answers", (before,))
    session.run("drop_old_delivered", (before, CARRIED_MAX))
    for name in ("move_attributes", "move_memo", "move_delivered", "move_requests"):
        session.run(name, (before, after))
    if marks & parts.CHILDREN:
        session.run("move_children", (before, after))
    if marks & parts.CHILD:
        session.run("move_parents", (before, after))
    if marks & parts.NOTICES:
        notices.move(session, before, after)


# --- Behind them -----------------------------------------------------------------------------------------------------


def _start(session: Session, parent: int, child: NewChild, create: Create, *, tells: bool) -> None:
    row = (child.workflow, child.input_digest, child.code_version, parts.CHILD)
    execution_id = create(session, child.run_id, 1, row, child.page)
    if execution_id:
        if child.blobs:
            pruning.keep_payloads(session, execution_id, child.blobs)
        if child.deadline:
            session.run("put_deadline", (execution_id, child.deadline))
        if child.attributes or child.memo:
            executions.put_notes(session, execution_id, child)
        session.run("put_child", (parent, child.step, execution_id, child.parent_close))
        if tells:
            inbox.put(session, parent, "child_started", child.step, child.run_id.encode(), "")
        return
    found = session.row("newest_work", (child.run_id,))
    assert found is not None, "the unique index said that it is there"
    execution_id, owner, status, workflow, digest, outcome, number, marks = found
    is_same = workflow == child.workflow and (digest == child.input_digest or digest in child.other_digests)
    if not is_same or execution_id == parent:
        if tells:
            what = "workflow" if workflow != child.workflow else "input"
            inbox.put(session, parent, "child_refused", child.step, what.encode(), "")
        return
    # The same work: whoever started it, it is this parent's to wait for, but not to end.
    if tells:
        name = executions.name_of(child.run_id, number)
        inbox.put(session, parent, "child_started", child.step, name.encode(), "")
    if status in TERMINAL:
        if tells:
            inbox.put(session, parent, "child", child.step, outcome, "", str(execution_id))
        return
    session.run("put_child", (parent, child.step, execution_id, "abandon"))
    if not marks & parts.CHILD:
        session.run("add_parts", (execution_id, parts.CHILD))
        if owner is not None:
            executions.loosen(session, owner)


def _stop(session: Session, parent: int, stop: ChildCancel) -> None:
    found = session.row("child_of_step", (parent, stop.step))
    if found is not None and found[2] not in TERMINAL:
        delivery.hand(session, found, "cancel", "", stop.reason.encode(), STOP)


def _send(session: Session, sender: int, message: OutgoingMessage, *, tells: bool) -> None:
    refusal: HoldfastError | None = None
    found = executions.find(session, message.run_id)
    if found is None:
        refusal = RunNotFoundError(message.run_id)
    elif found[2] in TERMINAL:
        refusal = RunClosedError(message.run_id, found[2])
    elif found[0] == sender and not tells:
        pass  # to itself, as its last word: it ends in this commit, and nobody reads it any more
    else:
        delivery.hand(session, found, message.kind, message.name, message.body, message.operation_id, message.sender)
    if tells:
        answer = encode_result(b"") if refusal is None else encode_error(refusal)
        inbox.put(session, sender, "sent", message.step, answer, "")


def _name(session: Session, execution_id: int) -> str:
    found = session.row("execution_name_parts", (execution_id,))
    assert found is not None, "an execution is never deleted"
    return executions.name_of(*found)
