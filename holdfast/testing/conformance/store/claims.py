"""What a store has to do with runs that wait for an owner.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import FencedError
from holdfast.ports.operations import Append, ReleaseRuns
from holdfast.testing.conformance.store.harness import (
    Check,
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


async def a_claim_takes_what_is_ready(harness: StoreHarness) -> None:
    """A claim owns new runs of the workflows it names, those started first, up to its limit; each is claimed once."""
    store, other = await harness.open(), await harness.open()
    member, rival = await join(store), await join(other, "rival")
    for number in range(5):
        await do(store, start(f"r{number}", workflow="W" if number % 4 else "V"))
    expect([run.run_id for run in await claim(store, member, 2)] == ["r1", "r2"], "oldest first, up to the limit")
    expect([run.run_id for run in await claim(other, rival)] == ["r3"], "what is owned is not claimed again")
    expect([run.run_id for run in await claim(other, rival, workflow="V")] == ["r0", "r4"], "by name of the workflow")
    expect(not await claim(store, member), "then there is nothing left")
    expect((await store.run("r1")).owner == "m", "the owner is known by name")  # type: ignore[union-attr]  # it is there


async def a_released_run_waits_for_a_reason(harness: StoreHarness) -> None:
    """A released run is claimed again when a message comes, or at once when one was unread."""
    store = await harness.open()
    member, other = await join(store), await join(store, "other")
    execution, history = await own(store, member, "a")
    expect(await do(store, ReleaseRuns((execution,)), other) == 0, "only the owner releases")
    expect(await do(store, ReleaseRuns((execution, 10**9)), member) == 1, "the owner does")
    await refused(FencedError, store, Append(execution, history.page()), member)
    expect(not await claim(store, other), "nothing happened: nobody claims it")
    await do(store, signal("a", "1"))
    expect([run.execution_id for run in await claim(store, other)] == [execution], "a message makes it ready")
    expect([row.operation_id for row in await store.inbox(other)] == ["1"], "its mail comes along")
    expect(not await store.inbox(member), "and is nobody else's any more")
    await do(store, ReleaseRuns((execution,)), other)
    expect(len(await claim(store, member)) == 1, "with unread mail it is ready at once")
    await do(store, Append(execution, history.keep(history.page()), inbox_read=2**62), member)
    await do(store, ReleaseRuns((execution,), ready=True), member)
    expect(len(await claim(store, other)) == 1, "without mail too, when it is said to be ready")


async def a_timer_is_never_early(harness: StoreHarness) -> None:
    """A run nobody owns is claimed when its timer is due, and not before."""
    store = await harness.open()
    member = await join(store)
    execution, _ = await own(store, member, "a")
    due = await store.now() + 5.0
    await do(store, Append(execution, None, wake_at=due, wake_changed=True), member)
    await do(store, ReleaseRuns((execution,)), member)
    expect(await store.next_wake(await store.now()) == due, "the timer is the next thing due")
    harness.advance(4.99)
    expect(not await claim(store, member), "not before its time")
    expect((await store.totals()).late == 0, "and it is not late")
    harness.advance(0.51)
    totals = await store.totals()
    expect((totals.late, totals.ready) == (1, 0), "but it is, where nobody claims it")
    expect(0.4 < totals.late_seconds < 0.6, "and it is said by how much")
    expect([run.execution_id for run in await claim(store, member)] == [execution], "once it is due")
    expect((await store.totals()).late == 0, "and then it is not late any more")
    await do(store, Append(execution, None, wake_at=None, wake_changed=True), member)
    await do(store, ReleaseRuns((execution,)), member)
    harness.advance(100.0)
    expect(not await claim(store, member), "a timer that was taken back does not wake")


CHECKS: Final[tuple[Check, ...]] = (
    a_claim_takes_what_is_ready,
    a_released_run_waits_for_a_reason,
    a_timer_is_never_early,
)
