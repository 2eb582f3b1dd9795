"""What webhooks were sent, and what came of it.

Owns: the operations `NoteDelivery` and `PruneDeliveries`, the table `deliveries`.
Must not know: signatures, what a delivery says, what its act does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import HoldfastError, StoreError
from holdfast.ports.operations import (
    REFUSED_DELIVERIES_MAX,
    UNDER_WAY,
    Delivered,
    DeliveryFilter,
    DeliveryRecord,
    DeliveryState,
    Gathered,
    NotedDelivery,
    NoteDelivery,
    Overtaken,
    PruneDeliveries,
)

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

LISTED_MAX: Final = 500
_ID_MAX: Final = 2**63 - 1


def note(session: Session, operation: NoteDelivery) -> NotedDelivery | HoldfastError | Overtaken:
    """Note a delivery, and carry out its act unless it was before."""
    if not operation.key:
        return _put(session, operation, operation.state, operation.reason)
    found = session.row("find_delivery", (operation.webhook, operation.key))
    if found is None:
        other = None if operation.is_bound else _find_other(session, operation)
        if other is not None:
            return _refuse(session, operation, f"replayed: this body came as delivery {other} before")
        return _decide(session, operation, None)
    delivery_id, digest, state, run_id, reason = found
    tries = 0 if reason == UNDER_WAY and operation.reason != UNDER_WAY else 1  # the other half of one try
    if digest != operation.digest and digest not in operation.other_digests:
        return _refuse(session, operation, f"another body came as delivery {operation.key} before")
    if state == DeliveryState.ACCEPTED or (state == DeliveryState.IGNORED and not operation.again):
        return NotedDelivery(delivery_id, state, run_id, reason, is_repeated=True)
    return _decide(session, operation, delivery_id, tries)


def _decide(
    session: Session, operation: NoteDelivery, delivery_id: int | None, tries: int = 1
) -> NotedDelivery | HoldfastError | Overtaken:
    state, reason, run_id, refusal = operation.state, operation.reason, operation.run_id, None
    if operation.act is not None:
        result = session.carry_out(operation.act)  # type: ignore[arg-type]  # an operation
        if isinstance(result, Overtaken | StoreError):
            return result  # nothing came of it yet
        if isinstance(result, HoldfastError):
            state, reason, refusal = DeliveryState.FAILED, result.message(), result
        else:
            run_id = result.run_id if isinstance(result, Delivered | Gathered) else result.execution.partition("@")[0]
    if delivery_id is None:
        noted = _put(session, operation, state, reason, run_id)
    else:
        session.run("decide_delivery", (delivery_id, str(state), reason, run_id, session.now, tries))
        noted = NotedDelivery(delivery_id, state, run_id, reason)
    return noted if refusal is None else refusal


def _refuse(session: Session, operation: NoteDelivery, reason: str) -> NotedDelivery:
    return _put(session, operation, DeliveryState.REFUSED, reason)


def _put(session: Session, operation: NoteDelivery, state: str, reason: str, run_id: str = "") -> NotedDelivery:
    delivery_id = session.next_token()
    row: tuple[Any, ...] = (
        delivery_id,
        operation.webhook,
        operation.key,
        operation.digest,
        str(state),
        reason,
        operation.event,
        session.now,
        run_id,
        operation.body_bytes,
        operation.headers,
        operation.body,
    )
    session.run("put_delivery", row)
    if state == DeliveryState.REFUSED:
        session.run("drop_refused_deliveries", (REFUSED_DELIVERIES_MAX,))
    return NotedDelivery(delivery_id, state, run_id, reason)


def _find_other(session: Session, operation: NoteDelivery) -> str | None:
    for digest in (operation.digest, *operation.other_digests):
        found = session.row("find_delivery_of_body", (operation.webhook, operation.key, digest))
        if found is not None:
            return str(found[0])
    return None


def prune(session: Session, operation: PruneDeliveries) -> int:
    """Forget what came before a time; return how many that were."""
    return session.run("prune_deliveries", (operation.before, operation.limit))


def read_page(
    reader: Reader, where: DeliveryFilter, cursor: str | None, limit: int
) -> tuple[list[DeliveryRecord], str | None]:
    """Return deliveries, newest first, and the cursor of the next page.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    limit = max(1, min(limit, LISTED_MAX))
    before = int(cursor) if cursor else _ID_MAX
    wanted = (where.webhook, where.state, where.run_id, where.received_from, where.received_before)
    rows = reader.rows("list_deliveries", (before, *wanted, limit + 1))
    records = [_record(row) for row in rows[:limit]]
    return records, str(records[-1].delivery_id) if len(rows) > limit else None


def read(reader: Reader, delivery_id: int) -> DeliveryRecord | None:
    """Return a delivery with its headers and its body."""
    row = reader.row("read_delivery", (delivery_id,))
    return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> DeliveryRecord:
    return DeliveryRecord(*row)


HANDLERS: Final[dict[type, Handler]] = {NoteDelivery: note, PruneDeliveries: prune}
