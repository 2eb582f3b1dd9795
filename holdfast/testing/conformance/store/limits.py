"""What a store has to do with tasks that wait for more than a free slot: places, rates, turns.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.history import Attempt, Limits, RateUse
from holdfast.ports.operations import (
    COMPLETED,
    Append,
    ClaimedTask,
    ClaimTasks,
    Closing,
    FinishTask,
    FreezeRate,
    LimitRecord,
    Pause,
    QueueTask,
    Reap,
    ReleaseTasks,
    Resume,
    RetryTask,
    SetLimit,
    slack_seconds,
)
from holdfast.testing.conformance.store.harness import (
    LEASE,
    Check,
    History,
    StoreHarness,
    do,
    expect,
    join,
    own,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store

PER: Final = 10.0
"""Seconds of the windows in these checks."""


class Crew:
    """A run that queues tasks, and a worker that claims them."""

    def __init__(self, store: Store, host: Membership, worker: Membership, execution: int, history: History) -> None:
        self.store, self.host, self.worker = store, host, worker
        self.execution, self.history = execution, history

    async def queue(self, *steps: str, limits: Limits | None = None, priority: int = 0) -> None:
        """Queue tasks of the run."""
        queue = tuple(QueueTask(step, "t", b"1", "default", priority, b"", limits=limits) for step in steps)
        await do(self.store, Append(self.execution, None, queue=queue), self.host)

    async def claim(
        self, limit: int = 100, worker: Membership | None = None, starts_within: float = 0.0
    ) -> list[ClaimedTask]:
        """Claim tasks."""
        operation = ClaimTasks((("default", limit),), ("t",), starts_within)
        return list(await do(self.store, operation, worker or self.worker))

    async def steps(self, limit: int = 100) -> list[str]:
        """Claim tasks; return their steps."""
        return [each.step for each in await self.claim(limit)]

    async def finish(self, claimed: ClaimedTask) -> None:
        """Hand in an outcome."""
        await do(
            self.store,
            FinishTask(claimed.task_id, claimed.token, b"done", claimed.execution_id, claimed.step),
            self.worker,
        )

    async def limit(self, name: str) -> LimitRecord | None:
        """Return a limit as it is listed."""
        return next((each for each in await self.store.limits() if each.name == name), None)


async def crew(store: Store, name: str = "r") -> Crew:
    """Make a run and a worker."""
    host, worker = await join(store, "host"), await join(store, "worker")
    execution, history = await own(store, host, name)
    return Crew(store, host, worker, execution, history)


def places(slots: int, name: str = "crm", fairness: str = "") -> Limits:
    """Return a limit of so many places."""
    return Limits(name, slots, fairness)


def rated(amount: float, units: float = 1.0, name: str = "api") -> Limits:
    """Return a rate."""
    return Limits(rates=(RateUse(name, amount, PER, units),))


# --- Places ------------------------------------------------------------------------------------------------------


async def a_limit_lets_in_so_many(harness: StoreHarness) -> None:
    """So many are claimed at once, in order, whoever queued them; each end lets in the next one."""
    store = await harness.open()
    one = await crew(store)
    await one.queue("a", "b", "c", "d", limits=places(2))
    await one.queue("other", limits=places(1, "erp"))
    first = await one.claim()
    expect([each.step for each in first] == ["a", "b", "other"], "two of one limit are let in, one of the other")
    expect(not await one.claim(), "the others wait")
    await one.finish(first[1])
    expect(await one.steps() == ["c"], "the next one comes when one has ended")
    record = await one.limit("crm")
    expect(record is not None and (len(record.holders), record.waiting) == (2, 1), "that is what is listed")


async def a_place_is_passed_on_whatever_ends_it(harness: StoreHarness) -> None:
    """Another attempt, a cancellation, a pause and the end of the run give a place back at once."""
    store = await harness.open()
    one, other = await crew(store, "a"), await crew(store, "b")
    await one.queue("a", "b", limits=places(1))
    await other.queue("c", "d", limits=places(1))
    (claimed,) = await one.claim()
    later = await store.now() + 5.0
    await do(store, RetryTask(claimed.task_id, claimed.token, later, b""), one.worker)
    expect(await one.steps() == ["b"], "another attempt waits in line again")
    await do(store, Append(one.execution, None, unqueue=("b",)), one.host)
    (claimed,) = await one.claim()
    expect(claimed.step == "c", "a cancelled one goes")
    await do(store, Pause("b", "ada"))
    await do(store, ReleaseTasks((claimed.task_id,)), one.worker)
    harness.advance(5.0)
    expect(await one.steps() == ["a"], "one that is given back into a paused run has no place")
    third = await crew(store, "c")
    await third.queue("e", limits=places(1))
    expect(not await one.claim(), "there is none while it is held")
    closing = Closing(COMPLETED, b"")
    await do(store, Append(one.execution, one.history.page(closing=True), closing=closing, inbox_read=2**62), one.host)
    found = await one.claim()
    expect([each.step for each in found] == ["e"], "the end of a run gives back its places, but not to a paused one")
    await do(store, Resume("b"))
    await one.finish(found[0])
    found = await one.claim()
    expect([each.step for each in found] == ["c"], "once resumed, its tasks stand in line again")
    await one.finish(found[0])
    await third.queue("f", limits=places(1))
    await one.claim(0)
    await do(store, Pause("b", "ada"))
    expect(await one.steps() == ["f"], "one that is paused before it was claimed has none either")


async def a_killed_holder_keeps_no_more_than_its_place(harness: StoreHarness) -> None:
    """Held and free places are as many as there are at all times: what a dead worker had is claimed again and noted."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*"abcdef", limits=places(3))
    expect(len(await one.claim()) == 3, "three hold places")
    harness.advance(LEASE + 1)
    await do(store, Reap(3))
    record = await one.limit("crm")
    expect(record is not None and len(record.holders) == 3, "they keep their places until they are claimed again")
    alive = await join(store, "alive")
    again = await one.claim(worker=alive)
    expect([each.step for each in again] == ["a", "b", "c"], "they are claimed again, and no others with them")
    tried = [msgspec.msgpack.decode(each.failures or b"\x90", type=tuple[Attempt, ...]) for each in again]
    expect([[each.worker for each in one] for one in tried] == [["worker"]] * 3, "who died with them is noted")
    record = await one.limit("crm")
    expect(record is not None and (len(record.holders), record.waiting) == (3, 3), "no place was lost or made")
    for deaths in range(2):
        harness.advance(LEASE + 1)
        await do(store, Reap(1))
        alive = await join(store, f"next {deaths}")
        again = await one.claim(worker=alive)
    expect([each.step for each in again] == ["d", "e", "f"], "poison gives its places back")


