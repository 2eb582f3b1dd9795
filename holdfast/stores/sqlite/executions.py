"""Executions: started, claimed, released, parked, resumed, listed.

Owns: the table `executions`.
Must not know: how histories are appended to, what queues and locks there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ports.operations import RUNNING

if TYPE_CHECKING:
    from holdfast.stores.sqlite.session import Session


def park(session: Session, execution_id: int, reason: str) -> bool:
    """Park a running execution for `reason`, whoever owns it; return whether it was running.

    Its owner, if it has one, finds its next append refused.
    """
    found = session.row("execution_standing", (execution_id,))
    if found is None or found[2] != RUNNING:
        return False
    run_id, owner, _ = found
    session.run("park_execution", (execution_id, reason))
    session.run("disown_inbox", (execution_id,))
    if owner is not None:
        session.run("loosen_grip", (owner,))
    session.parked.append(run_id)
    return True
