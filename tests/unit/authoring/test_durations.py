"""Durations: every notation means what it says, and slips are refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.authoring.durations import SECONDS_MAX, parse_duration, read_duration, write_duration
from holdfast.errors import DefinitionError


def test_a_plain_number_from_outside_is_seconds():
    """What is typed or sent as `90` is 90 s; in code a text without a unit stays a mistake."""
    assert [read_duration(each) for each in ("90", " 1.5 ", "2m", 3, timedelta(minutes=1))] == [90, 1.5, 120, 3, 60]
    for wrong in ("", "-5", "1e3", "soon", "٣"):
        with pytest.raises(DefinitionError):
            read_duration(wrong)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (0.25, "250ms"), (90, "1m30s"), (3600.0, "1h"), (90_061.001, "1d1h1m1s1ms"), (604_800, "7d")],
)
def test_a_duration_is_written_as_people_read_it(seconds, written):
    """And read again as the same."""
    assert write_duration(seconds) == written
    assert parse_duration(written, zero=True) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("1m", 60),
        ("2h", 7200),
        ("3d", 259_200),
        ("1w", 604_800),
        ("1h30m", 5400),
        (" 1h 30m ", 5400),
        ("1.5s", 1.5),
        (0.5, 0.5),
        (90, 90),
        (timedelta(minutes=2), 120),
    ],
)
def test_a_duration_is_read_as_written(written, seconds):
    """Text, numbers and timedeltas give seconds."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "30",
        "s",
        "30 sec",
        "1m1h",
        "1s1s",
        "-1s",
        "1e3s",
        "٣s",
        "1h30",
        True,
        None,
        [],
        b"1s",
        float("nan"),
        float("inf"),
        0,
        -1,
        "0s",
        timedelta(0),
        timedelta(seconds=-1),
        SECONDS_MAX * 2,
    ],
)
def test_what_is_no_duration_is_refused(written):
    """A slip in a duration is an error that shows the notation."""
    with pytest.raises(DefinitionError, match="250ms"):
        parse_duration(written, "timeout")


def test_zero_is_allowed_where_it_makes_sense():
    """A delay may be nothing, where the caller says so."""
    assert parse_duration(0, zero=True) == parse_duration("0s", zero=True) == 0


@given(st.integers(0, 999), st.integers(0, 59), st.integers(1, 59))
def test_parts_add_up(hours, minutes, seconds):
    """A duration of several parts is their sum."""
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_clear_error(text):
    """Nothing but DefinitionError comes out of odd text."""
    with suppress(DefinitionError):
        assert 0 < parse_duration(text) <= SECONDS_MAX
