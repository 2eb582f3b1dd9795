"""When a schedule is due, in Temporal's words.

Owns: expressions, intervals, single times and policies as Temporal has them, and what it does not have.
Must not know: how a schedule gets there.

Temporal matches field by field and every field has to fit. Where day of month and day of week are enough each by
itself, an expression is two calendars there. It knows no last day of a month and no second Friday.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import IntervalSpec, Range, SchedulePolicies, StructuredCalendarSpec
from temporalio.api.schedule.v1 import ScheduleSpec as TheirSpec

from holdfast.authoring.schedules import Cron, ScheduleSpec
from holdfast.errors import NotOnEngineError
from holdfast.temporal.runtime import ENGINE

OVERLAPS: Final = {
    "skip": ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP,
    "buffer_one": ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
    "allow": ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
    "cancel_old": ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
}
"""Temporal's policy for each of ours."""
_ALL_DAYS: Final = frozenset(range(1, 32))
_ALL_WEEKDAYS: Final = frozenset(range(7))


def write_times(name: str, spec: ScheduleSpec) -> TheirSpec:
    """Return when a schedule is due.

    Raises:
        NotOnEngineError: Temporal has no words for it.
    """
    zone = ZoneInfo(spec.timezone)
    written = TheirSpec(timezone_name=spec.timezone)
    for each in spec.cron:
        written.structured_calendar.extend(_calendars(name, each, zone))
    if spec.every:
        interval = IntervalSpec()
        interval.interval.FromTimedelta(timedelta(seconds=spec.every))
        interval.phase.FromTimedelta(timedelta(seconds=spec.anchor % spec.every))
        written.interval.append(interval)
    if spec.at:
        written.timezone_name = "UTC"
        written.structured_calendar.extend(map(_single, spec.at))
    if spec.start is not None:
        written.start_time.CopyFrom(Timestamp(seconds=spec.start))
    if spec.end is not None:
        written.end_time.CopyFrom(Timestamp(seconds=spec.end))
    if spec.jitter:
        written.jitter.FromTimedelta(timedelta(seconds=spec.jitter))
    return written


def write_policies(spec: ScheduleSpec) -> SchedulePolicies:
    """Return what is done where something is in the way."""
    written = SchedulePolicies(overlap_policy=OVERLAPS[spec.overlap], pause_on_failure=spec.pause_on_failure)
    written.catchup_window.FromTimedelta(timedelta(seconds=spec.catch_up))
    return written


def _calendars(name: str, expression: str, zone: ZoneInfo) -> list[StructuredCalendarSpec]:
    fields = Cron(expression, zone).fields()
    if fields is None:
        raise NotOnEngineError(f"L or # in a cron expression ({expression!r})", ENGINE, f"schedule {name!r}")
    days = [(fields.days, fields.weekdays)]
    if fields.is_either:
        days = [(fields.days, _ALL_WEEKDAYS), (_ALL_DAYS, fields.weekdays)]
    return [
        StructuredCalendarSpec(
            second=_ranges(fields.seconds),
            minute=_ranges(fields.minutes),
            hour=_ranges(fields.hours),
            day_of_month=_ranges(of_month),
            month=_ranges(fields.months),
            day_of_week=_ranges(of_week),
            comment=expression,
        )
        for of_month, of_week in days
    ]


def _single(moment: int) -> StructuredCalendarSpec:
    at = datetime.fromtimestamp(moment, UTC)
    return StructuredCalendarSpec(
        second=[Range(start=at.second)],
        minute=[Range(start=at.minute)],
        hour=[Range(start=at.hour)],
        day_of_month=[Range(start=at.day)],
        month=[Range(start=at.month)],
        year=[Range(start=at.year)],
        day_of_week=[Range(start=0, end=6)],
    )


def _ranges(values: Iterable[int]) -> list[Range]:
    """Return numbers as ranges: neighbours are one."""
    ranges: list[Range] = []
    for each in sorted(values):
        if ranges and ranges[-1].end == each - 1:
            ranges[-1].end = each
        else:
            ranges.append(Range(start=each, end=each))
    return ranges
