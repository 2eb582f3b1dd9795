"""What a store has to do with what webhooks were sent.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holdfast.errors import RunConflictError, RunNotFoundError
from holdfast.ports.operations import (
    REFUSED_DELIVERIES_MAX,
    Deliver,
    DeliveryFilter,
    DeliveryState,
    NotedDelivery,
    NoteDelivery,
    Operation,
    Overtaken,
    PruneDeliveries,
    StartNext,
)
from holdfast.ports.store import Store
from holdfast.testing.conformance.store.harness import (
    Check,
    History,
    StoreHarness,
    do,
    expect,
    refused,
    signal,
    start,
)

ACCEPTED, IGNORED, FAILED, REFUSED = (
    DeliveryState.ACCEPTED,
    DeliveryState.IGNORED,
    DeliveryState.FAILED,
    DeliveryState.REFUSED,
)


def begin(run_id: str, digest: bytes = b"i" * 16, number: int = 1) -> StartNext:
    """Return a start as a webhook's."""
    return StartNext(run_id, "W", digest, History().page(), number=number)


def note(act: Operation | None = None, key: str = "d-1", body: bytes = b"{}", **fields: Any) -> NoteDelivery:
    """Return a note of a delivery."""
    return NoteDelivery(
        "hook", key, b"digest of " + body, act=act, headers=b'{"x":"y"}', body=body, body_bytes=len(body), **fields
    )


async def _inbox(store: Store, where: DeliveryFilter | None = None) -> list[tuple[str, str, str]]:
    records, _ = await store.deliveries(where or DeliveryFilter(), None, 500)
    return [(each.key, each.state, each.run_id) for each in records]


async def a_delivery_is_carried_out_once(harness: StoreHarness) -> None:
    """However often, and through whichever object it comes: one run, one row, the same answer."""
    store, other = await harness.open(), await harness.open()
    first = await do(store, note(begin("a"), event="paid"))
    expect(first == NotedDelivery(first.delivery_id, ACCEPTED, "a"), "it is accepted, and its run named")
    harness.advance(5)
    again = await do(other, note(begin("b")))
    expect(again.is_repeated and again.delivery_id == first.delivery_id, "again, it is known")
    expect((again.state, again.run_id) == (ACCEPTED, "a"), "and the answer is what it was")
    expect(await store.run("b") is None, "nothing is carried out twice")
    expect(await _inbox(store) == [("d-1", ACCEPTED, "a")], "it is in the inbox once")
    record = await other.delivery(first.delivery_id)
    assert record is not None
    expect((record.webhook, record.event, record.attempts) == ("hook", "paid", 1), "as it came")
    expect((record.headers, record.body) == (b'{"x":"y"}', b"{}"), "with headers and body")
    expect(record.received_at == record.decided_at, "at its time")


async def deliveries_at_once_are_one(harness: StoreHarness) -> None:
    """Three in one write, and three writes at once, are one."""
    store, other = await harness.open(), await harness.open()
    results = await store.write([note(begin(f"r{each}")) for each in range(3)])
    expect([each.run_id for each in results] == ["r0"] * 3, "the first of a write")
    expect([each.is_repeated for each in results] == [False, True, True], "and the others are repetitions of it")
    await asyncio.gather(*(do(each, note(begin("s"), "d-2", b"[]")) for each in (store, other, store)))
    expect(await _inbox(store) == [("d-2", ACCEPTED, "s"), ("d-1", ACCEPTED, "r0")], "one row each")


async def a_signal_is_noted_with_its_delivery(harness: StoreHarness) -> None:
    """What is delivered to a run is in its inbox once, however often it comes."""
    store = await harness.open()
    started = await do(store, start("a"))
    for _ in range(2):
        noted = await do(store, note(signal("a", "op")))
        expect(noted.run_id == "a", "the run is named")
    expect(len(await store.execution_inbox(started.execution_id)) == 1, "one message")


async def what_cannot_be_carried_out_is_noted_and_tried_again(harness: StoreHarness) -> None:
    """A refused act leaves a failed delivery; sent again, or done again, it is carried out once."""
    store = await harness.open()
    await do(store, start("a"))
    await refused(RunConflictError, store, note(begin("a", b"other" + b"i" * 11)))
    (failed,) = (await store.deliveries(DeliveryFilter(state=FAILED)))[0]
    expect("already exists" in failed.reason, "with the reason")
    expect(failed.run_id == "", "and no run")
    await refused(RunNotFoundError, store, note(Deliver("nobody", "signal", "s", b"1", "op"), again=True))
    harness.advance(5)
    noted = await do(store, note(begin("b")))
    expect((noted.state, noted.run_id, noted.is_repeated) == (ACCEPTED, "b", False), "then it works")
    record = await store.delivery(failed.delivery_id)
    assert record is not None
    expect(record.attempts == 3 and record.reason == "", "in the same row")
    expect(record.decided_at == record.received_at + 5, "with the time of the last attempt")
    expect((await do(store, note(begin("c"), again=True))).run_id == "b", "what was accepted stays so")


async def a_reason_is_read_as_it_was_noted(harness: StoreHarness) -> None:
    """Of one that makes no sense, of one that is refused, and of one whose act is."""
    store = await harness.open()
    await do(store, note(key="d-1", body=b"1", state=FAILED, reason="it says é"))
    await do(store, note(key="", body=b"2", state=REFUSED, reason="forged"))
    await refused(RunNotFoundError, store, note(Deliver("nobody", "signal", "s", b"1", "op"), "d-3", b"3"))
    records, _ = await store.deliveries(DeliveryFilter(), None, 10)
    expect([each.reason for each in records][1:] == ["forged", "it says é"], "word for word")
    expect("nobody" in records[0].reason, "with what was wrong")
    for each in records:
        found = await store.delivery(each.delivery_id)
        expect(found is not None and found.reason == each.reason, "alone, and in lists")


