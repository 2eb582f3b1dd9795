"""Parked runs, set going again.

Owns: the operation `Resume`.
Must not know: why a run was parked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import RunNotFoundError
from holdfast.ports.bus import RUNS
from holdfast.ports.operations import Resume
from holdfast.stores.sqlite import executions, parts

if TYPE_CHECKING:
    from holdfast.stores.sqlite.session import Handler, Session


def resume(session: Session, operation: Resume) -> bool:
    """Make a parked run claimable again; one that is not parked is left as it is.

    Raises:
        RunNotFoundError: there is no such run.
    """
    found = executions.find(session.connection, operation.run_id)
    if found is None:
        raise RunNotFoundError(operation.run_id)
    if session.run("resume_execution", (found[0],)):
        parts.resume(session, found[0])
        session.rings.add(RUNS)
    return True


HANDLERS: Final[dict[type, Handler]] = {Resume: resume}
