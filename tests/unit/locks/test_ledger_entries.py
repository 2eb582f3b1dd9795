"""The ledger's entries: leased by one, finished by the newest, and never left behind by who was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import AlreadyProcessed, LeaseHeld, LeaseLost
from holdfast.locks import EntryLease, LedgerEntries, PlaceLease, give_back, renew
from holdfast.ports.operations import AcquireLease, OpenEntry
from tests.unit.locks.rig import LEASE, opened
from tests.unit.worker.rig import on_loop, pause


@on_loop
async def test_an_entry_has_one_holder_and_then_its_result(tmp_path):
    """The second who asks is told who has it; the result stands, and closes the entry for good."""
    async with opened(tmp_path) as (store, _):
        entries = LedgerEntries(store)
        lease = await entries.open("t", "first", LEASE)
        with pytest.raises(LeaseHeld) as held:
            await entries.open("t", "second", LEASE)
        assert held.value.holder == "first"
        assert not await entries.is_done("t")
        assert await entries.result("t") is None
        await entries.finish("t", b'{"a":1}', lease)
        assert await entries.is_done("t")
        assert await entries.result("t") == b'{"a":1}'
        with pytest.raises(AlreadyProcessed):
            await entries.open("t", "third", LEASE)


@on_loop
async def test_a_late_result_is_refused(tmp_path):
    """Whoever was silent for too long, and was followed by another, can finish nothing and close nothing."""
    async with opened(tmp_path) as (store, clock):
        entries = LedgerEntries(store)
        late = await entries.open("t", "late", LEASE)
        clock.pass_lease()
        newest = await entries.open("t", "newest", LEASE)
        with pytest.raises(LeaseLost):
            await entries.finish("t", b"1", late)
        assert not await entries.close(late)
        await entries.finish("t", b"2", newest)
        assert await entries.result("t") == b"2"


@on_loop
async def test_without_a_lease_the_first_writer_wins(tmp_path):
    """But not against somebody who is at it."""
    async with opened(tmp_path) as (store, _):
        entries = LedgerEntries(store)
        await entries.finish("t", b"1", None)
        with pytest.raises(AlreadyProcessed):
            await entries.finish("t", b"2", None)
        await entries.open("u", "somebody", LEASE)
        with pytest.raises(LeaseHeld):
            await entries.finish("u", b"1", None)


@on_loop
async def test_patience_outlasts_a_dead_holder(tmp_path):
    """Who may wait gets the entry when the silent holder's lease runs out."""
    async with opened(tmp_path) as (store, clock):
        entries = LedgerEntries(store)
        first = await entries.open("t", "dead", LEASE)
        waiting = asyncio.create_task(entries.open("t", "patient", LEASE, patience_seconds=60))
        for _ in range(3):
            await pause()
        assert not waiting.done()
        clock.pass_lease()
        lease = await waiting
        assert lease.token > first.token


@on_loop
async def test_patience_ends(tmp_path):
    """A holder who is alive is reported when the patience is over."""
    async with opened(tmp_path) as (store, _):
        entries = LedgerEntries(store)
        await entries.open("t", "alive", LEASE)
        with pytest.raises(LeaseHeld, match="alive"):
            await entries.open("t", "patient", LEASE, patience_seconds=0.2)


@on_loop
async def test_cancelled_while_asking_nothing_is_held(tmp_path):
    """Cancelled after the write began: the lease it got is given back."""
    async with opened(tmp_path) as (store, _):
        entries = LedgerEntries(store)
        asking = asyncio.create_task(entries.open("t", "cancelled", LEASE))
        await asyncio.sleep(0)  # the write is on its way
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await entries.open("t", "next", LEASE)


@on_loop
async def test_everything_held_is_renewed_at_once_and_losses_are_named(tmp_path):
    """One transaction renews entries and places; those that are somebody else's come back."""
    async with opened(tmp_path) as (store, clock):
        (entry, place) = await store.write(
            [OpenEntry("t", "us", LEASE), AcquireLease("l", 1, "us", LEASE)],
        )
        ours = [EntryLease("t", entry), PlaceLease("l", place, "us")]
        assert await renew(store, ours, LEASE) == []
        clock.time += LEASE * 0.9
        assert await renew(store, ours, LEASE) == []
        clock.time += LEASE * 0.9
        assert await renew(store, ours, LEASE) == [], "it was renewed in between"
        clock.pass_lease()
        assert await renew(store, ours, LEASE) == ours
        assert await renew(store, [], LEASE) == []


@on_loop
async def test_what_is_given_back_is_free(tmp_path):
    """Given back in one go, entry and place are somebody else's at once; a second time does no harm."""
    async with opened(tmp_path) as (store, _):
        (entry, place) = await store.write([OpenEntry("t", "us", LEASE), AcquireLease("l", 1, "us", LEASE)])
        ours = [EntryLease("t", entry), PlaceLease("l", place, "us")]
        await give_back(store, ours)
        next_entry, next_place = await store.write([OpenEntry("t", "you", LEASE), AcquireLease("l", 1, "you", LEASE)])
        assert next_entry > entry
        assert next_place > place
        await give_back(store, ours)
        assert await renew(store, [EntryLease("t", next_entry)], LEASE) == []
