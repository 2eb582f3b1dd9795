"""What a store has to do with versions of code, and with runs whose time is up.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.history import WorkflowTimedOut, open_page, verify_chain
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import (
    PARKED,
    RUNNING,
    TIMED_OUT,
    Append,
    ClaimRuns,
    Fit,
    Reap,
    ReleaseRuns,
    Resume,
)
from holdfast.testing.conformance.store.harness import LEASE, Check, StoreHarness, do, expect, join, own, start

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store


async def claimed(store: Store, member: Membership, version: str, *, pins: bool = False) -> list[str]:
    """Claim runs for code of a version; return which, and leave them to others."""
    wanted = ClaimRuns(("W",), 100, (version,), ("W",) if pins else ())
    found = await do(store, wanted, member)
    await do(store, ReleaseRuns(tuple(each.execution_id for each in found), ready=True), member)
    return [each.run_id for each in found]


async def a_pinned_run_is_claimed_by_its_version_alone(harness: StoreHarness) -> None:
    """One that was started as pinned, and one that whoever claimed it first has pinned."""
    store = await harness.open()
    member = await join(store)
    await do(store, msgspec.structs.replace(start("pinned"), pin="1"))
    await do(store, start("free"))
    expect(await claimed(store, member, "2") == ["free"], "another version leaves it alone")
    expect(await claimed(store, member, "1") == ["pinned", "free"], "its own takes it, and whatever is free")
    expect(await claimed(store, member, "1", pins=True) == ["pinned", "free"], "as does one that pins")
    expect(await claimed(store, member, "2") == [], "and now both are pinned")


async def a_run_without_a_version_gets_its_first_claimers(harness: StoreHarness) -> None:
    """Whoever starts a run by name does not know its code; the first version that takes it is the one it began with."""
    store = await harness.open()
    member = await join(store)
    await do(store, start("by name"))
    await do(store, msgspec.structs.replace(start("known"), code_version="1"))
    expect(len(await claimed(store, member, "")) == 2, "who has no version takes both")
    versions = []
    for version in ("2", "3"):
        await claimed(store, member, version)
        records, _ = await store.runs()
        versions.append({each.run_id: each.code_version for each in records})
    expect(versions == [{"by name": "2", "known": "1"}] * 2, f"the first version stays: {versions}")


async def a_run_that_does_not_fit_waits_for_other_code(harness: StoreHarness) -> None:
    """It goes on when another version says that it is there, and is not claimed by the one it does not fit."""
    store = await harness.open()
    member = await join(store)
    execution, _ = await own(store, member, "a")
    await do(store, Append(execution, None, park="DIVERGED", misfit="B"), member)
    expect(await do(store, Fit("W", "B"), member) == 0, "the version that parked it changes nothing")
    expect(await do(store, Fit("V", "C"), member) == 0, "nor does another workflow")
    expect(await do(store, Fit("W", "C"), member) == 1, "another version lets it go on")
    record = await store.run("a")
    assert record is not None
    expect((record.status, record.parked) == (RUNNING, ""), "it is not parked any more")
    expect(await claimed(store, member, "B") == [], "the version that it does not fit does not claim it")
    expect(await claimed(store, member, "C") == ["a"], "the other one does")
    execution, _ = await own(store, member, "b")
    await do(store, Append(execution, None, park="DIVERGED", misfit="B"), member)
    await do(store, Resume("b"))
    expect("b" in await claimed(store, member, "B"), "a person may have any version try it again")
    execution, _ = await own(store, member, "c")
    await do(store, Append(execution, None, park="for a person"), member)
    expect(await do(store, Fit("W", "C"), member) == 0, "what is parked for another reason stays parked")


async def a_run_that_nobody_owns_times_out(harness: StoreHarness) -> None:
    """A reap ends it, parked or not, once its time is up; an owner is left to do so by itself."""
    store = await harness.open()
    member, reaper = await join(store), await join(store)
    due = await store.now() + LEASE / 2
    for run_id in ("waits", "parked", "owned"):
        await do(store, msgspec.structs.replace(start(run_id, own=run_id != "waits"), deadline=due), member)
    parked = await store.run("parked")
    assert parked is not None
    await do(store, Append(parked.execution_id, None, park="for a person"), member)
    await do(store, Reap(10), reaper)
    record = await store.run("parked")
    assert record is not None
    expect(record.status == PARKED, "nothing ends before its time")
    harness.advance(LEASE / 2)
    await do(store, Reap(10), reaper)
    for run_id, status in (("waits", TIMED_OUT), ("parked", TIMED_OUT), ("owned", RUNNING)):
        record = await store.run(run_id)
        assert record is not None
        expect(record.status == status, f"{run_id} is {status}")
        if status == TIMED_OUT:
            outcome = msgspec.msgpack.decode(record.outcome, type=Outcome)
            expect(outcome.status == TIMED_OUT, "its outcome says so")
            pages = await store.pages(record.execution_id)
            expect(isinstance(open_page(pages[-1].body)[-1], WorkflowTimedOut), "and so does its last event")
            expect(verify_chain(pages)[0] == record.last_event, "which is chained like any other")


CHECKS: Final[tuple[Check, ...]] = (
    a_pinned_run_is_claimed_by_its_version_alone,
    a_run_without_a_version_gets_its_first_claimers,
    a_run_that_does_not_fit_waits_for_other_code,
    a_run_that_nobody_owns_times_out,
)
