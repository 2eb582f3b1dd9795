"""What a store has to do with runs that are to begin later.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from holdfast.errors import RunClosedError
from holdfast.history import WorkflowTerminated, open_page
from holdfast.ports.operations import (
    CANCELLED,
    TERMINATED,
    Ask,
    Deliver,
    IdPolicy,
    Pause,
    Resume,
    StartNext,
    StartRun,
    StartSignal,
    TakeRequests,
)
from holdfast.ports.store import Store
from holdfast.testing.conformance.store.harness import (
    LEASE,
    Check,
    History,
    StoreHarness,
    claim,
    do,
    expect,
    join,
    refused,
    signal,
    start,
)

LATER: Final = LEASE / 3
"""Seconds until the runs of these checks begin."""


async def _later(store: Store, run_id: str) -> StartRun:
    return replace(start(run_id), start_at=await store.now() + LATER)


async def a_run_begins_when_it_is_to(harness: StoreHarness) -> None:
    """It is there at once and claimed when its time has come; nothing that happens to it meanwhile makes it earlier."""
    store = await harness.open()
    member = await join(store)
    later = [await _later(store, run_id) for run_id in ("a", "b", "c", "d")]
    first = await do(store, later[0])
    await store.write(later[1:])
    expect(not (await do(store, later[0])).created, "started again it is the same run")
    record = await store.run("a")
    assert record is not None, "it is there"
    expect((record.starts_at, record.status) == (later[0].start_at, "RUNNING"), "it says when it is to begin")
    expect(await store.next_wake(await store.now()) == min(each.start_at for each in later), "and others know when")
    await store.write([signal("a"), Pause("b", "ops"), Resume("b"), Pause("d", "ops")])
    await do(store, Ask("c", "update", "u", b"1", "c/1", await store.now() + LATER))
    expect(len(await do(store, TakeRequests(limit=9), member)) == 1, "others hear of an update")
    harness.advance(LATER * 0.9)
    expect(not await claim(store, member), "no message, pause or update makes it begin earlier")
    harness.advance(LATER * 0.2)
    expect([each.run_id for each in await claim(store, member)] == ["a", "b", "c"], "and then all of them begin")
    mail = [(each.execution_id, each.kind) for each in await store.inbox(member)]
    expect((first.execution_id, "signal") in mail, "with what they were sent")
    expect((await store.run("a")).starts_at == 0.0, "it is no longer to begin")  # type: ignore[union-attr]  # it is there
    await do(store, Resume("d"))
    expect([each.run_id for each in await claim(store, member)] == ["d"], "a paused one begins when it goes on")


async def a_run_is_cancelled_before_it_begins(harness: StoreHarness) -> None:
    """It ends at once, and its code has never run; so does one that is terminated."""
    store = await harness.open()
    member = await join(store)
    for run_id in ("a", "b", "c"):
        await do(store, await _later(store, run_id))
    await do(store, Pause("c", "ops"))
    for run_id, kind, status in (
        ("a", "cancel", CANCELLED),
        ("b", "terminate", TERMINATED),
        ("c", "cancel", CANCELLED),
    ):
        await do(store, Deliver(run_id, kind, "", b"not needed", f"{run_id}/1"))
        record = await store.run(run_id)
        assert record is not None, "it is there"
        expect((record.status, record.last_event) == (status, 2), f"{kind} ends it as {status}")
        last = open_page((await store.pages(record.execution_id, 1))[-1].body)[-1]
        assert isinstance(last, WorkflowTerminated), "without its code"
        expect(bool(last.reason) and last.cancelled == (kind == "cancel"), "and says why")
        await refused(RunClosedError, store, Deliver(run_id, kind, "", b"", f"{run_id}/2"))
    harness.advance(LATER * 1.1)
    expect(not await claim(store, member), "none of them begins")
    await do(store, start("d"))
    await do(store, Deliver("d", "cancel", "", b"", "d/1"))
    expect(len(await claim(store, member)) == 1, "one that may begin sees by itself that it is cancelled")


async def a_run_that_begins_later_has_a_place_in_line(harness: StoreHarness) -> None:
    """Policies mean it as any open run; the next execution of a run may begin later, too, and its signal waits."""
    store = await harness.open()
    member = await join(store)
    await do(store, await _later(store, "a"))
    policy = IdPolicy(conflict="terminate_existing")
    told = StartSignal("go", b"1", "go/1")
    at = await store.now() + LATER
    page = History().page()
    then = StartNext("a", "W", b"j", page, number=2, policy=policy, signal=told, start_at=at)
    expect((await do(store, then)).created, "one that has not begun makes place")
    older = await store.run("a@1")
    expect(older is None or older.status == TERMINATED, "and ends")
    expect(not await claim(store, member), "the next one is to begin later, and its signal does not change that")
    harness.advance(LATER * 1.1)
    expect([each.execution for each in await claim(store, member)] == ["a@2"], "then it begins")
    expect([each.name for each in await store.inbox(member)] == ["go"], "with its signal")
    past = replace(start("z"), start_at=await store.now() - 1.0)
    await do(store, past)
    expect([each.run_id for each in await claim(store, member)] == ["z"], "a time that has come is at once")


CHECKS: Final[tuple[Check, ...]] = (
    a_run_begins_when_it_is_to,
    a_run_is_cancelled_before_it_begins,
    a_run_that_begins_later_has_a_place_in_line,
)
