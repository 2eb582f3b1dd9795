"""The scheduler itself, in the real stack, on a time that a test moves: clocks change, and stacks die."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from holdfast import schedule, task, workflow
from holdfast.controller.schedules import Actor, ScheduleRequest, ScheduleService
from holdfast.controller.schedules.scheduler import SCHEDULES_PER_LOOK
from holdfast.ports.operations import PutSchedule
from holdfast.testing import World

RIGA, NEW_YORK = ZoneInfo("Europe/Riga"), ZoneInfo("America/New_York")


@schedule("nightly", cron="30 3 * * *", timezone="Europe/Riga")
@schedule("beat", cron="*/30 * * * *", timezone="Europe/Riga", overlap="allow")
@schedule("overseas", cron="30 1,2 * * *", timezone="America/New_York")
@workflow
async def noting() -> None:
    """End at once."""


@workflow
async def noting_only() -> None:
    """End at once."""


@task
async def work() -> str:
    """Do nothing, unless a world says otherwise."""
    return "done"


def runs_of(world, prefix):
    """Return (scheduled time, time of the start) of the runs of a schedule, in order."""
    records, _ = world._driver.call(lambda: world._driver.stack.store.runs(limit=500))
    found = []
    for each in records:
        if each.run_id.startswith(prefix + "-20"):
            due = datetime.strptime(each.run_id.removeprefix(prefix + "-"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found.append((due, datetime.fromtimestamp(each.created_at, UTC)))
    return sorted(found)


def fires(world, name):
    """Return what was noted of a schedule's times, oldest first."""
    noted = world._driver.call(lambda: world._driver.stack.store.fires(name, 500))
    return [(each.outcome, each.count) for each in reversed(noted)]


def expected(start, end, seconds):
    """Return the moments from `start` to `end` that are so far apart."""
    moment, found = start, []
    while moment <= end:
        found.append(moment)
        moment += timedelta(seconds=seconds)
    return found


# 2026-03-29 01:00 UTC: Riga goes from 03:00 to 04:00. 2026-10-25 01:00 UTC: from 04:00 to 03:00.
# 2026-03-08 07:00 UTC: New York goes from 02:00 to 03:00. 2026-11-01 06:00 UTC: from 02:00 to 01:00.
NIGHTS = [
    (datetime(2026, 3, 28, 20, tzinfo=UTC), "nightly", [datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]),
    (datetime(2026, 10, 24, 20, tzinfo=UTC), "nightly", [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]),
    (
        datetime(2026, 3, 8, 0, tzinfo=UTC),
        "overseas",
        [datetime(2026, 3, 8, 6, 30, tzinfo=UTC), datetime(2026, 3, 8, 7, 0, tzinfo=UTC)],
    ),
    (
        datetime(2026, 11, 1, 0, tzinfo=UTC),
        "overseas",
        [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 7, 30, tzinfo=UTC)],
    ),
]


@pytest.mark.parametrize(("start", "name", "due"), NIGHTS)
@pytest.mark.parametrize("crash_minutes", [None, 299, 300, 330, 420])
def test_every_time_of_such_a_night_comes_once_also_when_the_stack_dies_in_it(start, name, due, crash_minutes):
    """Whenever the stack is killed: each due time one run, each at its time, none before, the beat without a gap."""
    with World(definitions=[noting], start=start) as world:
        if crash_minutes is not None:
            world.advance_to(start + timedelta(minutes=crash_minutes))
            world.crash()
        world.advance_to(start + timedelta(hours=10))
        assert runs_of(world, name) == [(each, each) for each in due]
        beats = [each for each, _ in runs_of(world, "beat")]
        assert beats == expected(start + timedelta(minutes=30), start + timedelta(hours=10), 1800)
        assert all(due == begun for due, begun in runs_of(world, "beat"))
        if crash_minutes is None:
            meters = world._driver.stack.meters
            assert meters.fires[name, "started"] == meters.late_seconds[name,].count == len(due)
            assert meters.late_seconds[name,].sum == 0.0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("start", "name", "due"), NIGHTS)
def test_a_kill_at_the_very_commit_of_such_a_time_costs_nothing(monkeypatch, start, name, due, moment):
    """Killed between deciding and committing, or between committing and hearing of it: one run, at its time."""
    take, struck = Actor.take, []

    async def die(actor, read, step, action=""):
        is_now = read.name == name and step.act is not None and not struck
        if is_now:
            struck.append(step.act.due)
        if is_now and moment == "before":
            world._driver._strike()
        moved = await take(actor, read, step, action)
        if is_now and moment == "after":
            world._driver._strike()
        return moved

    monkeypatch.setattr(Actor, "take", die)
    with World(definitions=[noting], start=start) as world:
        world.advance("10h")
        assert [datetime.fromtimestamp(each, UTC) for each in struck] == due[:1]
        assert runs_of(world, name) == [(each, each) for each in due]
        assert {each for each, _ in fires(world, name)} == {"started"}


