"""What a transaction begins with: who writes and when, and as much else as can be told beforehand.

Owns: what is asked with that, and what is done with it.
Must not know: how a transaction ends, what operations do.

Every transaction has to know whether its member may write, and what time it is. What a worker's comes to can be told
from its operations alone: rows of finished tasks are removed, and ready ones claimed. So the statement that looks for
the member does that too, if it is alive, and the handlers find it done, as with all that is foreseen: see `foresight`.
Finished tasks go first, because executions are locked before rows of the queue are.

Claims are made ahead only where all there is to be claimed are rows that wait for nothing: none that is due but was not
made ready, none with turns, no pool with a rule, no line that has to be moved. Otherwise the answer says what there is,
and the handlers ask.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.ports.operations import Append, BeatTasks, ClaimChunks, ClaimTasks, FinishTask, StartNext, StartRun
from holdfast.stores.postgres.bridge import wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.postgres.connection import Connection
    from holdfast.stores.postgres.plan import Plan
    from holdfast.stores.postgres.session import ServerSession

LOOKED_FOR: Final = (
    ("promote_tasks", "due_limited_tasks"), ("take_touched_lines",), ("promote_chunks",), ("pool_rules",),
    ("claimable_in_turn",), ("claim_tasks",), ("claim_chunks",),
)  # fmt: skip
"""Statements of claims that come to nothing where there is nothing, in the order in which `begin_claims` says so."""

_MAKES_PAGES: Final = frozenset({Append, StartRun, StartNext})
_BESIDE_CLAIMS: Final = frozenset({BeatTasks, ClaimChunks, ClaimTasks, FinishTask})
"""Operations beside which a claim may be made before its turn."""

_encode_json = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Opening:
    """A transaction that has begun, and what was done with that."""

    grip: int | None
    """None: the member has lost its lease."""
    now: float
    page: int | None
    is_there: tuple[bool, ...] = ()
    """Whether there is something for each of LOOKED_FOR, where that was asked."""
    finished: list[tuple[int, int]] = field(default_factory=list)
    """Id and token of tasks whose rows were removed, if they were there."""
    removed: dict[tuple[int, int], tuple[Any, ...]] = field(default_factory=dict)
    """What there was of those rows."""
    locked: list[tuple[Any, ...]] = field(default_factory=list)
    """(id, owner, ready, status) of their executions."""
    tokens: list[int] = field(default_factory=list)
    claim: ClaimTasks | None = None
    """What was claimed."""
    claimed: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    """By pool, the rows."""


def begin(
    connection: Connection,
    sql: Mapping[str, str],
    operations: Sequence[Operation],
    membership: Membership | None,
    clock: float | None,
    plan: Plan | None,
) -> Opening:
    """Ask the first question of a transaction.

    Args:
        connection: on which it begins.
        sql: every named statement.
        operations: all that it is about.
        membership: who writes.
        clock: the time; None is the server's.
        plan: what the operations will come to; None if nothing is to be done ahead.
    """
    number, epoch = (membership.member, membership.epoch) if membership is not None else (None, None)
    who = (number, epoch, clock, any(type(operation) in _MAKES_PAGES for operation in operations))
    opening = None
    if plan is not None and plan.only_finishes:
        opening = _finish(connection, sql["begin_finish"], who, plan)
    if any(type(operation) in {ClaimTasks, ClaimChunks} for operation in operations):
        claim = _claim_ahead(operations, plan, opening) if membership is not None else None
        opening = _claim(connection, sql["begin_claims"], who, operations, claim, opening)
    if opening is None:
        row = wait(connection.fetchrow(sql["begin_write"], *who))
        assert row is not None, "it is one row of expressions"
        opening = Opening(*row)
    return opening


def foresee_opening(session: ServerSession, opening: Opening) -> None:
    """Let handlers find what was done for them, and what there is not."""
    for task_id, token in opening.finished:
        session.note_done("finish_task", (task_id, token, session.member), opening.removed.get((task_id, token)))
    session.keep_tokens(opening.tokens)
    if opening.is_there:
        found = zip(LOOKED_FOR, opening.is_there, strict=True)
        session.foresee_nothing(name for names, is_there in found if not is_there for name in names)
    if (claim := opening.claim) is not None:
        known, token = _encode_json(claim.tasks).decode(), session.offer_token()
        for pool, limit in claim.pools:
            claimed = opening.claimed.get(pool, [])
            session.note_done("claim_tasks", (session.member, token, pool, known, limit), claimed)


def _finish(connection: Connection, text: str, who: tuple[Any, ...], plan: Plan) -> Opening:
    """Do all of what finished tasks come to."""
    finished = sorted((each.task_id, each.token) for each in plan.finished)
    columns = [list(column) for column in zip(*finished, strict=True)]
    (_, grip, page, *_, now), *rows = wait(connection.fetch(text, *who, sorted(plan.executions), *columns))
    opening = Opening(grip, now, page, finished=finished)
    for kind, *row in rows:
        if kind == "execution":
            opening.locked.append(tuple(row[:4]))
        else:
            task_id, token, execution_id, step, place, drawn, limited = row
            opening.removed[task_id, token] = (execution_id, step, place, int(limited))
            opening.tokens.append(drawn)
    return opening


def _claim(
    connection: Connection,
    text: str,
    who: tuple[Any, ...],
    operations: Sequence[Operation],
    claim: ClaimTasks | None,
    opening: Opening | None,
) -> Opening:
    """Look what there is to be claimed, and make a claim if it is plain ready tasks."""
    claims = [each for each in operations if isinstance(each, ClaimTasks | ClaimChunks)]
    pools = sorted({pool for each in claims for pool, _ in each.pools})
    lines = [f"{kind} {pool}" for pool in pools for kind in ("pool", "prefix")]
    asked: tuple[Any, ...] = (None, None, None)
    if claim is not None:
        asked = ([pool for pool, _ in claim.pools], [limit for _, limit in claim.pools], list(claim.tasks))
    rows = wait(connection.fetch(text, *who, pools, lines, *asked))
    grip, now, page, *is_there = rows[0][: 3 + len(LOOKED_FOR)]
    opening = opening or Opening(grip, now, page)
    opening.is_there = tuple(is_there)
    is_open, *first = rows[0][3 + len(LOOKED_FOR) :]
    opening.claim = claim if is_open else None
    if first[1] is not None:  # else there was none
        for row in rows:
            claimed = tuple(row[4 + len(LOOKED_FOR) :])
            opening.claimed.setdefault(claimed[8], []).append(claimed)
    return opening


def _claim_ahead(operations: Sequence[Operation], plan: Plan | None, opening: Opening | None) -> ClaimTasks | None:
    """Return the claim that may be made before its turn, if there is one."""
    claims = [each for each in operations if type(each) is ClaimTasks]
    if plan is None or len(claims) != 1 or not _BESIDE_CLAIMS.issuperset(map(type, operations)):
        return None
    ends = sum(type(each) is FinishTask for each in operations)
    if ends and (opening is None or ends > len(opening.finished)):
        return None  # executions are locked later, which has to come first
    if opening is not None and any(place for _, _, place, _ in opening.removed.values()):
        return None  # a line will be touched
    return claims[0]
