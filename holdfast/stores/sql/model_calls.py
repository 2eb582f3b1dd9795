"""Requests to language models, and the budgets they are paid from.

Owns: the tables `model_calls`, `model_days` and `budgets`.
Must not know: models, prices, who asks.

A request sets aside what it may cost at most, in each of its budgets, before it is made; what it cost takes that place
once it ended. So budgets are kept by all that ask at once, and by those that die in between: a request of which nobody
said the end counts for all that was set aside, since it may have been served.

One whose budget has something left, though less than it may cost, is let through when no other is under way: what
nobody can use would be left in every budget. So a budget is exceeded by one request at most.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.ports.operations import (
    Amount,
    BudgetLimit,
    BudgetRecord,
    GrantBudget,
    ModelCall,
    ModelUsage,
    ModelUsageRecord,
    ParkForBudget,
    Reservation,
    ReserveModelCall,
    SettleModelCall,
)
from holdfast.stores.sql import executions, parking, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.stores.sql.session import Handler, Reader, Session

LAPSED_AT_ONCE: Final = 100
BUDGETS_MAX: Final = 1_000
"""How many budgets are read, at most."""
GROUPS: Final = {
    "day": "usage_by_day",
    "workflow": "usage_by_workflow",
    "model": "usage_by_model",
    "prefix": "usage_by_prefix",
}
"""What usage is summed up by, and the statement that does."""
NOTHING: Final = ModelUsage()

_encode = msgspec.json.Encoder().encode
_decode_keys = msgspec.json.Decoder(tuple[tuple[str, str, str], ...]).decode


def reserve(session: Session, operation: ReserveModelCall) -> Reservation:
    """Set aside what a request may cost, in all of its budgets or in none."""
    call, most = operation.call, operation.most
    if session.row("find_model_call", (call.call,)) is not None:
        return Reservation(granted=True)
    _lose_lapsed(session)
    workflow = _workflow(session, call.run_id)
    keys = [(each.name, each.per, _scope(session, each, call.run_id, workflow)) for each in call.limits]
    for limit, key in zip(call.limits, keys, strict=True):
        refusal = _refusal(session, limit, key, most)
        if refusal is not None:
            return refusal
    for limit, key in zip(call.limits, keys, strict=True):
        session.run("hold_budget", (*key, limit.usd, limit.tokens, most.usd, most.tokens))
    _put(session, call, workflow, keys, most, session.now + operation.seconds)
    return Reservation(granted=True)


def settle(session: Session, operation: SettleModelCall) -> None:
    """Note what a request used, and let its budgets have the rest back."""
    call, usage, counts = operation.call, operation.usage, operation.counts
    found = session.row("find_model_call", (call.call,))
    workflow, lost = "", False
    if found is not None:
        workflow, lapses_at, lost, keys, held_usd, held_tokens = found
        if lapses_at is None and not lost:
            return
        if lost:  # it was counted for all that it might have cost
            change = (0, 0, counts.usd - held_usd, counts.tokens - held_tokens)
        else:
            change = (held_usd, held_tokens, counts.usd, counts.tokens)
        for key in _decode_keys(keys):
            session.run("spend_budget", (*key, *change))
    if usage is None:
        session.run("drop_model_call", (call.call,))
        return
    if found is None:
        workflow = _workflow(session, call.run_id)
        _put(session, call, workflow, (), Amount(), session.now)
    session.run("settle_model_call", (call.call, counts.usd, counts.tokens, *_columns(usage)))
    about = (workflow, call.model, call.prefix, call.prefix_name)
    _add_to_day(session, about, 1, -1 if lost else 0, usage)


def park(session: Session, operation: ParkForBudget) -> bool:
    """Park a run whose budget is used up, unless it was given more meanwhile."""
    key = (operation.name, operation.per, operation.scope)
    row = session.row("read_budget", key)
    if row is None or not _is_used_up(_budget((*key, *row))):
        return False
    executions.park(session, operation.execution_id, _reason(*key))
    # Also what is queued of a run that was parked before: it would meet the same again.
    parts.set_aside(session, operation.execution_id)
    return True


def grant(session: Session, operation: GrantBudget) -> int | None:
    """Let a budget have more, and parked runs go on."""
    key, more = (operation.name, operation.per, operation.scope), operation.more
    if not session.run("grant_budget", (*key, more.usd, more.tokens)):
        return None
    parked = session.rows("parked_for", (_reason(*key), operation.runs))
    return sum(parking.go_on(session, execution_id) for (execution_id,) in parked)


def _is_used_up(record: BudgetRecord) -> bool:
    limit, spent = record.limit, record.spent
    return bool((limit.usd and spent.usd >= limit.usd) or (limit.tokens and spent.tokens >= limit.tokens))


def _reason(name: str, per: str, scope: str) -> str:
    which = "this run" if per == "run" else f"{per} {scope}"
    return f"budget {name!r} of {which} is used up"


def _refusal(session: Session, limit: BudgetLimit, key: tuple[str, str, str], most: Amount) -> Reservation | None:
    """Return why a budget does not allow a request that costs so much at most; None when it does."""
    row = session.row("read_budget", key) or (0,) * 8
    now = _budget((*key, limit.usd, limit.tokens, *row[2:]))  # what the code says now counts, not what it said before
    for total, spent, held, wanted in (
        (now.limit.usd, now.spent.usd, now.held.usd, most.usd),
        (now.limit.tokens, now.spent.tokens, now.held.tokens, most.tokens),
    ):
        left = total - spent - held
        if total and (left <= 0 or (wanted > left and held > 0)):
            return Reservation(False, *key, waits=held > 0)
    return None


def _lose_lapsed(session: Session) -> None:
    for call, *about, keys, usd, tokens in session.rows("lapsed_model_calls", (session.now, LAPSED_AT_ONCE)):
        for key in _decode_keys(keys):
            session.run("spend_budget", (*key, usd, tokens, usd, tokens))
        session.run("lose_model_call", (call,))
        _add_to_day(session, about, 0, 1, NOTHING)


def _put(
    session: Session,
    call: ModelCall,
    workflow: str,
    keys: Sequence[tuple[str, str, str]],
    held: Amount,
    lapses_at: float,
) -> None:
    about = (call.call, call.run_id, workflow, call.step, call.attempt, call.model, call.prefix, call.prefix_name)
    session.run("put_model_call", (*about, session.now, lapses_at, _encode(keys).decode(), held.usd, held.tokens))


def _add_to_day(session: Session, about: Sequence[str], requests: int, lost: int, usage: ModelUsage) -> None:
    unpriced = requests if usage.paid is None else 0
    session.run("add_model_day", (_day(session.now), *about, requests, lost, unpriced, *_columns(usage)))


def _workflow(session: Session, run_id: str) -> str:
    found: str | None = session.value("workflow_of_run", (run_id,))
    return found or ""


def _scope(session: Session, limit: BudgetLimit, run_id: str, workflow: str) -> str:
    match limit.per:
        case "run":
            return run_id
        case "workflow":
            return workflow
        case _:
            return _day(session.now)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _columns(usage: ModelUsage) -> tuple[int | None, ...]:
    return msgspec.structs.astuple(usage)


def read_budgets(reader: Reader, scope: str) -> list[BudgetRecord]:
    """Return the budgets from which anything was paid or set aside: those of a scope, or BUDGETS_MAX of all."""
    rows = reader.rows("budgets_of", (scope,)) if scope else reader.rows("read_budgets", (BUDGETS_MAX,))
    return [_budget(row) for row in rows]


def _budget(row: Sequence[Any]) -> BudgetRecord:
    name, per, scope, usd, tokens, spent_usd, spent_tokens, held_usd, held_tokens, granted_usd, granted_tokens = row
    return BudgetRecord(
        name,
        per,
        scope,
        Amount(usd and usd + granted_usd, tokens and tokens + granted_tokens),
        Amount(spent_usd, spent_tokens),
        Amount(held_usd, held_tokens),
        Amount(granted_usd, granted_tokens),
    )


def read_usage(reader: Reader, by: str, since: float) -> list[ModelUsageRecord]:
    """Return what requests used since the day of a time, summed up by `day`, `workflow`, `model` or `prefix`."""
    return [_usage(row) for row in reader.rows(GROUPS[by], (_day(since),))]


def read_run_usage(reader: Reader, run_id: str) -> list[ModelUsageRecord]:
    """Return what a run's requests used, by step."""
    return [_usage(row) for row in reader.rows("usage_by_step", (run_id,))]


def _usage(row: Sequence[Any]) -> ModelUsageRecord:
    key, name, requests, lost, unpriced, *amounts = row
    return ModelUsageRecord(key, name, requests, lost, unpriced, ModelUsage(*amounts))


HANDLERS: Final[dict[type, Handler]] = {
    ReserveModelCall: reserve,
    SettleModelCall: settle,
    ParkForBudget: park,
    GrantBudget: grant,
}
