"""What a store has to do with pools that people pause, resume and limit.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    Append,
    ClaimChunks,
    ClaimedChunk,
    ItemOutcome,
    LimitPool,
    PausePool,
    PoolRule,
    QueueFanOut,
    RecordItems,
    ResumePool,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect
from holdfast.testing.conformance.store.limits import Crew, crew

if TYPE_CHECKING:
    from holdfast.ports.operations import PoolRecord
    from holdfast.ports.store import Store

POOL: Final = "default"


async def pool(store: Store) -> PoolRecord:
    """Return the pool's figures."""
    (record,) = [each for each in await store.pools() if each.pool == POOL]
    return record


async def fan_out(one: Crew, items: int) -> None:
    """Queue a fan-out with two items to a chunk."""
    inputs = tuple(b"%d" % number for number in range(items))
    item = QueueFanOut("m", "t", POOL, 0, b"", -1, inputs, 2)
    await do(one.store, Append(one.execution, None, fan_outs=(item,)), one.host)


async def chunks(one: Crew, limit: int = 100) -> list[ClaimedChunk]:
    """Claim chunks."""
    return list(await do(one.store, ClaimChunks(((POOL, limit),), ("t",)), one.worker))


async def a_paused_pool_is_not_claimed_from(harness: StoreHarness) -> None:
    """Neither tasks nor chunks, until it is resumed; what was claimed is handed in."""
    store = await harness.open()
    one = await crew(store)
    await one.queue("a", "b")
    await fan_out(one, 4)
    (claimed,) = await one.claim(1)
    await do(store, PausePool(POOL, "ada", "the partner is down"))
    await do(store, PausePool(POOL, "bob", "still down"))
    expect(not await one.claim() and not await chunks(one), "nothing is claimed")
    await one.finish(claimed)
    record = await pool(store)
    expect((record.paused, record.limit, record.backlog, record.in_flight) == (True, None, 3, 0), "that is shown")
    rules = await store.pool_rules()
    expect(rules == [PoolRule(POOL, paused=True, slots=None, by="bob", reason="still down")], "with who and why")
    expect(await do(store, ResumePool(POOL, "ada")) is True, "it was paused")
    expect(await do(store, ResumePool(POOL, "ada")) is False, "and is no more")
    expect(await one.steps() == ["b"] and len(await chunks(one)) == 2, "everything is claimed again")
    expect(not await store.pool_rules(), "nothing is left to say about it")


async def a_limited_pool_has_so_many_under_way(harness: StoreHarness) -> None:
    """Tasks and chunks together, by whoever claims; a limit may change at any time, and other pools have none."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*"abcde")
    await fan_out(one, 4)
    await do(store, LimitPool(POOL, 3, "ada"))
    await do(store, LimitPool("other", 1))
    first = await one.claim(2)
    found = await chunks(one)
    expect((len(first), len(found)) == (2, 1), "two tasks and one chunk make three")
    expect(found[0].one_by_one, "of its items one runs at a time")
    expect(not await one.claim() and not await chunks(one), "there is no room for more")
    record = await pool(store)
    expect((record.limit, record.in_flight, record.paused) == (3, 3, False), "that is shown")
    await one.finish(first[0])
    expect(len(await one.claim()) == 1, "the end of a task makes room")
    outcomes = tuple(ItemOutcome(index, True, b"1") for index, _ in found[0].items)
    await do(
        store,
        RecordItems(found[0].chunk_id, found[0].token, outcomes, done=True, fan_out_id=found[0].fan_out_id),
        one.worker,
    )
    expect(len(await one.claim()) == 1, "and so does the end of a chunk")
    await do(store, LimitPool(POOL, 1))
    await one.finish(first[1])
    expect(not await one.claim(), "a lower limit lets those end that are under way")
    await do(store, LimitPool(POOL, None))
    expect((len(await one.claim()), len(await chunks(one))) == (1, 1), "without a limit all is claimed")
    expect([rule.pool for rule in await store.pool_rules()] == ["other"], "and there is no rule any more")


CHECKS: Final[tuple[Check, ...]] = (a_paused_pool_is_not_claimed_from, a_limited_pool_has_so_many_under_way)