def test_a_stack_that_was_away_catches_up_within_the_window_and_counts_the_rest(tmp_path):
    """Down from eight to half past eleven with a window of an hour: six beats are missed, three are made up for."""

    @schedule("hourly", cron="0,30 * * * *", overlap="allow", catch_up="1h")
    @workflow
    async def hourly() -> None:
        """End at once."""

    start = datetime(2026, 5, 1, 7, 45, tzinfo=UTC)
    with World(definitions=[hourly], start=start, folder=tmp_path) as world:
        world.advance("20m")
    with World(definitions=[hourly], start=start + timedelta(hours=3, minutes=45), folder=tmp_path) as world:
        found = runs_of(world, "hourly")
        begun = start + timedelta(hours=3, minutes=45)
        assert [each for each in found if each[1] >= begun] == [
            (datetime(2026, 5, 1, 10, 30, tzinfo=UTC), begun),
            (datetime(2026, 5, 1, 11, 0, tzinfo=UTC), begun),
            (datetime(2026, 5, 1, 11, 30, tzinfo=UTC), begun),
        ]
        assert fires(world, "hourly") == [
            ("started", 1),
            ("missed", 4),
            ("started", 1),
            ("started", 1),
            ("started", 1),
        ]


WORLD_START = datetime(2030, 1, 1, tzinfo=UTC)


def slow(**written):
    """Return a workflow that takes as long as its task, on a schedule."""

    @schedule("slow", every="1h", **written)
    @workflow
    async def slowly() -> str:
        return await work.options(timeout="10h", total_timeout="10h")()

    return slowly


def test_skip_never_runs_two_at_once():
    """A run of 90 minutes lets every other hour go."""
    with World(definitions=[slow(), work]) as world:
        world.stub(work, call=lambda: asyncio.sleep(5400))  # virtual time
        world.advance("4h 1m")
        assert [each.hour for each, _ in runs_of(world, "slow")] == [1, 3]
        assert fires(world, "slow") == [("started", 1), ("skipped", 1), ("started", 1), ("skipped", 1)]


def test_buffer_one_starts_when_the_open_run_has_ended():
    """The moment that it has, not at the next due time."""
    with World(definitions=[slow(overlap="buffer_one"), work]) as world:
        world.stub(work, call=lambda: asyncio.sleep(5400))  # virtual time
        world.advance("4h 1m")
        found = runs_of(world, "slow")
        assert [each.hour for each, _ in found] == [1, 2, 3]
        assert found[1][1] - WORLD_START < timedelta(hours=2, minutes=30, seconds=1)
        assert found[1][1] - WORLD_START >= timedelta(hours=2, minutes=30)


def test_allow_runs_them_side_by_side():
    """Each at its time."""
    with World(definitions=[slow(overlap="allow"), work]) as world:
        world.stub(work, call=lambda: asyncio.sleep(5400))  # virtual time
        world.advance("3h")
        assert [(due.hour, begun.hour) for due, begun in runs_of(world, "slow")] == [(1, 1), (2, 2), (3, 3)]


def test_cancel_old_asks_the_open_run_to_stop_and_then_starts():
    """The old one ends CANCELLED, the new one begins at its time."""
    with World(definitions=[slow(overlap="cancel_old"), work]) as world:
        world.stub(work, call=lambda: asyncio.sleep(5400))  # virtual time
        world.advance("2h 1m")
        assert [(due.hour, begun.hour) for due, begun in runs_of(world, "slow")] == [(1, 1), (2, 2)]
        assert world.status("slow-20300101T010000Z") == "CANCELLED"
        assert world.status("slow-20300101T020000Z") == "RUNNING"


def test_a_failed_run_pauses_the_schedule_that_asks_for_it():
    """It starts nothing more, and says why."""
    with World(definitions=[slow(pause_on_failure=True), work]) as world:
        world.stub(work, raises=ValueError("no"))
        world.advance("5h")
        assert len(runs_of(world, "slow")) == 1
        record = world._driver.call(lambda: world._driver.stack.store.schedule("slow"))
        assert b"run slow-20300101T010000Z FAILED" in record.state


