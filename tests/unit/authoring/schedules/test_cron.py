"""Cron expressions: what they mean on days when the clocks change, at the ends of months, and for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.authoring.schedules import Cron

RIGA, NEW_YORK = "Europe/Riga", "America/New_York"
ZONES = (
    RIGA,
    NEW_YORK,
    "UTC",
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Beirut",  # changes at midnight
    "America/Havana",  # the same, backwards too
    "Africa/Casablanca",  # goes back for a month
    "Asia/Kolkata",
)
LOOKED_AT_MINUTES = 2 * 24 * 60


def times(expression, zone, start, count):
    """Return the next times of an expression, as local times with their offsets."""
    cron, moment, found = Cron(expression, ZoneInfo(zone)), int(datetime.fromisoformat(start).timestamp()), []
    for _ in range(count):
        moment = cron.after(moment)
        found.append(datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(zone)).isoformat())
    return found


# Riga: 2026-03-29 03:00 becomes 04:00, 2026-10-25 04:00 becomes 03:00.
# New York: 2026-03-08 02:00 becomes 03:00, 2026-11-01 02:00 becomes 01:00.


def test_a_time_that_is_skipped_comes_when_the_clocks_are_put_forward():
    """A job at 03:30 runs on every day of the year, in Riga and New York alike."""
    assert times("30 3 * * *", RIGA, "2026-03-28T12:00+02:00", 2) == [
        "2026-03-29T04:00:00+03:00",
        "2026-03-30T03:30:00+03:00",
    ]
    assert times("30 2 * * *", NEW_YORK, "2026-03-07T12:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]


def test_times_that_are_skipped_together_come_once():
    """03:00, 03:30 and the real 04:00 are one moment on that day."""
    assert times("0,30 3,4 * * *", RIGA, "2026-03-29T02:00+02:00", 3) == [
        "2026-03-29T04:00:00+03:00",
        "2026-03-29T04:30:00+03:00",
        "2026-03-30T03:00:00+03:00",
    ]


def test_a_time_that_comes_twice_counts_once():
    """A job at 03:30 runs once when the clock shows 03:30 twice: the first time."""
    assert times("30 3 * * *", RIGA, "2026-10-24T12:00+03:00", 2) == [
        "2026-10-25T03:30:00+03:00",
        "2026-10-26T03:30:00+02:00",
    ]
    assert times("30 1 * * *", NEW_YORK, "2026-10-31T12:00-04:00", 2) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:30:00-05:00",
    ]
    # Asked between the two, it does not come again.
    assert times("30 3 * * *", RIGA, "2026-10-25T03:15+02:00", 1) == ["2026-10-26T03:30:00+02:00"]


def test_a_beat_goes_on_through_changes_of_the_clocks():
    """Every half hour means every half hour, whatever the clock shows: none is skipped, none is doubled."""
    for start in ("2026-03-29T01:45+02:00", "2026-10-25T02:15+03:00"):
        moments = [datetime.fromisoformat(each) for each in times("*/30 * * * *", RIGA, start, 8)]
        assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(minutes=30)}
    assert times("0 * * * *", NEW_YORK, "2026-11-01T00:30-04:00", 3) == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T02:00:00-05:00",
    ]


def test_six_fields_begin_with_seconds_and_follow_the_same_rules():
    """Seconds come first; a named time of the night comes once on every day."""
    assert times("*/20 * * * * *", "UTC", "2026-01-01T00:00:10+00:00", 2) == [
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:40+00:00",
    ]
    assert times("15 30 3 * * *", RIGA, "2026-03-29T00:00+02:00", 1) == ["2026-03-29T04:00:00+03:00"]
    assert times("15 30 3 * * *", RIGA, "2026-10-25T00:00+03:00", 2) == [
        "2026-10-25T03:30:15+03:00",
        "2026-10-26T03:30:15+02:00",
    ]


def test_leap_days_and_ends_of_months():
    """The 29th of February comes when there is one, also over the turn of a century; L is a month's last day."""
    assert times("0 12 29 2 *", "UTC", "2026-01-01T00:00+00:00", 2) == [
        "2028-02-29T12:00:00+00:00",
        "2032-02-29T12:00:00+00:00",
    ]
    assert times("0 12 29 2 *", "UTC", "2097-01-01T00:00+00:00", 1) == ["2104-02-29T12:00:00+00:00"]
    assert times("0 0 31 * *", "UTC", "2026-01-31T00:00+00:00", 3) == [
        "2026-03-31T00:00:00+00:00",
        "2026-05-31T00:00:00+00:00",
        "2026-07-31T00:00:00+00:00",
    ]
    assert times("30 23 L * *", RIGA, "2028-01-31T23:30+02:00", 3) == [
        "2028-02-29T23:30:00+02:00",
        "2028-03-31T23:30:00+03:00",
        "2028-04-30T23:30:00+03:00",
    ]


def test_words_stand_for_expressions():
    """`@daily` is midnight, `@weekly` Sunday's."""
    assert times("@daily", RIGA, "2026-11-29T10:00+02:00", 1) == ["2026-11-30T00:00:00+02:00"]
    assert times("@weekly", RIGA, "2026-11-29T10:00+02:00", 1) == ["2026-12-06T00:00:00+02:00"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("61 * * * *", "'61' is no minute, expected 0-59"),
        ("0 24 * * *", "'24' is no hour, expected 0-23"),
        ("0 0 0 * *", "'0' is no day-of-month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * FOO", "'FOO' is no day-of-week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("60 0 0 * * *", "'60' is no second"),
        ("0 3 * *", "expected five fields"),
        ("", "expected five fields"),
        ("@noon", "expected five fields"),
        ("0 0 31 2 *", "day-of-month"),
        ("0 0 * * * * *", "expected five fields"),
        ("0 0 30 2 */2", "day-of-month"),
    ],
)
def test_what_is_no_expression_is_said_at_once(expression, words):
    """The field that is wrong is named, with what it may be."""
    with pytest.raises(ValueError, match=r".") as caught:
        Cron(expression, ZoneInfo("UTC"))
    assert words in str(caught.value)


