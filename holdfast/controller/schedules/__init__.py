"""Schedules: what is started by itself, whoever is running.

Owns: how schedules go forward, the loop that sees to it, and the verbs of the API that are about them.
Must not know: HTTP, how runs are carried out.
"""

from holdfast.controller.schedules.acting import Actor
from holdfast.controller.schedules.defining import Wanted, define_all
from holdfast.controller.schedules.documents import BackfillRequest, Fired, ScheduleDocument, ScheduleRequest
from holdfast.controller.schedules.kept import KeptSchedules
from holdfast.controller.schedules.scheduler import Scheduler
from holdfast.controller.schedules.service import ScheduleService, schedules_of

__all__ = [
    "Actor",
    "BackfillRequest",
    "Fired",
    "KeptSchedules",
    "ScheduleDocument",
    "ScheduleRequest",
    "ScheduleService",
    "Scheduler",
    "Wanted",
    "define_all",
    "schedules_of",
]
