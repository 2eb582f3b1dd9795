"""One object of Temporal's JSON, read with care.

Owns: how a member is found under each spelling of its name, and what is said when it is missing or of another kind.
Must not know: events, what any member means.

protojson leaves out what has its default, so a missing text is '' and a missing number 0. Durations are `"1.5s"` or
`{"seconds", "nanos"}`, and 64-bit numbers may stand as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from holdfast.errors import HistoryError

_DURATION: Final = re.compile(r"-?\d{1,15}(\.\d{1,9})?s")
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_WHOLE: Final = re.compile(r"-?\d{1,19}")
_NANOSECONDS_MIN: Final = 10**17
"""From here on a bare number is a time in nanoseconds, as the oldest tools wrote it."""


class Members:
    """The members of one object, by their names in protojson (`scheduledEventId`)."""

    __slots__ = ("_values", "_what", "_where")

    def __init__(self, value: Any, what: str, where: str) -> None:
        """Look into `value`.

        Args:
            value: what JSON had there; None is an object without members.
            what: the object's name, for errors.
            where: the event it is in, for errors.

        Raises:
            HistoryError: it is no object.
        """
        if value is not None and not isinstance(value, Mapping):
            raise HistoryError(f"{what} is {_kind(value)}, not an object", where)
        self._values: Mapping[str, Any] = value or {}
        self._what = what
        self._where = where

    @property
    def where(self) -> str:
        """The event that it is in."""
        return self._where

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def get(self, name: str) -> Any:
        """Return a member as it stands, None when there is none."""
        values = self._values
        found = values.get(name)
        if found is None and values:
            found = values.get(_snake(name))
            if found is None:
                found = values.get(name[0].upper() + name[1:])
        return found

    def inner(self, name: str) -> Members:
        """Return a member that is an object."""
        return Members(self.get(name), f"{self._what}.{name}", self._where)

    def text(self, name: str) -> str:
        """Return a text, '' when there is none."""
        found = self.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self.wrong(name, f"is {_kind(found)}, not a text")
        return found

    def needed_text(self, name: str) -> str:
        """Return a text that may not be missing."""
        found = self.text(name)
        if not found:
            raise self.wrong(name, "is missing")
        return found

    def number(self, name: str) -> int:
        """Return a whole number, 0 when there is none."""
        found = self.get(name)
        match found:
            case None:
                return 0
            case bool():
                pass
            case int() if abs(found) < 1 << 63:
                return found
            case float() if found.is_integer() and abs(found) < 1 << 53:
                return int(found)
            case str() if _WHOLE.fullmatch(found):
                return int(found)
            case _:
                pass
        raise self.wrong(name, f"is {_kind(found)}, not a whole number")

    def word(self, name: str, prefix: str) -> str:
        """Return the value of an enumeration in `CamelCase`, from that or from `PREFIX_CAMEL_CASE`."""
        return camel_case(self.text(name), prefix)

    def seconds(self, name: str) -> float:
        """Return a duration, 0.0 when there is none."""
        found = self.get(name)
        if found is None:
            return 0.0
        if isinstance(found, Mapping):
            return _seconds_and_nanos(self.inner(name))
        if not isinstance(found, str) or not _DURATION.fullmatch(found):
            raise self.wrong(name, f"is {_kind(found)}, not a duration such as '1.5s'")
        return float(found[:-1])

    def moment(self, name: str) -> float:
        """Return a time, in seconds since the epoch; raises HistoryError when there is none."""
        found = self.get(name)
        match found:
            case Mapping():
                return _seconds_and_nanos(self.inner(name))
            case str() if parsed := _MOMENT.fullmatch(found):
                whole, fraction, zone = parsed.groups()
                try:
                    moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
                    nanos = int((fraction or ".0")[1:].ljust(9, "0"))
                    return _as_the_clock_told(int(moment.astimezone(UTC).timestamp()), nanos)
                except (ValueError, OverflowError):
                    pass
            case int() if not isinstance(found, bool) and _NANOSECONDS_MIN <= found < 1 << 63:
                return found / 1e9
            case None:
                raise self.wrong(name, "is missing")
            case _:
                pass
        raise self.wrong(name, f"is {_kind(found)}, not a time such as '2026-11-23T19:38:01.5Z'")

    def wrong(self, name: str, problem: str) -> HistoryError:
        """Return the error that says what is wrong with a member."""
        return HistoryError(f"{self._what}.{name} {problem}", self._where)


def camel_case(word: str, prefix: str) -> str:
    """Return `PREFIX_TWO_WORDS` as `TwoWords`, and what is written that way already as it is."""
    if not word.startswith(prefix + "_"):
        return word
    return "".join(each.capitalize() for each in word[len(prefix) + 1 :].split("_"))


def _seconds_and_nanos(members: Members) -> float:
    seconds = _as_the_clock_told(members.number("seconds"), members.number("nanos"))
    return seconds if math.isfinite(seconds) else 0.0


def _as_the_clock_told(seconds: int, nanos: int) -> float:
    """Return a time as `workflow.time()` of Temporal's SDK gave it to the code that ran.

    It divides nanoseconds, which are too many for a float, so that rounds twice. `seconds + nanos / 1e9` is another
    float for every fourth time, and a replay's `now()` would not be the recorded one.
    """
    return (seconds * 10**9 + nanos) / 1e9


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name)


def _kind(value: Any) -> str:
    match value:
        case str():
            return f"{value[:40]!r}"
        case bool() | int() | float():
            return str(value)[:40]
        case Mapping():
            return "an object"
        case _:
            return "an array"
