"""What hosts say will be gone.

Owns: reading the `Deprecation` and `Sunset` headers.
Must not know: what is done about it.

Read are: `Deprecation` as RFC 9745 has it (`@1688169599`, a date of structured fields), and as the drafts before it had
it (`true`, a date of HTTP); `Sunset` (RFC 8594, a date of HTTP); and the `Link` that says where to read more, by its
relation `deprecation` or `sunset`. What cannot be read was not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

HEADER_CHARACTERS_MAX: Final = 1_000
"""Nothing that is longer is read."""
LINK_CHARACTERS_MAX: Final = 300
LONG_SINCE: Final = 0.0
"""When something was deprecated of which it is only said that it is."""

_STRUCTURED: Final = re.compile(r"@(-?[0-9]{1,15})\s*(?:;.*)?", re.ASCII)
_LINK: Final = re.compile(r"<([^<>\"\s]{1,300})>((?:\s*;\s*[A-Za-z*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\";,]+))*)", re.ASCII)
_RELATION: Final = re.compile(r";\s*rel\s*=\s*\"?([^\";]*)", re.ASCII | re.IGNORECASE)
_TIME_MAX: Final = 253_402_300_799.0
"""The end of the year 9999: dates after it cannot be shown."""


class Retirement(msgspec.Struct, frozen=True):
    """What an answer says will be gone. Times are seconds since the epoch."""

    deprecated_at: float | None = None
    """Since when it is not to be used any more, LONG_SINCE where only that is said; None where nothing is."""
    sunset_at: float | None = None
    """From when on it may be gone."""
    link: str = ""
    """Where to read more; https only."""


def read_retirement(headers: Mapping[str, str]) -> Retirement | None:
    """Return what the headers of an answer say will be gone; None where they say nothing of that kind.

    Args:
        headers: by name; looked up in lower case.
    """
    deprecated_at = _deprecated(headers.get("deprecation", ""))
    sunset_at = _date(headers.get("sunset", ""))
    if deprecated_at is None and sunset_at is None:
        return None
    return Retirement(deprecated_at, sunset_at, _link(headers.get("link", "")))


def _deprecated(text: str) -> float | None:
    text = text.strip()
    if text.lower() in {"true", "?1"}:
        return LONG_SINCE
    structured = _STRUCTURED.fullmatch(text) if len(text) <= HEADER_CHARACTERS_MAX else None
    return _date(text) if structured is None else _in_range(float(structured[1]))


def _date(text: str) -> float | None:
    if not text or len(text) > HEADER_CHARACTERS_MAX:
        return None
    try:
        then = parsedate_to_datetime(text.strip().strip('"'))
        # asctime has no zone: RFC 9110 says that it is UTC
        return _in_range((then if then.tzinfo is not None else then.replace(tzinfo=UTC)).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def _in_range(time: float) -> float | None:
    return time if 0.0 <= time <= _TIME_MAX else None


def _link(text: str) -> str:
    if len(text) > HEADER_CHARACTERS_MAX * 4:
        return ""
    for target, parameters in _LINK.findall(text):
        relation = _RELATION.search(parameters)
        is_meant = relation is not None and {"deprecation", "sunset"} & set(relation[1].lower().split())
        if is_meant and target.startswith("https://") and len(target) <= LINK_CHARACTERS_MAX:
            return str(target)
    return ""
