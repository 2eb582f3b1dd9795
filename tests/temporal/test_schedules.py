"""Schedules of ours in Temporal's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.authoring.schedules import Wording, read_spec
from holdfast.errors import NotOnEngineError

pytest.importorskip("temporalio")

from holdfast.temporal.times import write_policies, write_times


def written(**wording: Any) -> Any:
    """Return a schedule's times as Temporal gets them."""
    return write_times("it", read_spec("it", Wording(workflow="report", **wording)))


def test_an_expression_is_a_calendar() -> None:
    """Neighbours are one range."""
    spec = written(cron="*/30 9-17 * * MON-FRI", timezone="Europe/Riga")
    (calendar,) = spec.structured_calendar
    assert [(each.start, each.end) for each in calendar.minute] == [(0, 0), (30, 30)]
    assert [(each.start, each.end) for each in calendar.hour] == [(9, 17)]
    assert [(each.start, each.end) for each in calendar.day_of_week] == [(1, 5)]
    assert [(each.start, each.end) for each in calendar.day_of_month] == [(1, 31)]
    assert spec.timezone_name == "Europe/Riga"


def test_where_either_day_is_enough_there_are_two_calendars() -> None:
    """Temporal wants every field to fit; cron does not."""
    first, second = written(cron="0 3 13 * FRI").structured_calendar
    assert [(each.start, each.end) for each in first.day_of_month] == [(13, 13)]
    assert [(each.start, each.end) for each in first.day_of_week] == [(0, 6)]
    assert [(each.start, each.end) for each in second.day_of_month] == [(1, 31)]
    assert [(each.start, each.end) for each in second.day_of_week] == [(5, 5)]


def test_intervals_and_single_times() -> None:
    """Counted from the anchor; at a moment, whatever the zone."""
    (interval,) = written(every="15m", anchor="1970-01-01T00:05:00+00:00").interval
    assert (interval.interval.seconds, interval.phase.seconds) == (900, 300)
    spec = written(at=datetime(2026, 12, 24, 18, tzinfo=UTC), timezone="Europe/Riga")
    (calendar,) = spec.structured_calendar
    assert [(each.start) for each in (*calendar.year, *calendar.month, *calendar.hour)] == [2026, 12, 18]
    assert spec.timezone_name == "UTC"


def test_policies() -> None:
    """Overlap, catch-up and what a failure does."""
    policies = write_policies(
        read_spec(
            "it", Wording(workflow="report", every="1h", overlap="cancel_old", catch_up="2h", pause_on_failure=True)
        )
    )
    assert (policies.overlap_policy, policies.catchup_window.seconds, policies.pause_on_failure) == (4, 7200, True)


@pytest.mark.parametrize("expression", ["0 3 L * *", "0 3 * * 5#2", "0 3 * * 5L"])
def test_what_temporal_has_no_words_for_is_refused(expression: str) -> None:
    """With the expression."""
    with pytest.raises(NotOnEngineError, match="L or # in a cron expression"):
        written(cron=expression)
