"""Times as people and programs read them outside: ISO 8601, UTC.

Owns: that form.
Must not know: what happened at the time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

LAST: Final = "9999-12-31T23:59:59.999999Z"
"""Stands for every later time: a timer may be set for longer than dates go."""


def iso_time(seconds: float) -> str:
    """Return a time, in seconds since the epoch, such as `2026-11-23T19:33:49.000000Z`."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return LAST
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds_of(moment: datetime | None) -> float | None:
    """Return a moment in seconds since the epoch; one without a zone is in UTC. None stays None."""
    if moment is None:
        return None
    # The first and the last years have no seconds in a zone that is not said.
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def iso_time_or_none(seconds: float | None) -> str | None:
    """Return a time, or None where there is none."""
    return None if seconds is None else iso_time(seconds)
