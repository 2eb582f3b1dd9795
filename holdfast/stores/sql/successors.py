"""Executions that follow one another under a run id because somebody started the run again.

Owns: the operation `StartNext`: what a start does when there is a run with its id.
Must not know: how histories are stored.

An execution that makes place for the next one ends in the transaction that begins the next: under a run id there is
never more than one that is open, and no moment at which a start was accepted and none is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import RunClosedError, RunConflictError
from holdfast.ports.operations import (
    ALLOW_DUPLICATE,
    ALLOW_DUPLICATE_FAILED_ONLY,
    COMPLETED,
    FAIL,
    REJECT_DUPLICATE,
    TERMINAL,
    TERMINATE_EXISTING,
    USE_EXISTING,
    Overtaken,
    Started,
)
from holdfast.stores.sql import executions, inbox, notices, parts, pruning

if TYPE_CHECKING:
    from holdfast.ports.operations import StartNext, StartSignal
    from holdfast.stores.sql.children import Create
    from holdfast.stores.sql.session import Session

REASON: Final = b"another execution of the run was started in its place"
"""Why an execution was terminated that made place for the next."""


def start_next(session: Session, operation: StartNext, create: Create) -> Started | Overtaken:
    """Create the next execution of a run, or find the run.

    Raises:
        RunConflictError: the policy refuses the run that has this id, or its author has nothing to do with it.
        RunClosedError: the run that was found has ended, and is to be signalled.
    """
    run_id, policy = operation.run_id, operation.policy
    found = session.row("started_before", (run_id,))
    if found is not None:
        workflow, digest, execution_id, newest, status = found
        if policy.only and workflow not in policy.only:
            raise RunConflictError(run_id, "workflow")
        is_open = status not in TERMINAL
        if operation.signal is not None and _was_signalled(session, execution_id, operation.signal):
            return Started(execution_id, executions.name_of(run_id, newest), False, status)
        if not _makes_place(run_id, status, policy.conflict if is_open else policy.reuse):
            if not is_open or policy.conflict != USE_EXISTING:
                _check_same(operation, workflow, digest)
            if operation.signal is not None:
                if not is_open:
                    raise RunClosedError(run_id, status)
                _signal(session, execution_id, operation.signal)
            return Started(execution_id, executions.name_of(run_id, newest), False, status)
    number = 1 if found is None else found[3] + 1
    if operation.number != number:
        return Overtaken(number)
    if found is not None:
        _make_place(session, found[2], found[4])
    row = (
        operation.workflow,
        operation.input_digest,
        operation.code_version,
        parts.NOTICES if operation.notices else 0,
    )
    created = create(session, run_id, number, row, operation.page)
    _set_up(session, created, operation)
    return Started(created, executions.name_of(run_id, number), True)


def _set_up(session: Session, created: int, operation: StartNext) -> None:
    """Give an execution that was created what it is to begin with."""
    if operation.blobs:
        pruning.keep_payloads(session, created, operation.blobs)
    if operation.deadline:
        session.run("put_deadline", (created, operation.deadline))
    if operation.start_at > session.now:
        session.later("schedule_execution", (created, operation.start_at))
    if operation.pin:
        session.run("pin_execution", (created, operation.pin))
    if operation.notices:
        notices.put(session, created, operation.notices)
    if operation.signal is not None:
        _signal(session, created, operation.signal)
    if operation.attributes or operation.memo:
        executions.put_notes(session, created, operation)


def _was_signalled(session: Session, execution_id: int, signal: StartSignal) -> bool:
    return session.row("find_delivered", (execution_id, signal.operation_id)) is not None


def _signal(session: Session, execution_id: int, signal: StartSignal) -> None:
    inbox.put(session, execution_id, "signal", signal.name, signal.body, signal.operation_id)


def _makes_place(run_id: str, status: str, policy: str) -> bool:
    """Say whether the newest execution is followed by another one, rather than being what the start finds.

    Raises:
        RunConflictError: neither.
    """
    if policy in {FAIL, REJECT_DUPLICATE}:
        raise RunConflictError(run_id, status)
    if policy == ALLOW_DUPLICATE_FAILED_ONLY:
        return status != COMPLETED
    return policy in {ALLOW_DUPLICATE, TERMINATE_EXISTING}


def _make_place(session: Session, execution_id: int, status: str) -> None:
    if status not in TERMINAL:
        executions.terminate(session, execution_id, REASON)
    session.run("make_older", (execution_id,))


def _check_same(operation: StartNext, workflow: str, digest: bytes) -> None:
    if workflow != operation.workflow:
        raise RunConflictError(operation.run_id, "workflow")
    if digest != operation.input_digest and digest not in operation.other_digests:
        raise RunConflictError(operation.run_id, "input")
