"""What a store has to do with members: leases, deaths, farewells.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import FencedError
from holdfast.ports.operations import (
    PARKED,
    RUNNING,
    Append,
    Beat,
    ClaimRuns,
    Join,
    Leave,
    Membership,
    Reap,
    Reaped,
    Resume,
)
from holdfast.testing.conformance.store.harness import (
    LEASE,
    Check,
    History,
    StoreHarness,
    claim,
    do,
    expect,
    join,
    own,
    refused,
    signal,
    start,
)


async def the_dead_lose_their_runs(harness: StoreHarness) -> None:
    """A reaped member's runs are claimable with one more recovery, and its late writes are refused and counted."""
    store, zombie = await harness.open(), await harness.open()
    dead = await join(zombie, "dead")
    execution, history = await own(zombie, dead, "a")
    await do(store, signal("a"))
    harness.advance(LEASE - 1)
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "a live lease is left alone")
    harness.advance(1.0)
    expect(await do(store, Reap(3), reaper) == Reaped(("dead",), 1, 0, ()), "a lease that ran out is ended")
    expect(not await zombie.inbox(dead), "its mail is not its own any more")
    for operations in ([Append(execution, history.page())], [start("b", own=True)], [ClaimRuns(("W",), 1)]):
        try:
            await zombie.write(operations, dead)
        except FencedError:
            continue
        expect(False, f"{type(operations[0]).__name__} of a dead member is refused")
    await refused(FencedError, zombie, Beat(dead, LEASE))
    expect(await store.run("b") is None and await store.pages(execution) == history.pages, "nothing was written")
    (claimed,) = await claim(store, reaper)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 1), "the next owner has it, recovered once")
    expect([row.name for row in await store.inbox(reaper)] == ["go"], "with its mail")
    await do(store, Append(execution, history.keep(history.page())), reaper)
    records = {record.name: record for record in await store.members()}
    expect((records["dead"].state, records["dead"].refused) == ("dead", 3), "the dead one's writes were counted")
    expect((await store.totals()).refused_writes >= 3, "over the whole store too")
    expect(records["reaper"].runs == 1 and records["dead"].runs == 0, "each member's runs are counted")


