"""Calls of attempts that came to nothing, for captures and replays.

Owns: the table `exchanges`.
Must not know: what is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import RecordedExchanges, RecordExchanges

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session


def record(session: Session, operation: RecordExchanges) -> None:
    """Keep the calls of a step's last attempt."""
    session.run("put_exchanges", (operation.execution_id, operation.step, operation.body))


def read_exchanges(reader: Reader, execution_id: int) -> list[RecordedExchanges]:
    """Return what is kept of an execution, by step."""
    return [RecordedExchanges(step, body) for step, body in reader.rows("read_exchanges", (execution_id,))]


HANDLERS: Final[dict[type, Handler]] = {RecordExchanges: record}
