"""What hosts say about how often they may be called is understood in all the ways in which they say it."""

from __future__ import annotations

import httpx
import pytest

from holdfast.http.announcements import Announcement, read_announcement, read_retry_after
from holdfast.http.answers import Meaning, meaning_of

NOW = 1_700_000_000.0
"""Tue, 14 Nov 2023 22:13:20 GMT."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("99999999999", 86_400.0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),  # IMF-fixdate
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120.0),  # RFC 850
        ("Tue Nov 14 22:15:20 2023", 120.0),  # asctime
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("2023-11-14T22:15:20Z", 120.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
def test_retry_after_is_read(text: str, seconds: float) -> None:
    """Seconds, the three dates of RFC 9110, and the one of RFC 3339; never more than a day."""
    assert read_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "+5", "5 minutes", "0x10", "1e9", "٣", "2023-11-14T22:15:20", "9" * 2_000]
)
def test_nonsense_was_not_said(text: str) -> None:
    """A header that cannot be read is as good as none."""
    assert read_retry_after(text, NOW) is None


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        # The draft since 08.
        (
            {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=50;t=30'},
            Announcement(None, 100.0, 60.0, 50.0, 30.0),
        ),
        (
            {"RateLimit-Policy": '"hour";q=1000;w=3600, "day";q=5000;w=86400', "RateLimit": '"day";r=100;t=36000'},
            Announcement(None, 5000.0, 86400.0, 100.0, 36000.0),
        ),
        (
            {"RateLimit": '"problemPolicy";r=0;t=10, "other";r=9;t=99'},
            Announcement(None, 0.0, 0.0, 0.0, 10.0),
        ),
        # 07, and up to 06.
        (
            {"RateLimit": "limit=100, remaining=0, reset=50", "RateLimit-Policy": "100;w=60"},
            Announcement(None, 100.0, 60.0, 0.0, 50.0),
        ),
        (
            {"RateLimit-Limit": "100, 100;w=10", "RateLimit-Remaining": "0", "RateLimit-Reset": "5"},
            Announcement(None, 100.0, 10.0, 0.0, 5.0),
        ),
        # What came before.
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 40)},
            Announcement(None, 0.0, 0.0, 0.0, 40.0),
        ),
        (
            {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": str(int(NOW * 1_000) + 2_500)},
            Announcement(None, 0.0, 0.0, 1.0, 2.5),
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.25"}, Announcement(None, 0.0, 0.0, 0.0, 1.25)),
        ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "12"}, Announcement(None, 0.0, 0.0, 0.0, 12.0)),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
            },
            Announcement(None, 0.0, 0.0, 0.0, 360.0),
        ),
        (
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "Tue, 14 Nov 2023 22:15:20 GMT"},
            Announcement(None, 0.0, 0.0, 0.0, 120.0),
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "250ms"}, Announcement(None, 0.0, 0.0, 0.0, 0.25)),
        # Nothing of it.
        ({"RateLimit": "ask again later", "RateLimit-Policy": ";;;=,", "X-RateLimit-Limit": "many"}, Announcement()),
        ({}, Announcement()),
    ],
)
def test_rate_limit_headers_are_read(headers: dict[str, str], announced: Announcement) -> None:
    """The draft in all its forms, and what came before it."""
    assert read_announcement(httpx.Headers(headers), NOW) == announced


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 204, 304), Meaning.SUCCEEDED),
        ((429,), Meaning.BUSY),
        ((408, 421, 425, 500, 502, 503, 504, 522, 599), Meaning.FAILED),
        ((301, 400, 401, 403, 404, 405, 409, 410, 415, 422, 451, 501, 505), Meaning.REFUSED),
    ],
)
def test_statuses_have_meanings(statuses: tuple[int, ...], meaning: Meaning) -> None:
    """What may succeed at another attempt is told from what never does."""
    assert {meaning_of(each, Announcement()) for each in statuses} == {meaning}


def test_hosts_that_ask_to_be_left_alone_are_busy() -> None:
    """503 with Retry-After, and 403 where nothing is left, as GitHub says it."""
    assert meaning_of(503, Announcement(retry_after=3.0)) is Meaning.BUSY
    assert meaning_of(403, Announcement(remaining=0.0, reset=9.0)) is Meaning.BUSY
    assert meaning_of(403, Announcement(remaining=5.0, reset=9.0)) is Meaning.REFUSED
    assert Announcement(retry_after=3.0, remaining=0.0, reset=9.0).wait_seconds == 3.0