async def a_late_member_may_go_on_until_reaped(harness: StoreHarness) -> None:
    """A lease that ran out and that nobody ended is renewed, and its holder still writes."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    harness.advance(2 * LEASE)
    expect((await store.members())[0].state == "expired", "everybody sees it")
    await do(store, Append(execution, history.keep(history.page())), member)
    expect(await do(store, Beat(member, LEASE, "blocked at x.py:1")), "the lease is renewed")
    expect((await store.members())[0].state == "blocked at x.py:1", "and the member is what it says")
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "nobody is dead")


async def a_first_lease_may_last_longer(harness: StoreHarness) -> None:
    """A member whose renewals only start is not dead before they can have; from its first renewal on it may be."""
    store = await harness.open()
    starting = await do(store, Join("starting", "stack", "here", 1, LEASE, first_seconds=1.5 * LEASE))
    assert isinstance(starting, Membership), "Join returns a Membership"
    harness.advance(1.2 * LEASE)
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "its first lease lasts")
    await do(store, Beat(starting, LEASE))
    dead: tuple[str, ...] = ()
    for _ in range(3):
        harness.advance(LEASE / 3)
        dead += (await do(store, Reap(3), reaper)).members
    expect(dead == ("starting",), "its later ones are as long as anybody's")


async def a_reaper_that_was_away_waits(harness: StoreHarness) -> None:
    """A reaper that did not look for over half a lease waits one full lease before it declares anybody dead."""
    store = await harness.open()
    await join(store, "victim")
    reaper = await join(store, "reaper")
    harness.advance(2 * LEASE)
    for seconds in (0.0, LEASE / 3, LEASE / 3, LEASE / 3 - 0.1):
        harness.advance(seconds)
        expect(await do(store, Reap(3), reaper) == Reaped(), "it was away itself, so it waits")
    harness.advance(0.2)
    expect((await do(store, Reap(3), reaper)).members == ("victim",), "then it goes on")


async def a_slow_reaper_reaps_in_the_end(harness: StoreHarness) -> None:
    """A reaper that always looks late still gets to declare the dead dead."""
    store = await harness.open()
    await join(store, "victim")
    reaper = await join(store, "reaper")
    for _ in range(6):
        harness.advance(0.8 * LEASE)
        if (await do(store, Reap(3), reaper)).members:
            return
    expect(False, "the victim is found dead some time")


async def poison_is_parked(harness: StoreHarness) -> None:
    """A run whose members keep dying is parked, says why, and goes on when it is told to, as if nothing had been."""
    store = await harness.open()
    execution, history = 0, History()
    for deaths in range(3):
        member = await join(store, f"m{deaths}")
        if deaths:
            (claimed,) = await claim(store, member)
            expect(claimed.recoveries == deaths, "recoveries are counted")
        else:
            execution, history = await own(store, member, "a")
        harness.advance(LEASE)
        found: Reaped = await do(store, Reap(2))
        expect(found.parked == (("a",) if deaths == 2 else ()), "the third death is one too many")
    record = await store.run("a")
    assert record is not None
    expect(record.status == PARKED and record.parked, "the run says why it does not move")
    member = await join(store)
    await do(store, signal("a"))
    expect(not await claim(store, member), "nobody claims a parked run")
    await do(store, Resume("a"))
    (claimed,) = await claim(store, member)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 0), "resumed, it starts counting anew")
    kinds = [each.kind for each in await store.inbox(member)]
    expect(kinds == ["signal", "resume"], "mail that came meanwhile is there, and word that it was resumed")
    await do(store, Append(execution, history.page()), member)


async def a_stable_run_is_forgiven(harness: StoreHarness) -> None:
    """An append that got somewhere sets the recoveries back."""
    store = await harness.open()
    dead = await join(store, "dead")
    execution, history = await own(store, dead, "a")
    harness.advance(LEASE)
    await do(store, Reap(3))
    member = await join(store)
    await claim(store, member)
    await do(store, Append(execution, history.keep(history.page())), member)
    expect((await store.run("a")).recoveries == 1, "an append alone does not")  # type: ignore[union-attr]  # it is there
    await do(store, Append(execution, history.keep(history.page()), stable=True), member)
    expect((await store.run("a")).recoveries == 0, "a stable one does")  # type: ignore[union-attr]  # as above


async def a_run_parks_itself(harness: StoreHarness) -> None:
    """A parking append stores its page, gives the reason, and ends the ownership."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await do(store, Append(execution, history.keep(history.page()), park="diverged at event 2"), member)
    record = await store.run("a")
    assert record is not None
    expect((record.status, record.parked, record.owner) == (PARKED, "diverged at event 2", ""), "it is parked")
    await refused(FencedError, store, Append(execution, history.page()), member)
    expect(not await claim(store, member), "and not claimed")
    await do(store, Resume("a"))
    await claim(store, member)
    await do(store, Append(execution, history.keep(history.page())), member)
    expect((await store.run("a")).status == RUNNING, "resumed, it runs")  # type: ignore[union-attr]  # it is there


async def leaving_frees_at_once(harness: StoreHarness) -> None:
    """A member that leaves gives up its runs at once, and nothing is held against them."""
    store = await harness.open()
    leaver, member = await join(store, "leaver"), await join(store)
    execution, history = await own(store, leaver, "a")
    await do(store, Leave(leaver))
    (claimed,) = await claim(store, member)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 0), "the run is claimable, recovered from nothing")
    try:
        await store.write([Append(execution, history.page())], leaver)
        expect(False, "who left writes no more")
    except FencedError:
        pass
    await refused(FencedError, store, Leave(leaver))
    expect([record.name for record in await store.members()] == ["m"], "who left is not listed")


async def member_numbers_are_never_used_again(harness: StoreHarness) -> None:
    """Numbers and epochs of members only rise, also after all have left."""
    store = await harness.open()
    seen: list[Membership] = []
    for number in range(3):
        seen.append(await join(store, str(number)))
        await do(store, Leave(seen[-1]))
        harness.advance(1e7)
    expect(len({member.member for member in seen}) == 3, "no number twice")
    expect([member.epoch for member in seen] == sorted({member.epoch for member in seen}), "epochs rise")


CHECKS: Final[tuple[Check, ...]] = (
    the_dead_lose_their_runs,
    a_late_member_may_go_on_until_reaped,
    a_first_lease_may_last_longer,
    a_reaper_that_was_away_waits,
    a_slow_reaper_reaps_in_the_end,
    poison_is_parked,
    a_stable_run_is_forgiven,
    a_run_parks_itself,
    leaving_frees_at_once,
    member_numbers_are_never_used_again,
)
