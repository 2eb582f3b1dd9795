"""Locks and semaphores, as the activities of our adapter.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.

A place is given back by an activity, and a run does not end before that is done. One that the code has stopped waiting
for is cancelled first. It may be in line all the same, so it is given back, too, when that has come through.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from holdfast.history.events import LockGranted, LockReleased, LockRequested
from holdfast.history.temporal.locks import LOCK, UNLOCK
from holdfast.history.temporal.payloads import write_arguments, write_result
from holdfast.history.temporal.queues import QUEUE
from holdfast.history.temporal.writing.sheet import IDENTITY, PlaceWritten, Sheet, Writes

OWN_QUEUE: Final = f"{QUEUE}:own"
"""The task queue of Holdfast's own activities."""


def ask(sheet: Sheet, event: LockRequested) -> None:
    """Write that the code wants a place."""
    asking = {"execution": sheet.begun.execution, "name": event.name, "slots": event.slots}
    sheet.places[event.step] = PlaceWritten(_schedule(sheet, LOCK, event.step, asking))


def grant(sheet: Sheet, event: LockGranted) -> None:
    """Write that the place is the run's."""
    place = sheet.places.get(event.step)
    if place is None:
        return  # the code did not wait any more
    place.is_held = True
    _complete(sheet, place.scheduled, event.time, msgspec.json.encode(event.token))


def leave(sheet: Sheet, event: LockReleased) -> None:
    """Write that the code gives the place back, or stops waiting for it."""
    place = sheet.places.pop(event.step, None)
    if place is None:
        return
    sheet.leaving += 1
    if place.is_held:
        _give_back(sheet, event)
        return
    sheet.decide("ActivityTaskCancelRequested", scheduledEventId=str(place.scheduled))
    sheet.later.append(partial(_stopped, sheet, event, place))


def is_held(sheet: Sheet, event: Any) -> bool:
    """Say whether an event gives back a place that the run has."""
    place = sheet.places.get(event.step) if isinstance(event, LockReleased) else None
    return place is not None and place.is_held


def _stopped(sheet: Sheet, event: LockReleased, place: PlaceWritten) -> None:
    started = _start(sheet, place.scheduled, sheet.time)
    sheet.add(
        "ActivityTaskCanceled",
        sheet.time,
        scheduledEventId=str(place.scheduled),
        startedEventId=str(started),
        identity=IDENTITY,
    )
    sheet.first.append(partial(_give_back, sheet, event))


def _give_back(sheet: Sheet, event: LockReleased) -> None:
    leaving = {"execution": sheet.begun.execution, "name": event.name, "step": event.step}
    scheduled = _schedule(sheet, UNLOCK, f"{event.step}/unlock", leaving)
    sheet.later.append(partial(_left, sheet, scheduled))


def _left(sheet: Sheet, scheduled: int) -> None:
    _complete(sheet, scheduled, sheet.time, b"null")
    sheet.leaving -= 1


def _schedule(sheet: Sheet, kind: str, step: str, argument: dict[str, Any]) -> int:
    return sheet.decide(
        "ActivityTaskScheduled",
        activityId=sheet.activity_id(step, kind),
        activityType={"name": kind},
        taskQueue={"name": OWN_QUEUE, "kind": "TASK_QUEUE_KIND_NORMAL"},
        input=write_arguments(msgspec.json.encode(argument)),
        scheduleToCloseTimeout="0s",
        scheduleToStartTimeout="0s",
        startToCloseTimeout="10s",
        heartbeatTimeout="0s",
    )


def _start(sheet: Sheet, scheduled: int, time: float) -> int:
    return sheet.add("ActivityTaskStarted", time, scheduledEventId=str(scheduled), identity=IDENTITY, attempt=1)


def _complete(sheet: Sheet, scheduled: int, time: float, result: bytes) -> None:
    started = _start(sheet, scheduled, time)
    sheet.add(
        "ActivityTaskCompleted",
        time,
        result=write_result(result),
        scheduledEventId=str(scheduled),
        startedEventId=str(started),
        identity=IDENTITY,
    )


INPUTS: Final[Writes] = {LockGranted: grant}
DECISIONS: Final[Writes] = {LockRequested: ask, LockReleased: leave}
