"""Lines at locks: first come, first served, and nobody waits for the dead."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import LockLost
from holdfast.locks import LockLines
from holdfast.locks.leases import LOOK_SECONDS_MAX, LOOK_SECONDS_MIN, Seen
from holdfast.ports.operations import BreakLock
from tests.unit.locks.rig import LEASE, opened
from tests.unit.worker.rig import on_loop, pause


async def line(store):
    """Return who is in line, holders first."""
    return [each.holder for each in await store.locks()]


async def join(store, lines, holder, slots=1, lease=LEASE):
    """Ask for the lock, and return once the request is in line."""
    task = asyncio.create_task(lines.acquire("l", slots, holder, lease))
    while holder not in await line(store):
        await pause()
    return task


@on_loop
async def test_first_come_first_served(tmp_path):
    """Three wait in the order of their coming, each with a higher token."""
    async with opened(tmp_path) as (store, _):
        lines = LockLines(store)
        first = await lines.acquire("l", 1, "a", LEASE)
        waiting = [await join(store, lines, each, lease=600) for each in ("b", "c", "d")]
        assert await line(store) == ["a", "b", "c", "d"]
        held, tokens = first, [first.token]
        for each in waiting:
            assert not each.done()
            await lines.release(held)
            async with asyncio.timeout(20):  # seen in the line, long before it would be asked again
                held = await each
            tokens.append(held.token)
        assert tokens == sorted(set(tokens))
        await lines.release(held)
        assert await line(store) == []


@on_loop
async def test_a_semaphore_lets_as_many_in_as_it_has_places(tmp_path):
    """Two places, three who want one."""
    async with opened(tmp_path) as (store, _):
        lines = LockLines(store)
        first = await lines.acquire("l", 2, "a", LEASE)
        await lines.acquire("l", 2, "b", LEASE)
        third = await join(store, lines, "c", slots=2)
        assert not third.done()
        await lines.release(first)
        await third


@on_loop
async def test_a_dead_holder_is_not_waited_for(tmp_path):
    """The silent holder's place runs out, though nobody releases it and no member reaps."""
    async with opened(tmp_path) as (store, clock):
        lines = LockLines(store)
        dead = await lines.acquire("l", 1, "dead", LEASE)
        waiting = await join(store, lines, "next")
        clock.pass_lease()
        lease = await waiting
        assert lease.token > dead.token
        with pytest.raises(LockLost) as lost:
            await lines.release(dead)
        assert lost.value.token == dead.token


@on_loop
async def test_cancelled_in_line_the_place_is_left(tmp_path):
    """Whoever does not wait any more is not waited for."""
    async with opened(tmp_path) as (store, _):
        lines = LockLines(store)
        await lines.acquire("l", 1, "holder", LEASE)
        waiting = await join(store, lines, "impatient")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await line(store) == ["holder"]


@on_loop
async def test_a_broken_lock_is_lost(tmp_path):
    """Broken by force, the next in line gets it and the old holder is told."""
    async with opened(tmp_path) as (store, _):
        lines = LockLines(store)
        first = await lines.acquire("l", 1, "a", LEASE)
        waiting = await join(store, lines, "b")
        assert await store.write([BreakLock("l")]) == ["a"]
        second = await waiting
        with pytest.raises(LockLost):
            await lines.release(first)
        await lines.release(second)


def test_without_rings_a_line_is_looked_at_as_fast_as_it_moves():
    """Half of the time that those before us should take; what takes longer is looked at ever more slowly."""
    seen = Seen(pace=0.02)
    assert seen.pause(100.0) == LOOK_SECONDS_MIN  # not seen yet
    seen.note_ahead(4, 100.0)
    assert seen.pause(100.0) == pytest.approx(0.04)
    seen.note_ahead(2, 100.1)
    assert seen.pace == pytest.approx(0.05)  # it moved by two
    assert seen.pause(100.1) == pytest.approx(0.05)
    seen.note_ahead(2, 100.3)
    assert seen.pause(100.3) == pytest.approx(0.1)
    seen.note_ahead(0, 100.4)
    assert seen.pause(100.4) == LOOK_SECONDS_MIN
    assert seen.pause(200.0) == LOOK_SECONDS_MAX


def test_the_time_is_asked_only_when_a_lease_may_be_over():
    """What was asked once is reckoned from, and asked again before anybody is taken for dead."""
    seen = Seen(pace=0.02)
    assert seen.is_over(1_000.0, 5.0)  # nothing is known of the store's time
    seen.note_time(900.0, 5.0)
    assert not seen.is_over(1_000.0, 104.0)
    assert seen.is_over(1_000.0, 105.0)