def test_jitter_puts_each_start_off_by_its_own_share():
    """Never before the due time, and the same after a crash."""
    with World(definitions=[slow(jitter="30m", overlap="allow"), work]) as world:
        world.advance("6h")
        world.crash()
        world.advance("6h 30m")
        offsets = [begun - due for due, begun in runs_of(world, "slow")]
        assert len(offsets) == 12
        assert len(set(offsets)) == 12
        assert all(timedelta(0) <= each <= timedelta(minutes=30) for each in offsets)


def test_a_run_is_found_by_its_schedule():
    """And knows for which time it was started."""
    with World(definitions=[slow(), work]) as world:
        world.advance("1h")
        (record,) = world._driver.call(lambda: world._driver.stack.store.runs(limit=9))[0]
        assert record.attributes == {"schedule": '"slow"', "scheduled_for": "2030-01-01T01:00:00+00:00"}


def test_a_schedule_that_is_made_meanwhile_is_acted_on_at_its_time():
    """The scheduler slept with nothing to wait for; the bell wakes it, and it sleeps until the first time."""
    with World(definitions=[noting_only, work]) as world:
        stack = world._driver.stack
        service = ScheduleService(stack.store, stack.engine, stack.registry, lambda: "id")
        world.advance("1h")
        assert stack.scheduler.next_due is None
        wanted = ScheduleRequest(workflow="noting_only", every="2h")
        world._driver.call(lambda: service.put("made", wanted))
        world.advance("5h")
        assert [(due.hour, begun.hour) for due, begun in runs_of(world, "made")] == [(2, 2), (4, 4), (6, 6)]


def test_many_that_are_due_at_once_all_start():
    """Each its run, at the same moment."""
    with World(definitions=[noting_only, work]) as world:
        stack = world._driver.stack
        service = ScheduleService(stack.store, stack.engine, stack.registry, lambda: "id")
        for number in range(SCHEDULES_PER_LOOK + 5):
            wanted = ScheduleRequest(workflow="noting_only", at="2030-01-01T03:00:00")
            world._driver.call(lambda number=number, wanted=wanted: service.put(f"many{number}", wanted))
        world.advance("3h")
        records, _ = world._driver.call(lambda: stack.store.runs(limit=500))
        assert len(records) == SCHEDULES_PER_LOOK + 5
        assert {each.created_at for each in records} == {WORLD_START.timestamp() + 3 * 3600}


def test_one_that_cannot_go_on_does_not_stop_the_others(caplog):
    """What its contents make impossible is said, and tried again; the others start at their times."""
    with World(definitions=[noting, work]) as world:
        store = world._driver.stack.store
        broken = PutSchedule("broken", 0, "api", b"nonsense", b"null", b"{}", WORLD_START.timestamp() + 60)
        world._driver.call(lambda: store.write([broken]))
        world.advance("1h 1m")
        assert [due.minute for due, _ in runs_of(world, "beat")] == [30, 0]
        assert "a schedule cannot go on" in caplog.text


def test_what_another_controller_has_done_meanwhile_is_no_trouble(caplog):
    """Read before the other one's step and looked at after it, a schedule has nothing to be done; it is read again."""
    with World(definitions=[slow(), work]) as world:
        stack = world._driver.stack
        service = ScheduleService(stack.store, stack.engine, stack.registry, lambda: "id")
        read = world._driver.call(lambda: stack.store.schedule("slow"))
        world._driver.call(lambda: service.pause("slow", "ada"))
        assert world._driver.call(lambda: stack.scheduler._step(read, WORLD_START.timestamp()))
        assert "nothing to do about it" not in caplog.text
        newest = world._driver.call(lambda: stack.store.schedule("slow"))
        assert not world._driver.call(lambda: stack.scheduler._step(newest, WORLD_START.timestamp()))
        assert "nothing to do about it" in caplog.text


def test_a_changed_schedule_counts_its_new_times_from_now_on(tmp_path):
    """Nothing is made up for that the old one did not promise; what code does not say any more goes on."""

    @schedule("changing", cron="0 12 * * *")
    @workflow
    async def changing() -> None:
        """End at once."""

    @schedule("changing", cron="*/10 * * * *")
    @schedule("other", every="1d")
    @workflow
    async def changed() -> None:
        """End at once."""

    start = datetime(2026, 5, 1, 8, tzinfo=UTC)
    with World(definitions=[changing], start=start, folder=tmp_path) as world:
        world.advance("1h")
    with World(definitions=[changed, work], start=start + timedelta(hours=1), folder=tmp_path) as world:
        world.advance("30m")
        assert [each.minute for each, _ in runs_of(world, "changing")] == [10, 20, 30]
    with World(definitions=[work], start=start + timedelta(hours=2), folder=tmp_path) as world:
        world.advance("10m")
        assert len(runs_of(world, "changing")) > 3
