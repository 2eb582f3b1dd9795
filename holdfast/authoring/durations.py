"""Durations as people write them: `"30s"`, `"1h30m"`, seconds, `timedelta`.

Owns: the notation.
Must not know: what a duration is for.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final, TypeAlias

from holdfast.errors import DefinitionError

Duration: TypeAlias = str | float | timedelta
"""`"250ms"`, `"30s"`, `"1m"`, `"2h"`, `"3d"`, `"1w"`, put together as in `"1h30m"`; seconds; or a timedelta."""

SECONDS_MAX: Final = 100 * 365 * 86_400.0
"""A hundred years: more is a mistake in the unit."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_WRITTEN: Final = "Write 250ms, 30s, 5m, 2h, 3d, 1h30m, or seconds."
_NOTATION: Final = 'Write "250ms", "30s", "1m", "2h", "3d", "1h30m", seconds, or a timedelta.'


def parse_duration(duration: Duration, what: str = "a duration", *, zero: bool = False) -> float:
    """Return a duration in seconds.

    Args:
        duration: text such as `"1h30m"`, a number of seconds, or a timedelta.
        what: names it in errors, such as "timeout of task 'fetch'".
        zero: whether 0 is allowed.

    Raises:
        DefinitionError: it is no duration, or it is negative, not finite or over a hundred years.

    >>> parse_duration("1h30m")
    5400.0
    """
    match duration:
        case bool():
            seconds = math.nan
        case int() | float():
            seconds = float(duration)
        case timedelta():
            seconds = duration.total_seconds()
        case str():
            seconds = _parse(duration)
        case _:
            seconds = math.nan
    if not math.isfinite(seconds):
        raise DefinitionError(f"{what} is {duration!r}, which is no duration", remedy=_NOTATION)
    if seconds < 0 or (seconds == 0 and not zero) or seconds > SECONDS_MAX:
        least = "0 or more" if zero else "more than 0"
        raise DefinitionError(f"{what} is {duration!r}: it has to be {least}, and at most 100 years", remedy=_NOTATION)
    return seconds


def read_duration(duration: Duration, what: str = "a duration", *, zero: bool = False) -> float:
    """As `parse_duration`, of what comes from outside code: a text that is a plain number is that many seconds.

    >>> read_duration("90")
    90.0
    """
    if isinstance(duration, str) and _NUMBER.fullmatch(duration.strip()):
        duration = float(duration)
    try:
        return parse_duration(duration, what, zero=zero)
    except DefinitionError as error:
        raise DefinitionError(error.what, remedy=_WRITTEN) from None


def write_duration(seconds: float) -> str:
    """Return a number of seconds as a duration that `parse_duration` reads, such as `1h30m`.

    >>> write_duration(5400)
    '1h30m'
    """
    milliseconds = round(seconds * 1_000)
    written = ""
    for unit in ("d", "h", "m", "s", "ms"):
        size = round(_UNITS[unit] * 1_000)
        count, milliseconds = divmod(milliseconds, size)
        written += f"{count}{unit}" if count else ""
    return written or "0s"


def _parse(text: str) -> float:
    seconds, place = 0.0, 0
    written = text.strip()
    previous = math.inf
    while place < len(written):
        part = _PART.match(written, place)
        if part is None:
            return math.nan
        unit = _UNITS[part[2]]
        if unit >= previous:  # "5m1h" and "1s1s" are more likely slips than durations
            return math.nan
        previous = unit
        seconds += float(part[1]) * unit
        place = part.end()
    return seconds if written else math.nan
