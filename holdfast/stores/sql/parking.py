"""Runs that do not move until somebody says so: paused ones and parked ones, and how they are set going again.

Owns: the operations `Pause`, `Resume`, `ParkForFailure`, `Fit` and `MoveAway`.
Must not know: why a run was parked.

A pause takes the run from its owner in its own transaction: whatever the owner was about to write is refused from then
on, so nothing moves that a pause was acknowledged for, whether its owner hears of it or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import RunClosedError, RunNotFoundError, RunStateError
from holdfast.ports.bus import REQUESTS, RUNS
from holdfast.ports.operations import PAUSED, RUNNING, TERMINAL, Fit, MoveAway, ParkForFailure, Pause, Resume
from holdfast.stores.sql import changes, executions, inbox, parts, pruning

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Session


def pause(session: Session, operation: Pause) -> bool:
    """Keep a run from moving; one that is paused already is left as it is.

    Raises:
        RunNotFoundError: there is no such run.
        RunClosedError: it has ended.
    """
    execution_id, status = _find(session, operation.run_id)
    if status != PAUSED:
        executions.pause(session, execution_id, operation.by, operation.reason)
        parts.set_aside(session, execution_id)
        session.rings.add(RUNS)
    return True


def park(session: Session, operation: ParkForFailure) -> bool:
    """Park a run for what became of a task of it."""
    was_running = executions.park(session, operation.execution_id, operation.reason)
    # Also what is queued of a run that was parked before: it would meet the same again.
    parts.set_aside(session, operation.execution_id)
    return was_running


def resume(session: Session, operation: Resume) -> bool:
    """Make a parked or paused run claimable again.

    Raises:
        RunNotFoundError: there is no such run.
        RunClosedError: it has ended.
        RunStateError: it is neither parked nor paused.
    """
    execution_id, status = _find(session, operation.run_id)
    if not go_on(session, execution_id):
        remedy = (
            f"Only a run that is PARKED or PAUSED can. See what it waits for: holdfast runs show {operation.run_id}"
        )
        raise RunStateError(operation.run_id, status, "resumed", remedy)
    return True


def go_on(session: Session, execution_id: int) -> bool:
    """Make an execution claimable again; return whether it was parked or paused."""
    if not session.run("resume_execution", (execution_id,)):
        return False
    changes.note(session, execution_id, RUNNING)
    parts.resume(session, execution_id, forgive=True)
    inbox.put(session, execution_id, "resume", "", b"", "")
    session.rings.update((RUNS, REQUESTS))  # updates wait for it as requests
    return True


def fit(session: Session, operation: Fit) -> int:
    """Let executions go on that were parked because they do not fit other code. No death is forgiven."""
    found = session.rows("fit_executions", (operation.workflow, operation.version))
    for (execution_id,) in found:
        changes.note(session, execution_id, RUNNING)
        parts.resume(session, execution_id, forgive=False)
    if found:
        session.rings.add(RUNS)
    return len(found)


def move_away(session: Session, operation: MoveAway) -> bool:
    """End a paused run that goes on elsewhere, unless it was told something that nobody takes along.

    Raises:
        RunNotFoundError: there is no such run.
        RunClosedError: it has ended.
        RunStateError: it is not as whoever moves it has read it.
    """
    execution_id, status = _find(session, operation.run_id)
    tip = session.row("unowned_tip", (execution_id,))
    unread = tuple(row[0] for row in session.rows("read_execution_inbox", (execution_id,)))
    if (
        (execution_id, status) != (operation.execution_id, PAUSED)
        or tip is None
        or tip[1] != operation.page.first - 1
        or unread != operation.inbox
    ):
        remedy = "Something has happened to it since it was read. Move it again."
        raise RunStateError(operation.run_id, status, "moved", remedy)
    if operation.blobs:
        pruning.keep_payloads(session, execution_id, operation.blobs)
    session.moved_away.append((execution_id, operation.page, operation.closing))
    return True


def _find(session: Session, run_id: str) -> tuple[int, str]:
    found = executions.find(session, run_id)
    if found is None:
        raise RunNotFoundError(run_id)
    execution_id, _, status = found
    if status in TERMINAL:
        raise RunClosedError(run_id, status)
    return execution_id, status


HANDLERS: Final[dict[type, Handler]] = {
    Pause: pause,
    Resume: resume,
    ParkForFailure: park,
    Fit: fit,
    MoveAway: move_away,
}
