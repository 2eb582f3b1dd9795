"""Changes of runs that no history tells.

Owns: the table `changes`.
Must not know: why a run was parked or paused, who reads of it.

That a run began or ended stands in the histories, in the order of all commits. That one was parked, paused or set going
again stands only here: an act on a run nobody may be running writes no event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Session


def note(session: Session, execution_id: int, status: str) -> None:
    """Note that an execution has another status from this commit on."""
    session.run("put_change", (execution_id, status, session.now))