# --- Turns -------------------------------------------------------------------------------------------------------


async def keys_take_turns(harness: StoreHarness) -> None:
    """A key with few tasks does not wait for one with many, nor do those that have no key; priority goes first."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*(f"a{n}" for n in range(40)), limits=Limits(fairness="a"))
    await one.queue("b0", "b1", limits=Limits(fairness="b"))
    await one.queue("c0", limits=Limits(fairness="c"))
    await one.queue("urgent", limits=Limits(fairness="a"), priority=9)
    expect(set(await one.steps(6)) == {"urgent", "a0", "b0", "c0", "a1", "b1"}, "each key has its turn")
    await one.queue("d0", limits=Limits(fairness="d"))
    expect(set(await one.steps(2)) == {"a2", "d0"}, "a key that comes later begins at the head")
    await one.queue(*(f"plain{n}" for n in range(40)))
    found = await one.steps(10)
    expect(sum(each.startswith("plain") for each in found) == 5, "those without a key have every other turn")
    claimed = await one.claim(1)
    await do(store, ReleaseTasks((claimed[0].task_id,)), one.worker)
    await one.queue("e0", limits=Limits(fairness="e"))
    expect(len(await one.steps(100)) == 68, "and all of them are claimed in the end")
    for step, key in (("x0", "x"), ("x1", "x"), ("y0", "y")):
        await one.queue(step, limits=Limits(fairness=key))
        await one.claim(0)
    expect(set(await one.steps(2)) == {"x0", "y0"}, "what a key queues later comes behind what it has in line")


async def keys_take_turns_in_line_for_a_place(harness: StoreHarness) -> None:
    """Who waits for a place does not wait for all that another key has queued."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*(f"a{n}" for n in range(10)), limits=places(1, fairness="a"))
    await one.claim(0)
    await one.queue("b0", limits=places(1, fairness="b"))
    order = []
    for _ in range(3):
        (claimed,) = await one.claim()
        order.append(claimed.step)
        await one.finish(claimed)
    expect(order == ["a0", "a1", "b0"], "the other key's comes with the next turn")


