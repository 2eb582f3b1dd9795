"""What a store has to do with what is read from it.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PARKED,
    RUNNING,
    TIMED_OUT,
    Append,
    ClaimRuns,
    Closing,
    MarkCaptured,
    Resume,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, join, own, start


async def time_never_goes_back(harness: StoreHarness) -> None:
    """When the clock below is set back the store's time stands still, for every store object."""
    store, other = await harness.open(), await harness.open()
    await do(store, start("a"))
    before = await store.now()
    harness.advance(-1000.0)
    await do(other, start("b"))
    record = await other.run("b")
    assert record is not None
    expect(await store.now() >= before and await other.now() >= before, "the time stands")
    expect(record.created_at >= before, "writes see it too")
    harness.advance(1001.0)
    expect(await store.now() > before, "and goes on when the clock is there again")


async def runs_are_listed_by_page(harness: StoreHarness) -> None:
    """Lists are newest first, filtered, and cut into pages that miss nothing and repeat nothing."""
    store = await harness.open()
    member = await join(store)
    for number in range(7):
        execution, history = await own(store, member, f"r{number}")
        if number % 3 == 0:
            append = Append(execution, history.page(closing=True), closing=Closing(FAILED, b""))
            await do(store, append, member)
    await do(store, start("v", workflow="V"))
    found: list[str] = []
    cursor: str | None = None
    while True:
        records, cursor = await store.runs(cursor=cursor, limit=3)
        expect(len(records) <= 3, "a page is no longer than asked")
        found += [record.run_id for record in records]
        if cursor is None:
            break
    expect(found == ["v", *(f"r{number}" for number in range(6, -1, -1))], "all of them, newest first")
    failed, _ = await store.runs(status=FAILED)
    expect([record.run_id for record in failed] == ["r6", "r3", "r0"], "by status")
    running, _ = await store.runs(workflow="W", status=RUNNING)
    expect([record.run_id for record in running] == ["r5", "r4", "r2", "r1"], "by workflow and status")
    named, rest = await store.runs(workflow="V")
    expect([record.run_id for record in named] == ["v"] and rest is None, "by workflow")
    totals = await store.totals()
    expect(totals.runs == {RUNNING: 5, FAILED: 3}, "and counted")
    expect(totals.ready == 1, "those that could go on and that nobody has, too")


async def a_run_is_found_by_name(harness: StoreHarness) -> None:
    """A run is found by its id, also one that looks like an execution's name; what is not there is None."""
    store = await harness.open()
    await do(store, start("a"))
    await do(store, start("b@2"))
    expect((await store.run("a@1")).run_id == "a", "an execution by number")  # type: ignore[union-attr]  # it is there
    expect((await store.run("b@2")).run_id == "b@2", "an id with an @")  # type: ignore[union-attr]  # as above
    for name in ("b", "a@2", "a@", "@1", "", f"a@{'9' * 40}", "a@²"):
        expect(await store.run(name) is None, f"{name!r} is nothing")


async def what_went_wrong_waits_for_its_capture(harness: StoreHarness) -> None:
    """Runs that failed, timed out or are parked are listed until they are marked; nothing else ever is."""
    store, other = await harness.open(), await harness.open()
    member = await join(store)
    executions: dict[str, int] = {}
    for status in (COMPLETED, FAILED, TIMED_OUT, CANCELLED):
        execution, history = await own(store, member, status)
        executions[status] = execution
        await do(store, Append(execution, history.page(closing=True), closing=Closing(status, b"")), member)
    execution, _ = await own(store, member, PARKED)
    executions[PARKED] = execution
    await do(store, Append(execution, None, park="why"), member)
    await own(store, member, RUNNING)
    found = await other.uncaptured(10)
    expect([each.run_id for each in found] == [PARKED, TIMED_OUT, FAILED], "newest first")
    expect([each.run_id for each in await other.uncaptured(1)] == [PARKED], "as many as asked")
    await do(store, MarkCaptured(((executions[FAILED], FAILED), (executions[PARKED], PARKED))))
    expect([each.run_id for each in await other.uncaptured(10)] == [TIMED_OUT], "what is marked is not listed")
    await do(store, MarkCaptured(older_than=executions[PARKED]))
    expect(await other.uncaptured(10) == [], "nor is what is older than what is wanted")
    await do(store, Resume(PARKED))
    expect(await other.uncaptured(10) == [], "a run that goes on has nothing to show")
    await do(store, ClaimRuns(("W",), 10), member)
    await do(store, Append(executions[PARKED], None, park="again"), member)
    expect([each.parked for each in await other.uncaptured(10)] == ["again"], "parked again, it wants another capture")


CHECKS: Final[tuple[Check, ...]] = (
    time_never_goes_back,
    runs_are_listed_by_page,
    a_run_is_found_by_name,
    what_went_wrong_waits_for_its_capture,
)
