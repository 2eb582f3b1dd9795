"""What is decided about a schedule, step by step, without a store."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.authoring.schedules import Times, Wording, encode_spec, read_spec
from holdfast.controller.schedules import decision
from holdfast.controller.schedules.decision import (
    Cancel,
    Start,
    decide_backfill,
    decide_pause,
    decide_resume,
    decide_run_now,
    decide_step,
)
from holdfast.controller.schedules.state import Backfill, Schedule, ScheduleState, encode_state
from holdfast.ports.operations import ScheduleRecord, ScheduleRun

HOUR = 3600


class Course:
    """A schedule that goes forward: steps are taken, runs start, and end when they are told to."""

    def __init__(self, **written):
        self.spec = read_spec("s", Wording(**({"workflow": "w", "every": "1h"} | written)))
        self.state = ScheduleState(0)
        self.runs: dict[str, str] = {}
        self.next_at: float | None = float(HOUR)
        self.noted: list[tuple[str, int]] = []
        self.acts: list[Start | Cancel] = []

    @property
    def schedule(self):
        """The schedule as it would be read."""
        runs = tuple(ScheduleRun(*each) for each in self.runs.items())
        record = ScheduleRecord(
            "s", 1, "api", encode_spec(self.spec), b"null", encode_state(self.state), self.next_at, 0.0, 0.0, runs
        )
        return Schedule(record, self.spec, self.state, Times("s", self.spec))

    def take(self, step):
        """Take a step."""
        self.state, self.next_at = step.state, step.next_at
        for each in step.settled:
            del self.runs[each]
        self.noted += [(each.outcome, each.count) for each in step.fires]
        if isinstance(step.act, Start):
            self.runs[step.act.run_id] = "RUNNING"
        if step.act is not None:
            self.acts.append(step.act)

    def until(self, now):
        """Take steps until there is nothing to do at `now`; return what was done."""
        before = len(self.acts)
        for _ in range(1000):
            step = decide_step(self.schedule, now)
            if not step.changes(self.schedule):
                return self.acts[before:]
            self.take(step)
        raise AssertionError("a schedule that never comes to rest")

    def end(self, status="COMPLETED"):
        """End the oldest open run."""
        first = next(each for each, standing in self.runs.items() if standing == "RUNNING")
        self.runs[first] = status


def dues(acts):
    """Return the due times of the runs that were started."""
    return [each.due for each in acts if isinstance(each, Start)]


def test_nothing_happens_before_its_time():
    """A moment before it is due there is nothing to do; at the moment there is."""
    course = Course()
    assert course.until(HOUR - 0.001) == []
    assert course.next_at == HOUR
    assert dues(course.until(float(HOUR))) == [HOUR]
    assert course.next_at == 2 * HOUR


def test_jitter_puts_off_and_never_hastens():
    """The run starts when the jitter says, and is the run of its due time all the same."""
    course = Course(jitter="30m")
    fires_at = course.schedule.times.fires_at(HOUR)
    assert HOUR < fires_at < 1.5 * HOUR
    course.until(0.0)
    assert course.next_at == fires_at
    assert course.until(fires_at - 0.001) == []
    assert dues(course.until(fires_at)) == [HOUR]


def test_skip_lets_times_go_while_a_run_is_open():
    """The next one after its end starts again."""
    course = Course()
    course.until(HOUR)
    assert course.until(2 * HOUR) == []
    assert course.until(3 * HOUR) == []
    course.end()
    assert dues(course.until(4 * HOUR)) == [4 * HOUR]
    assert course.noted == [("started", 1), ("skipped", 1), ("skipped", 1), ("started", 1)]
    assert (course.state.fired, course.state.skipped, course.state.missed) == (2, 2, 0)


def test_buffer_one_keeps_the_first_that_comes_meanwhile():
    """It starts when the open run has ended; the others are skipped."""
    course = Course(overlap="buffer_one", catch_up="1d")
    course.until(HOUR)
    assert course.until(4.5 * HOUR) == []
    course.end("FAILED")
    assert dues(course.until(4.6 * HOUR)) == [2 * HOUR]
    assert course.state.skipped == 2
    course.end()
    assert course.until(4.7 * HOUR) == []


def test_allow_starts_each_beside_the_others():
    """However many are open."""
    course = Course(overlap="allow")
    assert dues(course.until(2 * HOUR)) == [HOUR, 2 * HOUR]
    assert dues(course.until(3 * HOUR)) == [3 * HOUR]
    assert len(course.runs) == 3


def test_allow_has_a_limit(monkeypatch):
    """Above it times are skipped: a schedule whose runs never end does not fill the store."""
    monkeypatch.setattr(decision, "OPEN_RUNS_MAX", 2)
    course = Course(overlap="allow", catch_up="1d")
    assert dues(course.until(5 * HOUR)) == [HOUR, 2 * HOUR]
    assert course.state.skipped == 3


def test_cancel_old_asks_the_open_run_and_waits_for_its_end():
    """Two never run at once; the newest due time is the one that starts."""
    course = Course(overlap="cancel_old")
    course.until(HOUR)
    (told,) = course.until(2 * HOUR)
    assert told == Cancel("s-19700101T010000Z", 2 * HOUR)
    assert course.until(3 * HOUR) == []  # it was asked once
    course.end("CANCELLED")
    assert dues(course.until(3 * HOUR + 1)) == [3 * HOUR]
    assert course.state.skipped == 1


def test_what_was_due_while_nothing_ran_is_caught_up_within_the_window():
    """What is older counts as missed, and is noted as such."""
    course = Course(overlap="allow", catch_up="2h")
    assert dues(course.until(10.5 * HOUR)) == [9 * HOUR, 10 * HOUR]
    assert course.noted[0] == ("missed", 8)
    assert course.state.missed == 8


def test_the_window_is_measured_from_when_a_time_would_have_been_acted_on():
    """With jitter, that is later than the due time."""
    course = Course(jitter="30m", catch_up="10s")
    fires_at = course.schedule.times.fires_at(HOUR)
    assert dues(course.until(fires_at + 10)) == [HOUR]
    course = Course(jitter="30m", catch_up="10s")
    assert course.until(fires_at + 10.001) == []
    assert course.state.missed == 1


def test_endless_lists_of_missed_times_are_not_counted_to_the_end():
    """A schedule of every second that slept for a year comes to rest at once, at the right time."""
    year = 365 * 86_400
    course = Course(every="1s", catch_up="10s", overlap="allow")
    assert dues(course.until(year)) == list(range(year - 10, year + 1))
    assert course.state.missed == decision.DUE_PER_STEP
    assert course.next_at == year + 1


def test_a_failed_run_pauses_where_that_was_asked_for():
    """The time that is due at that moment is not acted on either; resuming goes on with what is to come."""
    course = Course(pause_on_failure=True)
    course.until(HOUR)
    course.end("FAILED")
    assert course.until(2 * HOUR) == []
    assert course.state.paused.by == "the schedule"
    assert course.state.paused.reason == "run s-19700101T010000Z FAILED"
    assert course.next_at is None
    course.take(decide_resume(course.schedule, 4.5 * HOUR))
    assert course.next_at == 5 * HOUR
    assert dues(course.until(5 * HOUR)) == [5 * HOUR]


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "TERMINATED"])
def test_other_ends_do_not_pause(status):
    """What a person ends has not failed."""
    course = Course(pause_on_failure=True)
    course.until(HOUR)
    course.end(status)
    assert dues(course.until(2 * HOUR)) == [2 * HOUR]


def test_a_paused_schedule_starts_nothing_and_misses_nothing():
    """What came due meanwhile is let go; what waited is not started."""
    course = Course(overlap="buffer_one")
    course.until(HOUR)
    course.until(2 * HOUR)
    course.take(decide_pause(course.schedule, 2.5 * HOUR, "ada", "quiet please"))
    course.end()
    assert course.until(9 * HOUR) == []
    course.take(decide_pause(course.schedule, 9 * HOUR, "bob", "me too"))
    assert course.state.paused.by == "ada"
    course.take(decide_resume(course.schedule, 9.5 * HOUR))
    assert dues(course.until(10 * HOUR)) == [10 * HOUR]
    assert course.state.missed == 0


def test_run_now_follows_the_overlap_policy():
    """It starts at once, waits, asks the open run to stop, or is refused."""
    course = Course()
    course.take(decide_run_now(course.schedule, 100.0, "s-now-1"))
    assert course.acts == [Start("s-now-1", 100, "now")]
    assert decide_run_now(course.schedule, 200.0, "s-now-2") is None
    assert course.until(HOUR) == []  # the one that was wanted counts as open

    course = Course(overlap="buffer_one")
    course.until(HOUR)
    course.take(decide_run_now(course.schedule, HOUR + 5.0, "s-now-1"))
    assert decide_run_now(course.schedule, HOUR + 6.0, "s-now-2") is None
    course.end()
    assert course.until(HOUR + 7.0) == [Start("s-now-1", HOUR + 5, "now")]

    course = Course(overlap="cancel_old")
    course.until(HOUR)
    course.take(decide_run_now(course.schedule, HOUR + 5.0, "s-now-1"))
    assert course.acts[-1] == Cancel("s-19700101T010000Z", HOUR + 5)

    course = Course(overlap="allow")
    course.until(HOUR)
    course.take(decide_run_now(course.schedule, HOUR + 5.0, "s-now-1"))
    assert course.acts[-1] == Start("s-now-1", HOUR + 5, "now")


def test_a_paused_schedule_can_be_run_now():
    """Pausing keeps times from being acted on, not people."""
    course = Course()
    course.take(decide_pause(course.schedule, 10.0, "ada", ""))
    course.take(decide_run_now(course.schedule, 100.0, "s-now-1"))
    assert dues(course.acts) == [100]
    assert course.next_at is None


def test_backfill_starts_one_run_after_the_other():
    """Their ids are those of their times; what is due goes on beside it."""
    course = Course(catch_up="10s")
    course.until(10.5 * HOUR)
    assert course.state.missed == 10
    course.take(decide_backfill(course.schedule, 10.5 * HOUR, Backfill(2 * HOUR - 1, 4 * HOUR)))
    assert course.next_at == 10.5 * HOUR
    started = []
    for _ in range(5):
        acts = course.until(10.6 * HOUR)
        started += [(each.kind, each.run_id) for each in acts]
        if course.runs:
            course.end()
    assert started == [
        ("backfill", "s-19700101T020000Z"),
        ("backfill", "s-19700101T030000Z"),
        ("backfill", "s-19700101T040000Z"),
    ]
    assert course.state.backfills == ()
    assert course.next_at == 11 * HOUR


def test_backfill_beside_one_another_where_overlapping_is_allowed():
    """All of them at once."""
    course = Course(overlap="allow", catch_up="10s")
    course.until(10.5 * HOUR)
    course.take(decide_backfill(course.schedule, 10.5 * HOUR, Backfill(0, 3 * HOUR)))
    assert dues(course.until(10.5 * HOUR)) == [HOUR, 2 * HOUR, 3 * HOUR]


def test_a_paused_schedule_can_be_backfilled():
    """It was asked for by a person."""
    course = Course(catch_up="10s")
    course.take(decide_pause(course.schedule, 0.0, "ada", ""))
    course.take(decide_backfill(course.schedule, 5 * HOUR, Backfill(0, HOUR)))
    assert dues(course.until(5 * HOUR)) == [HOUR]


def test_a_schedule_comes_to_an_end():
    """After its last time it is never looked at again."""
    course = Course(every=None, at=["1970-01-01T02:00:00"])
    assert course.until(float(HOUR)) == []
    assert dues(course.until(2 * HOUR)) == [2 * HOUR]
    assert course.next_at is None


def test_states_from_before_a_field_was_there_are_read():
    """What is stored grows by fields with defaults."""
    assert msgspec.json.decode(b'{"cursor":7}', type=ScheduleState) == ScheduleState(7)
