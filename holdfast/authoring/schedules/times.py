"""The times at which a schedule is due.

Owns: intervals and single times, the times of a whole schedule between its start and end, how far one is put off.
Must not know: what is started, what has been started.

Due times are whole seconds since the epoch. How far a due time is put off follows from the schedule's name and the due
time alone, so everybody who works it out finds the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from holdfast.authoring.schedules.cron import Cron
from holdfast.authoring.schedules.spec import ScheduleSpec

_FRACTION_BYTES: Final = 8


class Calendar(Protocol):
    """Anything that names moments."""

    def after(self, moment: int) -> int | None:
        """Return the first moment after `moment`, None when there is none."""


@dataclass(frozen=True, slots=True)
class Every:
    """Moments that are evenly apart."""

    seconds: int
    anchor: int
    """One of them; the others count from it, both ways."""

    def after(self, moment: int) -> int:
        """Return the first moment after `moment`."""
        return moment + self.seconds - (moment - self.anchor) % self.seconds


@dataclass(frozen=True, slots=True)
class Once:
    """Moments that were written down one by one."""

    moments: tuple[int, ...]
    """In order."""

    def after(self, moment: int) -> int | None:
        """Return the first moment after `moment`, None when they are over."""
        place = bisect_right(self.moments, moment)
        return self.moments[place] if place < len(self.moments) else None


class Times:
    """The due times of a schedule."""

    __slots__ = ("_calendars", "_name", "_spec")

    def __init__(self, name: str, spec: ScheduleSpec) -> None:
        """Read what a schedule says about time; `spec` was checked when it was made."""
        self._name = name
        self._spec = spec
        zone = ZoneInfo(spec.timezone)
        self._calendars: list[Calendar] = [Cron(each, zone) for each in spec.cron]
        if spec.every:
            self._calendars.append(Every(spec.every, spec.anchor))
        if spec.at:
            self._calendars.append(Once(spec.at))

    def after(self, moment: float) -> int | None:
        """Return the first due time after `moment`, None when there is none."""
        spec = self._spec
        whole = int(moment // 1)
        if spec.start is not None:
            whole = max(whole, spec.start - 1)
        found = [each for calendar in self._calendars if (each := calendar.after(whole)) is not None]
        first = min(found, default=None)
        return None if first is None or (spec.end is not None and first > spec.end) else first

    def following(self, moment: float) -> Iterator[int]:
        """Yield the due times after `moment`, in order; there may be no end to them."""
        due = self.after(moment)
        while due is not None:
            yield due
            due = self.after(due)

    def fires_at(self, due: int) -> float:
        """Return when a due time is acted on: not before it, and at most the schedule's jitter after it."""
        if not self._spec.jitter:
            return float(due)
        digest = blake2b(f"{self._name}\0{due}".encode(), digest_size=_FRACTION_BYTES).digest()
        share = int.from_bytes(digest, "big") / (1 << 8 * _FRACTION_BYTES)
        return due + share * self._spec.jitter


def run_id_of(name: str, due: int) -> str:
    """Return the id of the run that a schedule starts for a due time, such as `nightly-20261129T030000Z`."""
    return f"{name}-{datetime.fromtimestamp(due, UTC):%Y%m%dT%H%M%SZ}"
