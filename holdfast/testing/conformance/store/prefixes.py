"""What a store has to do with tasks that have a prefix, and with prefixes that are warm with a provider.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.history import Limits
from holdfast.ports.operations import (
    Append,
    Beat,
    ClaimedTask,
    ClaimTasks,
    FinishTask,
    HoldPrefixes,
    Join,
    NotePrefix,
    PrefixWarmth,
    QueueTask,
    Reap,
    RetryTask,
    WarmPrefix,
)
from holdfast.testing.conformance.store.harness import LEASE, Check, StoreHarness, do, expect, join, own

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store

COLD: Final = 2.0
"""Seconds that a prefix is said to have taken."""
MANY: Final = 400


class Fleet:
    """A run that queues tasks, and workers that claim them."""

    def __init__(self, store: Store, host: Membership, execution: int) -> None:
        self.store, self.host, self.execution = store, host, execution

    async def worker(self, name: str, **held: float) -> Membership:
        """Join as a worker that holds prefixes."""
        worker: Membership = await do(self.store, Join(name, "worker", "here", 1, LEASE, (), (("default", 4),)))
        if held:
            await do(self.store, HoldPrefixes(held), worker)
        return worker

    async def queue(self, *steps: str, prefix: str = "", priority: int = 0, limits: Limits | None = None) -> None:
        """Queue tasks with a prefix."""
        limits = limits or (Limits(prefix=prefix) if prefix else None)
        queue = tuple(QueueTask(step, "t", b"1", "default", priority, b"", limits=limits) for step in steps)
        await do(self.store, Append(self.execution, None, queue=queue), self.host)

    async def claim(self, worker: Membership, limit: int = 100, *, oldest: bool = False) -> list[ClaimedTask]:
        """Claim tasks."""
        return list(await do(self.store, ClaimTasks((("default", limit),), ("t",), oldest=oldest), worker))

    async def steps(self, worker: Membership, limit: int = 100, *, oldest: bool = False) -> set[str]:
        """Claim tasks; return their steps."""
        return {each.step for each in await self.claim(worker, limit, oldest=oldest)}


async def fleet(store: Store) -> Fleet:
    """Make a run."""
    host = await join(store, "host")
    execution, _ = await own(store, host, "r")
    return Fleet(store, host, execution)


async def whoever_holds_a_prefix_goes_first(harness: StoreHarness) -> None:
    """Tasks go to the worker that holds their prefix, before older ones that have none; higher priority before that."""
    store = await harness.open()
    it = await fleet(store)
    one, other = await it.worker("one", p=COLD), await it.worker("other", q=COLD)
    await it.queue("plain", "plain2")
    await it.queue("q1", "q2", "q3", prefix="q")
    await it.queue("p1", "p2", prefix="p")
    expect(await it.steps(one, 1) == {"p1"}, "what it holds is older to it than what is older")
    expect(await it.steps(other, 1) == {"q1"}, "and to the other one")
    await it.queue("urgent", priority=3)
    expect(await it.steps(one, 1) == {"urgent"}, "but not than what is urgent")
    expect(await it.steps(one) == {"p2", "plain", "plain2"}, "what the other holds is left to it")
    expect(await it.steps(other) == {"q2", "q3"}, "and is there for it")
    named = {each.name: each.prefixes for each in await store.members()}
    expect((named["one"], named["other"], named["host"]) == (("p",), ("q",), ()), "who holds what is listed")


async def what_nobody_holds_is_one_workers(harness: StoreHarness) -> None:
    """Each prefix that nobody holds is for one of the workers, the same whoever asks; and it is shared out evenly."""
    store = await harness.open()
    it = await fleet(store)
    workers = [await it.worker(f"w{n}") for n in range(4)]
    for n in range(40):
        await it.queue(f"{n}", f"{n} again", prefix=f"p{n}")
    claimed = [await it.steps(worker) for worker in workers]
    expect(sum(map(len, claimed)) == 80, "each is claimed, and once")
    expect(all({f"{n}", f"{n} again"} <= of or not {f"{n}", f"{n} again"} & of for n in range(40) for of in claimed),
           "those of a prefix go to one")  # fmt: skip
    expect(all(8 <= len(of) <= 40 for of in claimed), "nobody gets nearly all, or nearly nothing")


async def who_waits_longer_than_it_costs_is_taken(harness: StoreHarness) -> None:
    """After as long as it took to compute a prefix others take what waits for its holder; the store says when."""
    store = await harness.open()
    it = await fleet(store)
    busy, idle = await it.worker("busy", p=COLD, r=0.0), await it.worker("idle", q=4 * COLD)
    await it.queue("p1", "p2", prefix="p")
    await it.queue("r1", prefix="r")
    expect(not await it.claim(idle), "it is not theirs yet")
    now = await store.now()
    woken = await store.next_wake(now)
    expect(woken is not None and abs(woken - now - COLD) < 0.5, "it will be when it has waited as long")
    harness.advance(COLD + 0.6)
    expect(await it.steps(idle, 1) == {"p1"}, "then it is")
    expect(await it.steps(busy) == {"p2", "r1"}, "and the holder's as well")
    await it.queue("r2", prefix="r")
    harness.advance(COLD + 0.6)
    expect(not await it.claim(idle), "what was not measured costs what others do on average")
    harness.advance(3.0)
    expect(await it.steps(idle) == {"r2"}, "and is taken after that")


async def the_oldest_is_not_passed_over(harness: StoreHarness) -> None:
    """A claim for the oldest gets it first, whoever holds its prefix and whether it has one; priority goes before."""
    store = await harness.open()
    it = await fleet(store)
    one, other = await it.worker("one", p=COLD), await it.worker("other", q=COLD)
    await it.queue("q1", prefix="q")
    await it.queue("plain")
    await it.queue("p1", "p2", "p3", prefix="p")
    expect(await it.steps(one, 1, oldest=True) == {"q1"}, "the oldest is another one's")
    expect(await it.steps(one, 2, oldest=True) == {"plain", "p1"}, "the oldest has no prefix; the others are its own")
    await it.queue("urgent", priority=1)
    expect(await it.steps(one, 1, oldest=True) == {"urgent"}, "the highest priority goes first")
    expect(not await it.steps(other), "the rest is not the other one's")


async def a_dead_holder_keeps_nothing(harness: StoreHarness) -> None:
    """What a dead worker held, and had claimed, is taken by others; it is not asked for any more."""
    store = await harness.open()
    it = await fleet(store)
    dead, alive = await it.worker("dead", p=60.0), await it.worker("alive")
    await it.queue("p1", "p2", prefix="p")
    expect(await it.steps(dead, 1) == {"p1"}, "it has one of its own")
    expect(not await it.claim(alive), "and the other one is kept for it")
    harness.advance(LEASE - 1)
    await do(store, Beat(alive, LEASE))
    harness.advance(2)
    await do(store, Reap(3))
    expect(await it.steps(alive) == {"p1", "p2"}, "who is left takes both at once")


async def a_prefix_waits_for_everything_else_too(harness: StoreHarness) -> None:
    """A task with a prefix has its place at a limit, is retried, and takes turns by its key."""
    store = await harness.open()
    it = await fleet(store)
    one, other = await it.worker("one", p=60.0), await it.worker("other")
    await it.queue("a", "b", limits=Limits("crm", 1, prefix="p"))
    (claimed,) = await it.claim(one)
    expect(claimed.step == "a", "one has the place")
    expect(not await it.claim(other), "nobody else gets it")
    await do(store, RetryTask(claimed.task_id, claimed.token, await store.now() + 1, b""), one)
    (claimed,) = await it.claim(one)
    expect(claimed.step == "b", "the next one has it")
    await do(store, FinishTask(claimed.task_id, claimed.token, b"", claimed.execution_id, claimed.step), one)
    harness.advance(1.5)
    expect(not await it.claim(other), "what is tried again is still its holder's")
    expect(await it.steps(one) == {"a"}, "who gets it")
    await it.queue("a1", "a2", limits=Limits(fairness="a", prefix="p"))
    await it.queue("b1", limits=Limits(fairness="b", prefix="p"))
    expect(await it.steps(one, 2) == {"a1", "b1"}, "keys take turns")


async def many_prefixes_cost_no_more_than_few(harness: StoreHarness) -> None:
    """Of hundreds of prefixes each worker finds its own share, and all are claimed once in the end."""
    store = await harness.open()
    it = await fleet(store)
    one, other = await it.worker("one", last=COLD), await it.worker("other")
    queue = [QueueTask(f"{n}", "t", b"1", "default", 0, b"", limits=Limits(prefix=f"p{n}")) for n in range(MANY)]
    await do(store, Append(it.execution, None, queue=tuple(queue)), it.host)
    await it.queue("held", prefix="last")
    while await store.next_wake(await store.now() - 1) is None:
        await it.claim(other, 0)
    expect("held" in await it.steps(one, 1), "what it holds is found, however far behind it stands")
    claimed = (await it.steps(one, 40)) | (await it.steps(other, 40))
    expect(len(claimed) == 80, "each finds enough of its own")


async def two_that_claim_at_once_share(harness: StoreHarness) -> None:
    """Workers that hold the same, and claim at the same time, get different tasks, and all of them."""
    stores = [await harness.open() for _ in range(2)]
    it = await fleet(stores[0])
    workers = [await it.worker(f"w{n}", p=COLD) for n in range(2)]
    await it.queue(*(f"{n}" for n in range(40)), prefix="p")

    async def claim(store: Store, worker: Membership) -> list[str]:
        found = []
        while claimed := await do(store, ClaimTasks((("default", 4),), ("t",)), worker):
            found += [each.step for each in claimed]
        return found

    one, other = await asyncio.gather(*(claim(*each) for each in zip(stores, workers, strict=True)))
    expect(len(one) + len(other) == 40 and len({*one, *other}) == 40, "each is claimed once")


async def a_cold_prefix_is_warmed_by_one(harness: StoreHarness) -> None:
    """Of all that find it cold one warms it; the next one when that failed or fell silent; nobody when it is warm."""
    store = await harness.open()

    async def ask(asker: str) -> tuple[bool, bool]:
        found: PrefixWarmth = await do(store, WarmPrefix("m p", asker, 10.0))
        return found.warm_seconds > 0, found.mine

    expect(await ask("a") == (False, True), "the first one is to warm it")
    expect([await ask(each) for each in "bc"] == [(False, False)] * 2, "the others wait")
    expect(await ask("a") == (False, True), "who is at it goes on")
    expect(not await do(store, NotePrefix("m p", "b", 0.0)), "it is not theirs to give up")
    expect(await do(store, NotePrefix("m p", "a", 0.0)), "whoever fails gives it up")
    expect(await ask("b") == (False, True), "and the next one is to warm it")
    harness.advance(10.5)
    expect(await ask("c") == (False, True), "as when somebody falls silent")
    await do(store, NotePrefix("m p", "c", 30.0))
    expect([await ask(each) for each in "ab"] == [(True, False)] * 2, "it is warm for all")
    expect((await do(store, WarmPrefix("m q", "a", 10.0))).mine, "another one is not")
    harness.advance(30.5)
    expect(await ask("b") == (False, True), "until it is cold again")


CHECKS: Final[tuple[Check, ...]] = (
    whoever_holds_a_prefix_goes_first,
    what_nobody_holds_is_one_workers,
    who_waits_longer_than_it_costs_is_taken,
    the_oldest_is_not_passed_over,
    a_dead_holder_keeps_nothing,
    a_prefix_waits_for_everything_else_too,
    many_prefixes_cost_no_more_than_few,
    two_that_claim_at_once_share,
    a_cold_prefix_is_warmed_by_one,
)