# --- Rates -------------------------------------------------------------------------------------------------------


async def a_rate_is_never_exceeded(harness: StoreHarness) -> None:
    """What does not fit waits until it does, and the store knows when; a use counts for the window and the slack."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*"abcdef", limits=rated(3))
    expect(await one.steps(1) + await one.steps(1) == ["a", "b"], "as many as are asked for")
    harness.advance(4.0)
    await one.queue("g", limits=rated(3))
    expect(await one.steps() == ["c"], "as many as fit")
    harness.advance(6.0)
    expect(not await one.claim(), "a use counts for longer than the window")
    wake = await store.next_wake(await store.now())
    expect(wake is not None and 0 < wake - await store.now() <= slack_seconds(PER) * 1.2, "it is known until when")
    harness.advance(slack_seconds(PER) * 1.2)
    expect(await one.steps() == ["d", "e"], "what was taken first is there again first")
    harness.advance(4.0)
    expect(await one.steps() == ["f"], "and then the rest")
    harness.advance(100.0)
    expect(await one.steps() == ["g"], "nothing is left behind")
    await one.queue(*"hijk", limits=rated(3))
    harness.advance(100.0)
    expect(len(await one.claim(starts_within=7.0)) == 3, "whoever starts late")
    harness.advance(PER + 6.0)
    expect(not await one.claim(), "takes for longer")
    harness.advance(3.0)
    expect(await one.steps() == ["k"], "and gives it back, too")


async def rates_that_are_due_at_once_are_each_taken_once(harness: StoreHarness) -> None:
    """One that is tried again and one that waits become due together: either lets the other through, and once."""
    store = await harness.open()
    one = await crew(store)
    await one.queue("a", "b", "c", limits=rated(2))
    again, _ = await one.claim()
    await do(store, RetryTask(again.task_id, again.token, await store.now() + 1.0, b""), one.worker)
    harness.advance(100.0)
    expect(await one.steps() == ["a", "c"], "both fit, and each has its share")
    record = await one.limit("api")
    expect(record is not None and record.used == 2.0, "of which no more is taken than that")


async def a_large_one_gets_its_turn(harness: StoreHarness) -> None:
    """Those behind it do not overtake it because they are small; one that is cancelled lets them pass."""
    store = await harness.open()
    one = await crew(store)
    await one.queue("first", limits=rated(10, 6))
    await one.queue("large", limits=rated(10, 9))
    await one.queue("small", limits=rated(10, 1))
    expect(await one.steps() == ["first"], "the large one does not fit, and the small one waits behind it")
    await do(store, Append(one.execution, None, unqueue=("large",)), one.host)
    expect(await one.steps() == ["small"], "without it the small one fits")
    harness.advance(100.0)
    await one.queue("last", limits=rated(10, 10))
    (claimed,) = await one.claim()
    await do(store, ReleaseTasks((claimed.task_id,)), one.worker)
    expect(not await one.claim(), "one that is given back may have begun: it takes anew")


async def a_frozen_rate_lets_nobody_start(harness: StoreHarness) -> None:
    """Neither those that wait nor those that were about to be claimed, until the time is over; others go on."""
    store = await harness.open()
    one = await crew(store)
    await one.queue("a", "b", limits=rated(5))
    await one.queue("other", limits=rated(5, name="else"))
    await one.claim(0)  # they are let through, and about to be claimed
    until = await do(store, FreezeRate("api", 30.0, "r/x"))
    expect(until == await store.now() + 30.0, "it says until when")
    expect(await do(store, FreezeRate("api", 1.0)) == until, "a shorter one does not thaw it")
    expect(await one.steps() == ["other"], "only the other rate's starts")
    record = await one.limit("api")
    expect(record is not None and (record.frozen_until, record.frozen_by) == (until, "r/x"), "it is listed")
    harness.advance(29.0)
    expect(not await one.claim(), "it is still frozen")
    harness.advance(2.0)
    expect(await one.steps() == ["a", "b"], "then they start")
    record = await one.limit("api")
    expect(record is not None and record.frozen_until is None and record.used == 2.0, "and it is frozen no more")


async def places_come_before_rates(harness: StoreHarness) -> None:
    """A task that needs both has its place while it waits for the rate, and no other takes of the rate in vain."""
    store = await harness.open()
    one = await crew(store)
    both = Limits("crm", 1, rates=(RateUse("api", 2, PER), RateUse("more", 1, PER)))
    await one.queue("a", "b", "c", limits=both)
    (claimed,) = await one.claim()
    await one.finish(claimed)
    expect(not await one.claim(), "the second rate is used up")
    record = await one.limit("crm")
    expect(record is not None and len(record.holders) == 1, "it has the place meanwhile")
    await one.queue("d", limits=both)
    await one.claim(0)
    lines = [each.line for each in await store.queue(one.execution)]
    expect(lines == ["rate api", "place crm", "place crm"], "and stands in line, those behind it in another")
    harness.advance(PER + 2 * slack_seconds(PER))
    expect(await one.steps() == ["b"], "until there is room in both")


async def a_limit_that_was_set_counts_at_once(harness: StoreHarness) -> None:
    """More places let in those that wait, fewer let in nobody until there is room, and lifted it is as tasks say."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*"abcdef", limits=places(1))
    first = await one.claim()
    await do(store, SetLimit("concurrency", "crm", 2.0))
    await do(store, SetLimit("concurrency", "crm", 3.0, "ada"))
    more = await one.claim()
    expect([each.step for each in (*first, *more)] == ["a", "b", "c"], "those that wait come at once")
    record = await one.limit("crm")
    expect(record is not None and (record.limit, record.set_by) == (3.0, "ada"), "it is listed")
    await do(store, SetLimit("concurrency", "crm", 2.0))
    await one.finish(first[0])
    expect(not await one.claim(), "fewer: none is let in while more are under way")
    await one.finish(more[0])
    expect(await one.steps() == ["d"], "then one for each that ends")
    await do(store, SetLimit("concurrency", "crm", None))
    await one.finish(more[1])
    expect(not await one.claim(), "lifted: one at a time, as tasks say")
    record = await one.limit("crm")
    expect(record is not None and (record.limit, record.set_by) == (1, None), "that is listed, too")


