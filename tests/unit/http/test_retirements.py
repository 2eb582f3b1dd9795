"""What hosts say will be gone, held against the forms of RFC 9745, RFC 8594 and the drafts before them."""

from __future__ import annotations

import pytest

from holdfast.http.retirements import LONG_SINCE, Retirement, read_retirement

JULY_2023 = 1688169599.0
"""`Fri, 30 Jun 2023 23:59:59 GMT`, the example of both RFCs."""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"deprecation": "@1688169599"}, Retirement(JULY_2023)),
        ({"deprecation": "@1688169599;why=old"}, Retirement(JULY_2023)),
        ({"deprecation": "Fri, 30 Jun 2023 23:59:59 GMT"}, Retirement(JULY_2023)),
        ({"deprecation": "true"}, Retirement(LONG_SINCE)),
        ({"deprecation": "?1"}, Retirement(LONG_SINCE)),
        ({"sunset": "Fri, 30 Jun 2023 23:59:59 GMT"}, Retirement(None, JULY_2023)),
        ({"sunset": "Friday, 30-Jun-23 23:59:59 GMT"}, Retirement(None, JULY_2023)),
        ({"sunset": "Fri Jun 30 23:59:59 2023"}, Retirement(None, JULY_2023)),
        ({"deprecation": "@1688169599", "sunset": "soon"}, Retirement(JULY_2023)),
        (
            {"deprecation": "@1688169599", "link": '<https://a.example/why>; rel="deprecation"; type="text/html"'},
            Retirement(JULY_2023, None, "https://a.example/why"),
        ),
        (
            {
                "sunset": "Fri, 30 Jun 2023 23:59:59 GMT",
                "link": "<https://a.example/2>; rel=next, <https://a.example/s>; rel=sunset",
            },
            Retirement(None, JULY_2023, "https://a.example/s"),
        ),
        ({"deprecation": "@1688169599", "link": "<javascript:x>; rel=deprecation"}, Retirement(JULY_2023)),
        ({"deprecation": "@1688169599", "link": '<https://a.example/2>; rel="next"'}, Retirement(JULY_2023)),
    ],
)
def test_what_is_said_is_read(headers, expected):
    """Dates in all their forms, and where to read more."""
    assert read_retirement(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"link": "<https://a.example/why>; rel=deprecation"},
        {"deprecation": "false"},
        {"deprecation": "?0"},
        {"deprecation": ""},
        {"deprecation": "@"},
        {"deprecation": "@99999999999999999999"},
        {"deprecation": "@-5"},
        {"deprecation": "@" + "1" * 2_000},
        {"sunset": "@1688169599"},
        {"sunset": "Fri, 30 Jun 99999 23:59:59 GMT"},
        {"sunset": "x" * 5_000},
    ],
)
def test_what_cannot_be_read_was_not_said(headers):
    """Nor does it raise anything."""
    assert read_retirement(headers) is None
