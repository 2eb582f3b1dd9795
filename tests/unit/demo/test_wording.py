"""Numbers are written as people write them."""

from __future__ import annotations

import pytest

from holdfast.demo.fragments import text
from holdfast.demo.wording import count, counted, seconds, size


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(10_000), "10,000"),
        (counted(1, "document"), "1 document"),
        (counted(0, "document"), "0 documents"),
        (counted(2, "copy", "copies"), "2 copies"),
        (size(0), "0 B"),
        (size(1_023), "1023 B"),
        (size(1_536), "1.5 KiB"),
        (size(144_837_836), "138 MiB"),
        (seconds(0.351), "0.35 s"),
        (seconds(12.44), "12.4 s"),
        (seconds(200), "3 min 20 s"),
    ],
)
def test_numbers_for_people(written: str, expected: str) -> None:
    """Thousands apart, nouns in the right number, units that fit."""
    assert written == expected


def test_what_cannot_be_seen_is_shown() -> None:
    """Control characters and direction marks are written out, tags and quotes are escaped."""
    assert text("a\n\u202e\0<b>'\"&") == "a\\n\\u202e\\x00&lt;b&gt;&#x27;&quot;&amp;"