async def a_limit_is_set_for_one_key_or_for_each(harness: StoreHarness) -> None:
    """What is said of one key goes before what is said of all; other limits are left alone."""
    store = await harness.open()
    one = await crew(store)
    for key in ("crm[a]", "crm[b]", "crmx"):
        await one.queue(*(f"{key}{number}" for number in range(4)), limits=places(1, key))
    await do(store, SetLimit("concurrency", "crm", 2.0))
    await do(store, SetLimit("concurrency", "crm[b]", 3.0))
    found = await one.steps()
    counts = [sum(each.startswith(key) for each in found) for key in ("crm[a]", "crm[b]", "crmx")]
    expect(counts == [2, 3, 1], f"two of each key, three of one, one of another limit, not {counts}")


async def a_rate_that_was_set_counts_at_once(harness: StoreHarness) -> None:
    """More units let in those that wait, fewer count from the next one on."""
    store = await harness.open()
    one = await crew(store)
    await one.queue(*"abcdef", limits=rated(1))
    expect(await one.steps() == ["a"], "one in a window")
    await do(store, SetLimit("rate", "api", 3.0))
    expect(await one.steps() == ["b", "c"], "three, at once")
    record = await one.limit("api")
    expect(record is not None and (record.limit, record.set_by) == (3.0, ""), "it is listed")
    await do(store, SetLimit("rate", "api", 2.0))
    harness.advance(PER + 2 * slack_seconds(PER))
    expect(await one.steps() == ["d", "e"], "two, from then on")
    await do(store, SetLimit("rate", "nobody asks", 5.0))
    expect(await one.limit("nobody asks") is not None, "one that nobody asks for yet is listed")


CHECKS: Final[tuple[Check, ...]] = (
    a_limit_lets_in_so_many,
    a_place_is_passed_on_whatever_ends_it,
    a_killed_holder_keeps_no_more_than_its_place,
    keys_take_turns,
    keys_take_turns_in_line_for_a_place,
    a_rate_is_never_exceeded,
    rates_that_are_due_at_once_are_each_taken_once,
    a_large_one_gets_its_turn,
    a_frozen_rate_lets_nobody_start,
    places_come_before_rates,
    a_limit_that_was_set_counts_at_once,
    a_limit_is_set_for_one_key_or_for_each,
    a_rate_that_was_set_counts_at_once,
)
