"""Payloads outside pages, and letting go of what closed runs recorded, once it is old.

Owns: the operation `Prune`, the tables `blobs` and `blob_uses`, the column `pruned` of the table `executions`.
Must not know: what was recorded.

A run that has been over for long keeps its row: its id, its status, its end. Its pages lose their bodies and keep their
hashes, so that the chain over all commits still adds up. Payloads outside pages go with the last execution that names
them. Everything happens in one transaction, which looks at each execution again: what is open is never touched.

Only pages name payloads: rows of inboxes, queues, fan-outs and outcomes hold theirs whole. Whoever writes a page hands
in every payload it names, links included, also those that are stored already. So a payload's uses are complete as long
as `keep_payloads` is the only way to store one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import PrunedError
from holdfast.ports.operations import Prune, Pruned
from holdfast.stores.sql import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.stores.sql.session import Handler, Session


def keep_payloads(session: Session, execution_id: int, blobs: Sequence[tuple[bytes, bytes]]) -> None:
    """Store the payloads that a page of an execution names, and note that it names them."""
    session.run_many("put_blob", blobs)
    session.run_many("use_blob", [(execution_id, digest) for digest, _ in blobs])


def check_outcomes(session: Session, fan_out_ids: Iterable[int]) -> None:
    """Check that the outcomes of fan-outs are still there. Raises PrunedError."""
    for fan_out_id in fan_out_ids:
        found = session.row("pruned_fan_out", (fan_out_id,))
        if found is not None:
            raise PrunedError(
                f"outcomes of fan-out {found[0]} were pruned",
                hint="Its run ended long ago. Fork before the fan-out, or start a new run.",
            )


def prune(session: Session, operation: Prune) -> Pruned:
    """Empty the histories of executions that closed before a time, a number of executions at a time."""
    newest = (session.row("newest_execution_id") or (0,))[0]
    until = min(operation.after + operation.executions, newest)
    found = session.rows("prunable", (operation.after, until, operation.before, operation.uncaptured))
    pages = payloads = 0
    for (execution_id,) in found:
        pages += session.run("empty_pages", (execution_id,))
        session.run("drop_outcomes", (execution_id,))
        session.run("drop_exchanges", (execution_id,))
        session.run("drop_notices", (execution_id,))
        session.run("drop_model_calls", (execution_id,))
        session.run("drop_budgets", (execution_id,))
        streams.prune(session, execution_id)
        payloads += session.run("drop_unused_blobs", (execution_id,))
        session.run("drop_blob_uses", (execution_id,))
        session.run("note_pruned", (execution_id,))
    return Pruned(len(found), pages, payloads, until if until < newest else None)


HANDLERS: Final[dict[type, Handler]] = {Prune: prune}
