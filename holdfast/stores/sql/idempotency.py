"""Requests that are carried out once, noted in the transaction that carries them out.

Owns: the operations `DoOnce`, `Settle`, `Unclaim` and `PruneKeys`, and the table `idempotency`.
Must not know: what a request looks like, who calls.

A key is released by what became of its run, not by time alone: while the newest execution is open the answer stands,
however long that takes. Then it stands for a while longer, for those who ask again. A released key is as one that was
never used; its row goes when somebody uses it again, or with `PruneKeys`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.errors import HoldfastError, KeyInUseError, KeyReusedError
from holdfast.ports.operations import (
    Delivered,
    DoneBefore,
    DoOnce,
    Overtaken,
    PrunedKeys,
    PruneKeys,
    Settle,
    Started,
    Unclaim,
)
from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.stores.sql.session import Handler, Session


def do_once(session: Session, operation: DoOnce) -> Any:
    """Carry out an act, unless its key says that it was; note it.

    Raises:
        KeyReusedError: the key was used for another request.
        KeyInUseError: another process claimed it and has not said what came of it.
    """
    found = session.row("find_idempotency", (operation.caller, operation.key))
    if found is not None:
        number, fingerprint, run_id, noted_at, claimed_until, execution, created, answer = found
        lapsed = 0.0 < claimed_until <= session.now  # whoever claimed it did not live to say what came of it
        if not lapsed and not _is_released(session, run_id, noted_at, operation.keep_seconds):
            if fingerprint != operation.fingerprint and fingerprint not in operation.other_fingerprints:
                raise KeyReusedError(operation.key)
            if claimed_until:
                raise KeyInUseError(operation.key)
            return DoneBefore(execution, bool(created), answer, operation.caller, operation.key, run_id)
        session.run("drop_idempotency", (number,))
    if operation.act is None:
        _put(session, operation, operation.claimed_until)
        return True
    result = session.carry_out(cast("Operation", operation.act))
    match result:
        case HoldfastError() | Overtaken():
            return result
        case Started(execution=execution, created=created):
            _put(session, operation, 0.0, execution, created=created)
        case Delivered():
            _put(session, operation, 0.0, operation.run_id)
        case _:
            _put(session, operation, 0.0)
    return result


def settle(session: Session, operation: Settle) -> bool:
    """Note the answer to what a key was claimed for."""
    return session.run("settle_idempotency", (operation.caller, operation.key, operation.answer)) > 0


def unclaim(session: Session, operation: Unclaim) -> bool:
    """Give a claimed key back."""
    return session.run("unclaim_idempotency", (operation.caller, operation.key)) > 0


def prune(session: Session, operation: PruneKeys) -> PrunedKeys:
    """Let go of keys whose runs ended before a time, a number of keys at a time."""
    found = session.rows("oldest_idempotency", (operation.after, operation.keys))
    went = 0
    for number, run_id, noted_at in found:
        if _ended_at(session, run_id, noted_at) < operation.before:
            went += session.run("drop_idempotency", (number,))
    return PrunedKeys(went, found[-1][0] if len(found) == operation.keys else None)


def _put(
    session: Session, operation: DoOnce, claimed_until: float, execution: str = "", *, created: bool = False
) -> None:
    fixed = (operation.caller, operation.key, operation.fingerprint, operation.run_id, session.now)
    session.run("put_idempotency", (*fixed, claimed_until, execution, created))


def _is_released(session: Session, run_id: str, noted_at: float, keep_seconds: float) -> bool:
    return _ended_at(session, run_id, noted_at) + keep_seconds <= session.now


def _ended_at(session: Session, run_id: str, noted_at: float) -> float:
    """Return when a run ended; never, as long as its newest execution is open."""
    found = executions.find(session, run_id)
    if found is None:
        return noted_at
    closed = session.row("closing_of_run", (found[0],))
    assert closed is not None, "it was found in this transaction"
    return float("inf") if closed[0] is None else max(closed[0], noted_at)


HANDLERS: Final[dict[type, Handler]] = {DoOnce: do_once, Settle: settle, Unclaim: unclaim, PruneKeys: prune}
