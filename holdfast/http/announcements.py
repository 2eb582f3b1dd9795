"""What hosts say about how often they may be called.

Owns: reading Retry-After and the families of rate limit headers.
Must not know: what is done about it.

Read are: `Retry-After` (RFC 9110, seconds and all three forms of dates); `RateLimit` and `RateLimit-Policy` of the
IETF's draft "RateLimit header fields for HTTP", in its forms up to 06 (`RateLimit-Limit`, `-Remaining`, `-Reset`), 07
(`limit=10, remaining=0, reset=5`) and since 08 (`"name";r=0;t=5`); and the `X-RateLimit-*` that came before, also as
`X-Rate-Limit-*`, whose reset is seconds from now, seconds or milliseconds since the epoch, a date, or a duration such
as `6m0s`, and which may be about requests, as in `X-RateLimit-Limit-Requests`. What cannot be read was not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

SECONDS_MAX: Final = 86_400.0
"""Nobody is left alone for longer than this."""
EPOCH_SECONDS_MIN: Final = 1_000_000_000.0
"""A reset that is larger is a point in time, in seconds ..."""
EPOCH_MILLISECONDS_MIN: Final = 1_000_000_000_000.0
"""... or in milliseconds."""
HEADER_CHARACTERS_MAX: Final = 1_000
"""Nothing that is longer is read."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_DURATION: Final = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?(?:([0-9]{1,9})ms)?",
    re.ASCII,
)
_PARAMETER: Final = re.compile(r"\b(limit|remaining|reset|q|w|r|t)\s*=\s*\"?([0-9]{1,15}(?:\.[0-9]{1,9})?)", re.ASCII)
_OLD_NAMES: Final = ("ratelimit-{}", "x-ratelimit-{}", "x-rate-limit-{}", "x-ratelimit-{}-requests")


class Announcement(msgspec.Struct, frozen=True):
    """What an answer says about further calls."""

    retry_after: float | None = None
    """Seconds until the host wants to be asked again."""
    amount: float = 0.0
    """How many calls it takes within `per` seconds; 0 where it did not say both."""
    per: float = 0.0
    remaining: float | None = None
    """How many are left."""
    reset: float | None = None
    """Seconds until there are more."""

    @property
    def wait_seconds(self) -> float | None:
        """Return how long to leave the host alone, None when it says nothing of that kind."""
        if self.retry_after is not None:
            return self.retry_after
        return self.reset if self.remaining == 0.0 else None


SILENT: Final = Announcement()


def read_announcement(headers: Mapping[str, str], now: float) -> Announcement:
    """Return what the headers of an answer say.

    Args:
        headers: by name; looked up in lower case.
        now: seconds since the epoch.
    """
    found = {
        "retry_after": _retry_after(headers.get("retry-after"), now),
        **_new_forms(headers),
    }
    if "remaining" not in found:
        found |= _old_forms(headers, now)
    return Announcement(**{name: value for name, value in found.items() if value is not None})


def read_retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most SECONDS_MAX; None when it cannot be read."""
    return _retry_after(text, now)


def _retry_after(text: str | None, now: float) -> float | None:
    if text is None or len(text) > HEADER_CHARACTERS_MAX:
        return None
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), SECONDS_MAX)
    return _until(text, now)


def _until(date: str, now: float) -> float | None:
    try:
        then = parsedate_to_datetime(date)
        if then.tzinfo is None:  # asctime: RFC 9110 says that it is UTC
            then = then.replace(tzinfo=UTC)
        return min(max(0.0, then.timestamp() - now), SECONDS_MAX)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        then = datetime.fromisoformat(date)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return min(max(0.0, then.timestamp() - now), SECONDS_MAX)


def _new_forms(headers: Mapping[str, str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    policy = headers.get("ratelimit-policy", "")
    if policy:
        found |= _tightest(policy)
    limit = headers.get("ratelimit", "")
    if limit and len(limit) <= HEADER_CHARACTERS_MAX:
        # Of several limits, the one with least left is the one that matters.
        items: list[dict[str, str]] = [dict(_PARAMETER.findall(each)) for each in _items(limit)]
        if len(items) > 1 and not any("r" in each for each in items):
            items = [dict(_PARAMETER.findall(limit))]  # form 07: one limit, whose parts stand between commas
        known = [each for each in items if "r" in each or "remaining" in each]
        if known:
            least = min(known, key=lambda each: float(each.get("r", each.get("remaining", "0"))))
            found["remaining"] = float(least.get("r", least.get("remaining", "0")))
            reset = least.get("t", least.get("reset"))
            found["reset"] = None if reset is None else min(float(reset), SECONDS_MAX)
    return found


def _tightest(policy: str) -> dict[str, float | None]:
    """Return the amount and window of the policy with the lowest rate."""
    if len(policy) > HEADER_CHARACTERS_MAX:
        return {}
    found: list[tuple[float, float]] = []
    for item in _items(policy):
        parameters: dict[str, str] = dict(_PARAMETER.findall(item))
        head = item.partition(";")[0].strip()
        amount = float(parameters.get("q", head if _NUMBER.fullmatch(head) else "0"))
        window = float(parameters.get("w", "0"))
        if amount > 0.0 and window > 0.0:
            found.append((amount, window))
    if not found:
        return {}
    amount_found, per = min(found, key=lambda each: each[0] / each[1])
    return {"amount": amount_found, "per": per}


def _items(text: str) -> list[str]:
    return text.split(",")


def _old_forms(headers: Mapping[str, str], now: float) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for form in _OLD_NAMES:
        limit = headers.get(form.format("limit"))
        remaining = headers.get(form.format("remaining"))
        if limit is None and remaining is None:
            continue
        if limit is not None:
            found |= _tightest(limit)  # 10, 10;w=1, 50;w=60
        found["remaining"] = _number(remaining)
        found["reset"] = _reset(headers, form, now)
        break
    return found


def _reset(headers: Mapping[str, str], form: str, now: float) -> float | None:
    after = headers.get(form.format("reset-after"))
    text = headers.get(form.format("reset")) if after is None else after
    if text is None or len(text) > HEADER_CHARACTERS_MAX:
        return None
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number >= EPOCH_MILLISECONDS_MIN:
            number = number / 1_000.0 - now
        elif number >= EPOCH_SECONDS_MIN:
            number -= now
        return min(max(0.0, number), SECONDS_MAX)
    parts = _DURATION.fullmatch(text)
    if text and parts is not None:
        days, hours, minutes, seconds, milliseconds = (float(each or 0) for each in parts.groups())
        return min(days * 86_400 + hours * 3_600 + minutes * 60 + seconds + milliseconds / 1_000, SECONDS_MAX)
    return _until(text, now)


def _number(text: str | None) -> float | None:
    return None if text is None or not _NUMBER.fullmatch(text.strip()) else float(text)
