"""How values are put into words, and that no text plays tricks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.dashboard import words


def test_text_that_moves_or_hides_is_shown_as_what_it_is():
    """Escape sequences, characters that turn the direction, and those nobody sees become visible."""
    text = "a\x1b[31mred\x07 \u202egnp.exe \u200bx\u2066 \x85 \ud800"
    shown = words.harmless(text)
    assert not {"\x1b", "\x07", "\u202e", "\u200b", "\u2066", "\x85", "\ud800"} & set(shown)
    assert "␛[31mred␇ ‹right-to-left override›gnp.exe" in shown
    assert words.harmless("plain\ttext\nwith lines, ü and 漢字") == "plain\ttext\nwith lines, ü and 漢字"


def test_long_text_says_how_long_it_is():
    """Of a megabyte the beginning is shown, and how much there is."""
    assert words.cut("x" * 1_000_000, 10) == "xxxxxxxxxx… (1,000,000 characters)"
    assert words.cut("short", 10) == "short"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (1.26, "1.3 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (61.2, "1 min 1 s"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_spans_have_the_two_units_that_matter(seconds, text):
    """Milliseconds to days."""
    assert words.span(seconds) == text


def test_moments_are_told_from_now():
    """What is over, what is to come, and what is now."""
    now = datetime(2026, 11, 30, 8, 0, 0, tzinfo=UTC)
    assert words.ago("2026-11-30T07:57:00.000000Z", now) == "3 min ago"
    assert words.ago("2026-11-30T08:57:00.000000Z", now) == "in 57 min"
    assert words.ago("2026-11-30T08:00:00.400000Z", now) == "now"
    assert words.clock("2026-11-30T07:57:00.123456Z") == "2026-11-30 07:57:00"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (2.5, "$2.50"),
        (1234.567, "$1,234.57"),
        (0.999, "$1.00"),
        (0.12, "$0.12"),
        (0.0123, "$0.012"),
        (0.0000456, "$0.000046"),
        (-1.5, "-$1.50"),
        (-0.001, "-$0.0010"),
    ],
)
def test_small_amounts_of_money_are_told_as_well(amount, text):
    """Dollars to the cent; what is less than a dollar to two digits."""
    assert words.dollars(amount) == text
