"""Schedules: what is started, and when.

Owns: `@schedule`, the form of a schedule, cron expressions and time zones, due times.
Must not know: stores, what has been started, who starts it.
"""

from holdfast.authoring.schedules.cron import Cron, Days
from holdfast.authoring.schedules.definition import ScheduleDefinition, define_spec, schedule
from holdfast.authoring.schedules.spec import (
    NAME,
    OVERLAPS,
    Overlap,
    ScheduleSpec,
    SpecProblems,
    Wording,
    decode_spec,
    encode_spec,
    read_moment,
    read_spec,
)
from holdfast.authoring.schedules.times import Every, Once, Times, run_id_of

__all__ = [
    "NAME",
    "OVERLAPS",
    "Cron",
    "Days",
    "Every",
    "Once",
    "Overlap",
    "ScheduleDefinition",
    "ScheduleSpec",
    "SpecProblems",
    "Times",
    "Wording",
    "decode_spec",
    "define_spec",
    "encode_spec",
    "read_moment",
    "read_spec",
    "run_id_of",
    "schedule",
]