@settings(deadline=None)
@given(st.text("0123456789*/,-#LWw@MONJADYd? \t\x00٣", max_size=24))
def test_any_text_is_an_expression_or_is_refused(text):
    """Whatever strangers send: a next time that is later, or an error in words."""
    try:
        cron = Cron(text, ZoneInfo(RIGA))
    except ValueError as refusal:
        assert str(refusal)  # noqa: PT017 - either outcome is right
    else:
        assert cron.after(1_800_000_000) > 1_800_000_000


# --- Against an oracle that looks at every minute ------------------------------------------------------------------

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@st.composite
def fields(draw, low, high):
    """Draw one field: its text, and the numbers it stands for."""
    kind = draw(st.sampled_from(("star", "star", "step", "one", "list", "range")))
    numbers = st.integers(low, high)
    match kind:
        case "star":
            return "*", set(range(low, high + 1))
        case "step":
            step = draw(st.integers(2, 30))
            return f"*/{step}", set(range(low, high + 1, step))
        case "one":
            one = draw(numbers)
            return str(one), {one}
        case "list":
            some = draw(st.lists(numbers, min_size=1, max_size=4))
            return ",".join(map(str, some)), set(some)
        case _:
            first, last = sorted((draw(numbers), draw(numbers)))
            return f"{first}-{last}", set(range(first, last + 1))


def changes(zone):
    """Return the moments in some years at which a zone changes its clocks, to the minute."""
    found, moment = [], datetime(2023, 1, 1, tzinfo=UTC)
    while moment.year < 2031:
        following = moment + timedelta(hours=6)
        if moment.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            found.append(moment)
        moment = following
    return found


CHANGES = {name: changes(ZoneInfo(name)) for name in ZONES}


MINUTE = timedelta(minutes=1)
LOOKED_BACK = 180
"""How many minutes a clock may have been put back by, at most."""


class Oracle:
    """Knows which minutes an expression means, by looking at what the clock on the wall shows in each of them."""

    def __init__(self, parts):
        self._minutes, self._hours, self._days, self._months, self._weekdays = (each[1] for each in parts)
        texts = [each[0] for each in parts]
        self._both = texts[2].startswith("*") or texts[4].startswith("*")
        self._beat = texts[0].startswith("*") or texts[1].startswith("*")

    def _matches(self, wall):
        day = wall.day in self._days
        weekday = wall.isoweekday() % 7 in self._weekdays
        return (
            wall.minute in self._minutes
            and wall.hour in self._hours
            and wall.month in self._months
            and (day and weekday if self._both else day or weekday)
        )

    def meant(self, zone, start, minutes):
        """Return the moments it means among the minutes after `start`."""
        moments = [start + MINUTE * each for each in range(-LOOKED_BACK, minutes)]
        walls = [each.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for each in moments]
        shown = set(walls[: LOOKED_BACK + 1])
        found = []
        for previous, wall, moment in zip(
            walls[LOOKED_BACK:], walls[LOOKED_BACK + 1 :], moments[LOOKED_BACK + 1 :], strict=False
        ):
            if self._beat:
                means = self._matches(wall)
            else:
                # What the clock jumps over counts now; what it has shown before does not count again.
                jumped = range(1, max(1, (wall - previous) // MINUTE))
                means = any(self._matches(previous + MINUTE * each) for each in jumped)
                means = means or (wall not in shown and self._matches(wall))
                shown.add(wall)
            if means:
                found.append(int(moment.timestamp()))
        return found


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_next_times_are_what_the_clock_on_the_wall_says(data):
    """Around every change of the clocks, and elsewhere: no time too many, none too few, none elsewhere."""
    parts = [data.draw(fields(*each)) for each in RANGES]
    zone = data.draw(st.sampled_from(ZONES))
    near = CHANGES[zone] or [datetime(2028, 2, 28, tzinfo=UTC)]
    start = data.draw(st.sampled_from(near)) + MINUTE * data.draw(st.integers(-900, 300))
    try:
        cron = Cron(" ".join(each[0] for each in parts), ZoneInfo(zone))
    except ValueError:
        return  # a day that no month has
    expected = Oracle(parts).meant(zone, start, LOOKED_AT_MINUTES)[:60]
    found, following = [], cron.after(int(start.timestamp()))
    until = expected[-1] if len(expected) == 60 else int(start.timestamp()) + (LOOKED_AT_MINUTES - 1) * 60
    while following is not None and following <= until:
        found.append(following)
        following = cron.after(following)
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    expression=st.sampled_from(
        ["*/7 * * * *", "5 2,3 * * *", "0 0 29 2 *", "30 0 1 * MON", "0 12 L * *", "10 * 1 1 *"]
    ),
    start=st.integers(0, 4_000_000_000),
)
def test_a_time_is_after_the_one_before_whatever_second_one_asks_at(zone, expression, start):
    """Asking at any second between two times gives the later one."""
    cron = Cron(expression, ZoneInfo(zone))
    first = cron.after(start)
    assert first is not None
    assert first > start
    second = cron.after(first)
    assert second > first
    assert cron.after(second - 1) == second
    assert cron.after((first + second) // 2) == second
