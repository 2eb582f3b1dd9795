"""The events of a file that Temporal's tools wrote, whatever their dialect.

Owns: the dialects: what surrounds the events, how their kinds and attributes are spelled.
Must not know: what any event means.

Dialects: the JSON of `temporal workflow show` and of the SDKs (`EVENT_TYPE_TIMER_FIRED`), that of older tools and of
the web interface (`TimerFired`), each as `{"events": [...]}`, under `"history"`, or as a bare list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.temporal.members import Members, camel_case

EVENTS_MAX: Final = 1_000_000
"""Temporal itself ends a run at 51,200."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event as Temporal recorded it."""

    number: int
    """Its id, from 1."""
    kind: str
    """Such as `ActivityTaskScheduled`."""
    time: float
    """Seconds since the epoch."""
    members: Members
    """Its attributes."""

    @property
    def where(self) -> str:
        """Return what errors call it."""
        return f"event {self.number}"


def read_records(content: bytes) -> list[Record] | None:
    """Return the events of a file, None when it is none of Temporal's.

    Raises:
        HistoryError: it is, and something is wrong with it; the event at fault is named.
    """
    try:
        found = _events_of(msgspec.json.decode(content))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    if len(found) > EVENTS_MAX:
        raise HistoryError(f"the file has more than {EVENTS_MAX:,} events (EVENTS_MAX)")
    return [_record(each, number) for number, each in enumerate(found, 1)]


def _events_of(file: Any) -> list[Any] | None:
    if isinstance(file, Mapping) and isinstance(file.get("history"), Mapping):
        file = file["history"]
    events = file.get("events") if isinstance(file, Mapping) else file
    if not isinstance(events, list) or not events:
        return None
    return events if any(_is_event(each) for each in events[:2]) else None


def _is_event(value: Any) -> bool:
    return isinstance(value, Mapping) and not {"eventType", "event_type", "eventId", "event_id"}.isdisjoint(value)


def _record(value: Any, number: int) -> Record:
    where = f"event {number}"
    event = Members(value, "an event", where)
    if event.number("eventId") != number:
        raise HistoryError(f"the ids do not count from 1: this one says {str(event.get('eventId'))[:40]!r}", where)
    kind = camel_case(event.needed_text("eventType"), "EVENT_TYPE")
    return Record(number, kind, event.moment("eventTime"), _attributes(event, kind, where))


def _attributes(event: Members, kind: str, where: str) -> Members:
    """Return the attributes of an event, which stand under a name of their own for each kind."""
    name = f"{kind[:1].lower()}{kind[1:]}EventAttributes"
    found = event.get(name) if name in event else event.get("attributes")
    if found is None:
        other = next((each for each in event if each.lower().endswith("attributes")), None)
        if other is not None:
            raise HistoryError(f"it is {kind[:60]!r} and has {other[:60]!r}", where)
    return Members(found, kind[:60], where)
