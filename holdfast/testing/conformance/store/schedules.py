"""Schedules: each step is taken once, together with what it does.

Owns: these checks.
Must not know: which database is behind the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.ports.operations import (
    FOUND,
    MISSED,
    REFUSED,
    STARTED,
    Deliver,
    DropSchedule,
    FireNote,
    Leave,
    Moved,
    MoveSchedule,
    PutSchedule,
    ScheduleRecord,
    ScheduleRun,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, join, own, start

if TYPE_CHECKING:
    from holdfast.ports.store import Store

NAME: Final = "nightly"


async def schedules_are_created_changed_and_dropped(harness: StoreHarness) -> None:
    """A schedule is what it was last given, as long as whoever gave it knew its newest revision."""
    store = await harness.open()
    expect(await store.schedule(NAME) is None, "there is none")
    expect(await do(store, _put(0, b"one")), "the first one creates it")
    expect(not await do(store, _put(0, b"two")), "a second one does not create it again")
    record = await _read(store)
    expect((record.spec, record.input, record.source) == (b"one", b"null", "api"), "it is what it was given")
    expect(await do(store, _put(record.revision, b"two")), "whoever knows it may change it")
    expect(not await do(store, _put(record.revision, b"three")), "whoever knew it before may not")
    expect((await _read(store)).spec == b"two", "the change that was made counts")
    expect([each.name for each in await store.schedules()] == [NAME], "it is listed")
    expect(await do(store, DropSchedule(NAME)), "it is dropped")
    expect(not await do(store, DropSchedule(NAME)), "it is dropped once")
    expect(await do(store, _put(0, b"anew")), "it may be created again")
    expect((await _read(store)).revision > record.revision, "a revision never comes again")


async def a_step_is_taken_once_with_its_start(harness: StoreHarness) -> None:
    """Two that decided the same start one run: the second finds that the schedule has moved."""
    one, other = await harness.open(), await harness.open()
    await do(one, _put(0, b"s"))
    revision = (await _read(one)).revision
    first = await do(one, _move(revision, start("nightly-1"), next_at=7.0))
    second = await do(other, _move(revision, start("nightly-2"), next_at=7.0))
    expect(first == Moved(True, True), "the first starts its run")
    expect(second == Moved(False), "the second does nothing")
    expect(await one.run("nightly-2") is None, "nor does it start a run")
    record = await _read(other)
    expect(record.next_at == 7.0, "the schedule has moved")
    expect(record.runs == (ScheduleRun("nightly-1", "RUNNING"),), "its open run is known")


async def what_came_of_a_start_is_noted_with_it(harness: StoreHarness) -> None:
    """A run that was there is found, an id of other work is refused, and the schedule goes on all the same."""
    store = await harness.open()
    await do(store, _put(0, b"s"))
    await do(store, start("nightly-1"))
    await do(store, start("nightly-2", workflow="Other"))
    expect(await do(store, _move(await _revision(store), start("nightly-1"), due=1)) == Moved(True), "it is found")
    moved = await do(store, _move(await _revision(store), start("nightly-2"), due=2))
    expect(moved.moved and moved.refused, "it is refused")
    expect((await store.next_schedule())[0] is not None, "no run is open: what comes next is decided at once")
    told = Deliver("nightly-9", "cancel", "", b"", "c")
    expect((await do(store, _move(await _revision(store), told, due=3))).refused, "so is a message to nobody")
    noted = [(each.due, each.outcome) for each in reversed(await store.fires(NAME, 9))]
    expect(noted == [(1, FOUND), (2, REFUSED), (3, REFUSED)], f"all of it is noted, not {noted}")


async def due_schedules_are_found_by_time_and_by_the_ends_of_runs(harness: StoreHarness) -> None:
    """One is due when its time has come, or when a run of it has ended whose end was not taken into account."""
    store = await harness.open()
    member = await join(store)
    await do(store, _put(0, b"s", next_at=100.0))
    expect(await store.next_schedule() == (100.0, False), "it has to be looked at then")
    expect(await store.due_schedules(99.9, 9) == [], "not before its time")
    expect([each.name for each in await store.due_schedules(100.0, 9)] == [NAME], "at its time")
    await own(store, member, "nightly-1")
    await do(store, _move(await _revision(store), start("nightly-1"), next_at=None))
    expect(await store.next_schedule() == (None, True), "the end of the run is waited for")
    expect(await store.due_schedules(1e12, 9) == [], "it is open")
    await do(store, Deliver("nightly-1", "terminate", "", b"", "t"))
    await do(store, Leave(member))
    (record,) = await store.due_schedules(0.0, 9)
    expect(record.runs == (ScheduleRun("nightly-1", "TERMINATED"),), "its run has ended")
    step = _move(record.revision, None, next_at=None, settled=("nightly-1",))
    expect((await do(store, step)).moved, "that is taken into account")
    expect(await store.due_schedules(1e12, 9) == [], "once")


async def notes_of_a_schedule_are_kept_in_order_and_in_bounds(harness: StoreHarness) -> None:
    """The newest are kept; those whose runs are open stay whatever their number."""
    store = await harness.open()
    await do(store, _put(0, b"s"))
    await do(store, _move(await _revision(store), start("nightly-1"), due=1))
    for due in range(2, 300, 50):
        notes = tuple(FireNote("due", MISSED, each, each) for each in range(due, due + 50))
        await do(store, _move(await _revision(store), None, fires=notes))
    kept = await store.fires(NAME, 1000)
    expect(kept[0].due == 301, "the newest first")
    expect(kept[-1].run_id == "nightly-1", "the open one is kept")
    expect(len(kept) < 300, "the old ones are let go")
    await do(store, DropSchedule(NAME))
    expect(await store.fires(NAME, 9) == [], "they go with the schedule")


def _put(revision: int, spec: bytes, next_at: float | None = None) -> PutSchedule:
    return PutSchedule(NAME, revision, "api", spec, b"null", b"{}", next_at)


def _move(
    revision: int,
    act: Any,
    *,
    due: int = 1,
    next_at: float | None = None,
    fires: tuple[FireNote, ...] = (),
    settled: tuple[str, ...] = (),
) -> MoveSchedule:
    if act is not None:
        fires = (FireNote("due", STARTED, due, due, 1, act.run_id),)
    return MoveSchedule(
        act=act, name=NAME, revision=revision, state=b"{}", next_at=next_at, fires=fires, settled=settled
    )


async def _read(store: Store) -> ScheduleRecord:
    record = await store.schedule(NAME)
    assert record is not None, "it was put"
    return record


async def _revision(store: Store) -> int:
    return (await _read(store)).revision


CHECKS: Final[tuple[Check, ...]] = (
    schedules_are_created_changed_and_dropped,
    a_step_is_taken_once_with_its_start,
    what_came_of_a_start_is_noted_with_it,
    due_schedules_are_found_by_time_and_by_the_ends_of_runs,
    notes_of_a_schedule_are_kept_in_order_and_in_bounds,
)
"""What is checked here."""
