"""Which runs a capture is still to be made of.

Owns: the column `captured` of the table `executions`.
Must not know: what a capture is, where it goes.

The column holds the status for which a capture was made. A run that is parked, resumed, and fails later wants another
one; `resume_execution` makes the column empty, so that one that is parked again does, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import MarkCaptured, RunRecord
from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session


def mark(session: Session, operation: MarkCaptured) -> bool:
    """Note that captures were made of some executions, or that none are wanted."""
    session.run_many("mark_captured", operation.captured)
    if operation.older_than:
        session.run("mark_older_captured", (operation.older_than,))
    return True


def read_uncaptured(reader: Reader, limit: int) -> list[RunRecord]:
    """Return executions that went wrong and of which no capture was made, newest first."""
    ids = [row[0] for row in reader.rows("uncaptured", (limit,))]
    return [record for each in ids if (record := executions.read(reader, each)) is not None]


HANDLERS: Final[dict[type, Handler]] = {MarkCaptured: mark}
