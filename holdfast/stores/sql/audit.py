"""Who did what, noted in the transaction in which they did it.

Owns: the operations `Audited` and `PruneAudit`, and the table `audit`.
Must not know: what acts mean, who there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.errors import HoldfastError
from holdfast.ports.operations import Audited, AuditEntry, AuditFilter, Moved, Overtaken, PruneAudit, Started

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.stores.sql.session import Handler, Reader, Session

LISTED_MAX: Final = 1_000
"""How many entries one page holds at most."""

_ID_MAX: Final = 2**63 - 1


def carry_out(session: Session, operation: Audited) -> Any:
    """Carry out an act; note it, if it did something, or if it is done elsewhere."""
    result = True if operation.act is None else session.carry_out(cast("Operation", operation.act))
    if _did_something(operation, result):
        session.run("put_audit", (session.now, operation.actor, operation.action, operation.target, operation.detail))
    return result


def _did_something(operation: Audited, result: Any) -> bool:
    match result:
        case HoldfastError() | Overtaken():
            return False
        case Started():
            return result.created or getattr(operation.act, "signal", None) is not None
        case Moved():
            return result.moved
        case _:
            return bool(result)


def prune(session: Session, operation: PruneAudit) -> int:
    """Let go of entries from before a time."""
    return session.run("prune_audit", (operation.before, operation.entries))


def read_page(
    reader: Reader, where: AuditFilter, cursor: str | None, limit: int
) -> tuple[list[AuditEntry], str | None]:
    """Return entries, newest first, and the cursor of the next page.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    limit = max(1, min(limit, LISTED_MAX))
    before = int(cursor) if cursor else _ID_MAX
    bindings = (before, limit + 1, where.actor, where.action)
    if where.target is None:
        rows: list[tuple[Any, ...]] = reader.rows("list_audit", bindings)
    else:
        rows = reader.rows("list_audit_of_target", (*bindings, where.target))
    entries = [AuditEntry(*row) for row in rows[:limit]]
    return entries, str(entries[-1].entry_id) if len(rows) > limit else None


HANDLERS: Final[dict[type, Handler]] = {Audited: carry_out, PruneAudit: prune}
