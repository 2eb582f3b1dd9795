"""Pools as people operate them, and how busy they are.

Owns: the table `pools`; how much of a pool may be claimed; the figures of pools.
Must not know: claims, workers.

A pool that nobody decided about has no row: a claim reads a table that is empty nearly always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.ports.bus import POOLS, TASKS
from holdfast.ports.operations import LimitPool, PausePool, PoolRecord, PoolRule, ResumePool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.stores.sql.session import Handler, Reader, Session


def pause(session: Session, operation: PausePool) -> bool:
    """Let nothing of a pool be claimed."""
    session.run("pause_pool", (operation.pool, operation.by, operation.reason, session.now))
    session.rings.add(POOLS)
    return True


def resume(session: Session, operation: ResumePool) -> bool:
    """Let a pool be claimed from again; say whether it was paused."""
    was_paused = bool(session.run("resume_pool", (operation.pool, operation.by, session.now)))
    session.run("drop_free_pool", (operation.pool,))
    session.rings.update((POOLS, TASKS))
    return was_paused


def limit(session: Session, operation: LimitPool) -> bool:
    """Let so many tasks of a pool be claimed at once; None lifts the limit."""
    session.run("limit_pool", (operation.pool, operation.slots, operation.by, session.now))
    session.run("drop_free_pool", (operation.pool,))
    session.rings.update((POOLS, TASKS))
    return True


def open_for_claims(session: Session, pools: Sequence[tuple[str, int]]) -> list[tuple[str, int, bool]]:
    """Return how much of each pool may be claimed, where `pools` says how much is asked for.

    Returns:
        (pool, how many, whether there is a limit) of those of which anything may be.
    """
    rules = {name: (paused, slots) for name, paused, slots in session.rows("pool_rules")}
    if not rules:
        return [(pool, asked, False) for pool, asked in pools]
    found = []
    for pool, asked in pools:
        paused, slots = rules.get(pool, (0, None))
        if paused:
            continue
        free = asked
        if slots is not None:
            session.row("lock_line", (f"limit of pool {pool}",))
            free = min(asked, slots - session.value("count_pool_in_flight", (pool,)))
        if free > 0:
            found.append((pool, free, slots is not None))
    return found


def is_limited(session: Session, pool: str) -> bool:
    """Say whether only so many tasks of a pool may be claimed at once."""
    return session.row("pool_is_limited", (pool,)) is not None


# --- Reads -------------------------------------------------------------------------------------------------------


def read_rules(reader: Reader) -> list[PoolRule]:
    """Return what people decided about pools, by name."""
    return [
        PoolRule(name, bool(paused), slots, by, reason)
        for name, paused, slots, by, reason in reader.rows("read_pool_rules")
    ]


def read_pools(reader: Reader, now: float) -> list[PoolRecord]:
    """Return the load of every pool that has tasks or chunks, a live member, or a rule, by name."""
    backlogs = _by_pool(reader.rows("read_backlogs", (now,)))
    in_flight = _by_pool(reader.rows("read_in_flight"))
    slots = _by_pool(reader.rows("read_slots", (now,)))
    rules = {rule.pool: rule for rule in read_rules(reader)}
    records = []
    for pool in sorted(backlogs.keys() | in_flight.keys() | slots.keys() | rules.keys()):
        backlog, oldest = backlogs.get(pool, (0, now))
        rule = rules.get(pool)
        records.append(
            PoolRecord(
                pool=pool,
                backlog=backlog,
                in_flight=in_flight.get(pool, (0,))[0],
                oldest_seconds=max(0.0, now - oldest),
                slots=slots.get(pool, (0,))[0],
                paused=rule is not None and rule.paused,
                limit=None if rule is None else rule.slots,
            )
        )
    return records


def _by_pool(rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return {row[0]: row[1:] for row in rows}


HANDLERS: Final[dict[type, Handler]] = {PausePool: pause, ResumePool: resume, LimitPool: limit}
