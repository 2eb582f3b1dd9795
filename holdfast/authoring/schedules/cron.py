"""Cron expressions in a time zone. The only door to cronsim.

Owns: reading an expression, and what becomes of local times that a change of the clocks skips or repeats.
Must not know: schedules, what is started.

Theory of operation
===================

cronsim says which local times an expression names, on a clock that is never changed. What a time zone makes of them is
decided here, the way Debian's cron does it:

- An expression that names its minutes and hours, such as `30 3 * * *`, means once for each time that it names. A time
  that the clocks skip comes at the moment they are put forward; several that are skipped together come once. A time
  that comes twice counts the first time.
- An expression whose minutes or hours begin with a star, such as `*/15 * * * *` or `0 * * * *`, means a beat: it
  matches whatever the clock shows. What the clock skips is not there, and what it shows twice comes twice, so that the
  beat goes on.

Moments are whole seconds since the epoch.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EXPRESSION_CHARACTERS_MAX: Final = 300
"""How long an expression may be."""
CHANGES_LOOKED_FOR_EVERY: Final = 7 * 86_400
"""How far apart a zone's offset is looked at, in seconds: no zone has changed within a week and changed back."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times here have no zone on purpose
_SECOND: Final = timedelta(seconds=1)
_FIELDS: Final = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31 or L",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, where 0 and 7 are Sunday",
}


@dataclass(frozen=True, slots=True)
class Days:
    """Which days and times of day an expression names: days are of the month, 0 is Sunday."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either: bool
    """Whether day of month and day of week are enough each by itself."""


class Cron:
    """The moments that an expression names in a time zone."""

    __slots__ = ("_is_beat", "_matcher", "_zone", "expression")

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        """Read an expression: five fields, six with seconds first, or a word such as `@daily`.

        Raises:
            ValueError: it is none, or names no time in fifty years.
        """
        self.expression = expression
        self._zone = zone
        fields = ALIASES.get(expression.strip().lower(), expression).split()
        if len(fields) not in {5, 6} or len(expression) > EXPRESSION_CHARACTERS_MAX:
            raise ValueError(
                f"{expression[:EXPRESSION_CHARACTERS_MAX]!r} is no cron expression: expected five fields (minute, hour,"
                f" day of month, month, day of week), six with seconds first, or one of {', '.join(ALIASES)}"
            )
        try:
            self._matcher = CronSim(" ".join(fields), _EPOCH)
        except CronSimError as error:
            raise ValueError(f"{expression!r} is no cron expression: {_explain(error, fields)}") from None
        self._is_beat = any(each.startswith("*") for each in fields[:-3])
        if self._first_after(_EPOCH) is None:
            raise ValueError(f"{expression!r} names no time: no day is like that in fifty years")

    def fields(self) -> Days | None:
        """Return what it names, field by field; None where that takes more than numbers: `L`, or `5#2`."""
        matcher = self._matcher
        weekdays = [each for each in matcher.weekdays if isinstance(each, int)]
        if len(weekdays) < len(matcher.weekdays) or min(matcher.days) < 0:
            return None
        return Days(
            frozenset(matcher.seconds),
            frozenset(matcher.minutes),
            frozenset(matcher.hours),
            frozenset(matcher.days),
            frozenset(matcher.months),
            frozenset(each % 7 for each in weekdays),
            not matcher.day_and,
        )

    def after(self, moment: int) -> int | None:
        """Return the first moment after `moment`; None when there is none in fifty years."""
        return self._beat_after(moment) if self._is_beat else self._time_after(moment)

    def _time_after(self, moment: int) -> int | None:
        local: datetime | None = self._local(moment)
        while local is not None and (local := self._first_after(local)) is not None:
            found = moment_of(local, self._zone)
            if found > moment:  # else the clock shows it for the second time
                return found
        return None

    def _beat_after(self, moment: int) -> int | None:
        # Local time runs evenly as long as the offset stays: from each change of it we begin anew.
        offset, valid_from, start = self._offset(moment), moment, moment
        while True:
            local = self._first_after(_EPOCH + timedelta(seconds=start + offset))
            if local is None:
                return None
            found = (local - _EPOCH) // _SECOND - offset
            change = self._first_change(valid_from, found)
            if change is None:
                return found
            offset, valid_from, start = self._offset(change), change, change - 1

    def _first_after(self, local: datetime) -> datetime | None:
        matcher = copy(self._matcher)
        matcher.dt = local
        try:
            return next(matcher, None)
        except (OverflowError, ValueError):  # the calendar ends
            return None

    def _first_change(self, moment: int, until: int) -> int | None:
        """Return the first moment in (moment, until] at which the zone has another offset than at `moment`."""
        offset, step = self._offset(moment), CHANGES_LOOKED_FOR_EVERY
        while moment < until:
            following = min(moment + step, until)
            if self._offset(following) != offset:
                return _change_between(moment, following, self._zone)
            moment = following
        return None

    def _local(self, moment: int) -> datetime:
        return _EPOCH + timedelta(seconds=moment + self._offset(moment))

    def _offset(self, moment: int) -> int:
        return _offset(moment, self._zone)


def moment_of(local: datetime, zone: ZoneInfo) -> int:
    """Return the moment of a local time without a zone: the first of two, and for one that is skipped the change."""
    first = int(local.replace(tzinfo=zone, fold=0).timestamp())
    if first + _offset(first, zone) == (local - _EPOCH) // _SECOND:
        return first
    # Read by the offset from before the change it lies behind the change, by the one from after it before.
    return _change_between(int(local.replace(tzinfo=zone, fold=1).timestamp()), first, zone)


def _change_between(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the moment at which the zone's offset changes, given moments on both sides of it."""
    offset = _offset(before, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(moment: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at any time"
    return offset // _SECOND


def _explain(error: CronSimError, fields: list[str]) -> str:
    """Return what is wrong, with the field that is meant and what it may be."""
    name = str(error).removeprefix("Bad ")
    if name not in _FIELDS:
        return str(error)
    names = list(_FIELDS)[-len(fields) :]
    return f"{fields[names.index(name)]!r} is no {name}, expected {_FIELDS[name]}, *, lists, ranges and steps"
