"""Gatherings: each event is in one run, together with the others.

Owns: these checks.
Must not know: which database is behind the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    BeginGathered,
    Begun,
    Gather,
    Gathered,
    GatheringRecord,
    GatheringState,
    HurryGathering,
    PruneGatherings,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, start

if TYPE_CHECKING:
    from holdfast.ports.store import Store

WORKFLOW: Final = "W"


async def a_batch_gathers_until_it_is_full(harness: StoreHarness) -> None:
    """Events of one key wait for one another until there are enough; one more opens the next gathering."""
    store = await harness.open()
    now = await store.now()
    first = await do(store, _batch(b"1"))
    expect(first.events == 1 and first.due_at >= now + 10, f"the first opens it, not {first}")
    expect((await do(store, _batch(b"1", key="k2"))).run_id != first.run_id, "another key gathers by itself")
    harness.advance(4)
    second = await do(store, _batch(b"2"))
    expect(second == Gathered(first.gathering_id, first.run_id, first.due_at, 2), f"the second joins it, not {second}")
    expect(await store.next_gathering() == first.due_at, "it is due some time after the first")
    expect(await store.due_gatherings(first.due_at - 0.1, 9) == [], "not before")
    third = await do(store, _batch(b"3"))
    expect(third.due_at < first.due_at, "the third is enough")
    (record,) = await store.due_gatherings(third.due_at, 9)
    expect((record.run_id, record.state) == (first.run_id, GatheringState.FULL), "it takes no more")
    expect(await store.gathered(record) == [b"1", b"2", b"3"], "all of them are there, in order")
    expect((await do(store, _batch(b"4"))).run_id != first.run_id, "the fourth opens the next one")


async def a_debounce_waits_for_silence(harness: StoreHarness) -> None:
    """Each event puts it off, up to a time after the first one; the last one counts."""
    store = await harness.open()
    first = last = await do(store, _debounce(b"1"))
    latest = first.due_at - 5 + 12
    for event in (b"2", b"3"):
        harness.advance(4)
        last = await do(store, _debounce(event))
        expect(await store.next_gathering() == last.due_at, "that is when it is due")
    expect(last.run_id == first.run_id and first.due_at < last.due_at <= latest, f"it is put off, not {last}")
    expect(last.events == 3, "all are counted")
    (record,) = await store.due_gatherings(latest, 9)
    expect(await store.gathered(record) == [b"3"], "the last one counts")


async def a_late_event_opens_the_next(harness: StoreHarness) -> None:
    """What comes when a gathering is due, or gathers in another way, is not added: so nothing keeps it from its run."""
    store = await harness.open()
    first = await do(store, _debounce(b"1"))
    other = await do(store, _batch(b"1"))
    expect(other.run_id != first.run_id, "a batch is not added to a debounce")
    harness.advance(11)
    late = await do(store, _batch(b"2"))
    expect(late.run_id != other.run_id and late.events == 1, "a late one is not added either")
    due = await store.due_gatherings(late.due_at - 0.1, 9)
    expect([each.run_id for each in due] == [first.run_id, other.run_id], "both are due, in order")


async def an_event_is_gathered_once(harness: StoreHarness) -> None:
    """An event that comes again under its id is not added again, also when its run has begun."""
    store = await harness.open()
    first = await do(store, _batch(b"1", event_id="e-1"))
    again = await do(store, _batch(b"1", event_id="e-1"))
    expect(again.is_repeated and (again.run_id, again.events) == (first.run_id, 1), f"it is known, not {again}")
    expect(not (await do(store, _batch(b"1"))).is_repeated, "one without an id is another one")
    record = await _read(store, first)
    expect(await do(store, _begin(record)) == Begun(True), "its run begins")
    expect((await do(store, _batch(b"1", event_id="e-1"))).is_repeated, "it is known still")


async def a_gathering_begins_one_run(harness: StoreHarness) -> None:
    """Of two that read the same, one begins the run; one that read less than there is begins nothing."""
    one, other = await harness.open(), await harness.open()
    first = await do(one, _batch(b"1"))
    old = await _read(one, first)
    await do(one, _batch(b"2"))
    expect(await do(other, _begin(old)) == Begun(False), "an event came meanwhile")
    expect(await other.run(first.run_id) is None, "so there is no run")
    record = await _read(other, first)
    expect(await do(one, _begin(record)) == Begun(True), "whoever read all begins it")
    expect(await do(other, _begin(record, run_id="W-2")) == Begun(False), "once")
    expect(await one.run("W-2") is None, "the second begins nothing")
    expect(await one.run(first.run_id) is not None, "there is a run")
    expect(await one.next_gathering() is None, "nothing else is to be done")
    expect(await one.gathered(record) == [], "its events are in the run, and nowhere else")
    expect((await _read(one, first)).state == GatheringState.BEGUN, "that is shown")


async def a_refused_run_keeps_its_events(harness: StoreHarness) -> None:
    """A gathering whose run was refused is shown with the reason, and may be tried again."""
    store = await harness.open()
    first = await do(store, _batch(b"1"))
    await do(store, start("taken", workflow="Other"))
    record = await _read(store, first)
    refused = await do(store, _begin(record, run_id="taken"))
    expect(not refused.begun and refused.refused, f"it is refused, not {refused}")
    expect(await store.next_gathering() is None, "it does not come up again by itself")
    shown = await _read(store, first)
    expect((shown.state, shown.reason) == (GatheringState.REFUSED, refused.refused), "it is shown")
    expect(await do(store, HurryGathering(first.gathering_id)), "somebody wants it again")
    expect(await store.gathered(shown) == [b"1"], "its events are there")
    expect(await do(store, _begin(shown)) == Begun(True), "it begins")
    expect(not await do(store, HurryGathering(first.gathering_id)), "what has begun is not hurried")


async def a_gathering_may_be_hurried(harness: StoreHarness) -> None:
    """One that is open is due at once, and takes no more."""
    store = await harness.open()
    first = await do(store, _batch(b"1"))
    expect(await do(store, HurryGathering(first.gathering_id)), "it is there")
    expect([each.run_id for each in await store.due_gatherings(await store.now(), 9)] == [first.run_id], "it is due")
    expect((await do(store, _batch(b"2"))).run_id != first.run_id, "it takes no more")


async def gatherings_are_listed_and_forgotten(harness: StoreHarness) -> None:
    """All are listed, the newest first, page by page; those that became runs long ago are forgotten with their ids."""
    store = await harness.open()
    numbers = [(await do(store, _batch(b"1", key=f"k{n}", event_id=f"e-{n}"))).gathering_id for n in range(3)]
    page, cursor = await store.gatherings(limit=2)
    rest, end = await store.gatherings(cursor, limit=2)
    listed = [each.gathering_id for each in (*page, *rest)]
    expect((listed, end) == (numbers[::-1], None), f"all are listed, not {listed}")
    for each in (page[0], rest[0]):
        await do(store, _begin(each))
    harness.advance(1)
    expect(await do(store, PruneGatherings(await store.now(), 1)) == 1, "one at a time")
    expect(await do(store, PruneGatherings(await store.now())) == 1, "what has begun")
    expect(await do(store, PruneGatherings(await store.now())) == 0, "and nothing else")
    expect(await store.gathering(numbers[0]) is None, "it is gone")
    expect(not (await do(store, _batch(b"1", event_id="e-0"))).is_repeated, "its events are new")
    expect((await do(store, _batch(b"1", event_id="e-1"))).is_repeated, "those of others are not")


def _batch(event: bytes, *, key: str = "k", event_id: str = "") -> Gather:
    return Gather(WORKFLOW, key, event, within=10.0, size=3, event_id=event_id)


def _debounce(event: bytes) -> Gather:
    return Gather(WORKFLOW, "k", event, within=12.0, quiet=5.0)


def _begin(record: GatheringRecord, run_id: str = "") -> BeginGathered:
    act = start(run_id or record.run_id, workflow=WORKFLOW)
    return BeginGathered(act=act, gathering_id=record.gathering_id, events=record.events)


async def _read(store: Store, gathered: Gathered) -> GatheringRecord:
    record = await store.gathering(gathered.gathering_id)
    assert record is not None, "it was opened"
    return record


CHECKS: Final[tuple[Check, ...]] = (
    a_batch_gathers_until_it_is_full,
    a_debounce_waits_for_silence,
    a_late_event_opens_the_next,
    an_event_is_gathered_once,
    a_gathering_begins_one_run,
    a_refused_run_keeps_its_events,
    a_gathering_may_be_hurried,
    gatherings_are_listed_and_forgotten,
)
"""What is checked here."""