async def what_is_ignored_stays_so_until_somebody_wants_it(harness: StoreHarness) -> None:
    """Sent again it is ignored again; done again on purpose, it is carried out."""
    store = await harness.open()
    await do(store, note(state=IGNORED, reason="nobody wants it"))
    again = await do(store, note(begin("a")))
    expect((again.state, again.reason, again.is_repeated) == (IGNORED, "nobody wants it", True), "as before")
    expect((await do(store, note(begin("a"), again=True))).state == ACCEPTED, "on purpose it is carried out")
    expect(await store.run("a") is not None, "for good")


async def another_body_under_the_same_id_is_refused(harness: StoreHarness) -> None:
    """And noted beside the first, which stays as it is."""
    store = await harness.open()
    await do(store, note(begin("a")))
    noted = await do(store, note(begin("b"), body=b"[1]"))
    expect(noted.state == REFUSED and "another body" in noted.reason, "it is refused")
    expect(await store.run("b") is None, "and not carried out")
    expect(await _inbox(store) == [("d-1", REFUSED, ""), ("d-1", ACCEPTED, "a")], "both are in the inbox")
    record = await store.delivery(noted.delivery_id)
    expect(record is not None and record.body == b"[1]", "with its own body")
    expect((await do(store, note(begin("c")))).run_id == "a", "the first is still known")


async def the_same_body_under_another_id_is_a_replay_where_nothing_binds_them(harness: StoreHarness) -> None:
    """Whoever saw one delivery could send it again under a new id."""
    store = await harness.open()
    await do(store, note(begin("a"), is_bound=False))
    noted = await do(store, note(begin("b"), "d-2", is_bound=False))
    expect(noted.state == REFUSED and "replayed" in noted.reason and "d-1" in noted.reason, "it is refused")
    expect(await store.run("b") is None, "and not carried out")
    expect((await do(store, note(begin("c"), "d-2"))).state == ACCEPTED, "where they are bound it is another one")


async def an_overtaken_start_is_not_noted(harness: StoreHarness) -> None:
    """Whoever made it makes it anew, and then it is noted."""
    store = await harness.open()
    result = await do(store, note(begin("a", number=2)))
    expect(isinstance(result, Overtaken), "it is overtaken")
    expect(not await _inbox(store), "and not noted")
    expect((await do(store, note(begin("a")))).state == ACCEPTED, "made anew it is")


async def refused_deliveries_do_not_fill_the_disk(harness: StoreHarness) -> None:
    """The newest of them are kept; nothing else goes for them."""
    store = await harness.open()
    await do(store, note(begin("a")))
    many = [note(key="", state=REFUSED, reason="forged", body=b"%d" % each) for each in range(REFUSED_DELIVERIES_MAX)]
    await store.write(many)
    last = await do(store, note(key="", state=REFUSED, reason="forged", body=b"the last"))
    records, cursor = await store.deliveries(DeliveryFilter(state=REFUSED), None, 2)
    expect([each.delivery_id for each in records][:1] == [last.delivery_id], "the newest first")
    kept = len(records)
    while cursor is not None:
        records, cursor = await store.deliveries(DeliveryFilter(state=REFUSED), cursor, 500)
        kept += len(records)
    expect(kept == REFUSED_DELIVERIES_MAX, "so many are kept")
    expect(await _inbox(store, DeliveryFilter(state=ACCEPTED)) == [("d-1", ACCEPTED, "a")], "and all others")


async def deliveries_are_found_and_forgotten(harness: StoreHarness) -> None:
    """By webhook, state, run and time; the old ones go, some at a time, and are new when they come again."""
    store = await harness.open()
    now = await store.now()
    await do(store, note(begin("a"), "d-1", b"1"))
    harness.advance(100)
    await do(store, note(key="d-2", body=b"2", state=IGNORED))
    await do(store, note(begin("c"), "d-3", b"3"))
    found = [
        (DeliveryFilter(webhook="hook"), 3),
        (DeliveryFilter(webhook="other"), 0),
        (DeliveryFilter(state=IGNORED), 1),
        (DeliveryFilter(run_id="c"), 1),
        (DeliveryFilter(received_from=now + 1), 2),
        (DeliveryFilter(received_before=now + 1), 1),
    ]
    for where, count in found:
        expect(len(await _inbox(store, where)) == count, f"{where} means {count}")
    expect(await do(store, PruneDeliveries(now + 1)) == 1, "one is old")
    expect(await do(store, PruneDeliveries(now + 1000, limit=1)) == 1, "one at a time")
    expect(await _inbox(store) == [("d-3", ACCEPTED, "c")], "the newest is left")
    expect(await store.delivery(10**9) is None, "what there is not is None")
    expect(not (await do(store, note(begin("a"), "d-1", b"1"))).is_repeated, "what was forgotten is new")


CHECKS: Final[tuple[Check, ...]] = (
    a_delivery_is_carried_out_once,
    deliveries_at_once_are_one,
    a_signal_is_noted_with_its_delivery,
    what_cannot_be_carried_out_is_noted_and_tried_again,
    a_reason_is_read_as_it_was_noted,
    what_is_ignored_stays_so_until_somebody_wants_it,
    another_body_under_the_same_id_is_refused,
    the_same_body_under_another_id_is_a_replay_where_nothing_binds_them,
    an_overtaken_start_is_not_noted,
    refused_deliveries_do_not_fill_the_disk,
    deliveries_are_found_and_forgotten,
)
"""Checks of this part."""
