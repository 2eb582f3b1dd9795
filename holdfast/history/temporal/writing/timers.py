"""Timers, as Temporal's.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from typing import Final

from holdfast.history.events import TimerCancelled, TimerFired, TimerStarted
from holdfast.history.temporal.writing.sheet import IDENTITY, Sheet, Writes


def start(sheet: Sheet, event: TimerStarted) -> None:
    """Write that the code waits for a time."""
    timer = sheet.timer_id(event.step)
    sheet.open[event.step] = sheet.decide("TimerStarted", timerId=timer, startToFireTimeout=f"{event.seconds:.9f}s")


def cancel(sheet: Sheet, event: TimerCancelled) -> None:
    """Write that the code does not wait for a timer any more."""
    started = sheet.open.pop(event.step, 0)
    if started:
        sheet.decide("TimerCanceled", timerId=sheet.timers[event.step], startedEventId=str(started), identity=IDENTITY)


def fire(sheet: Sheet, event: TimerFired) -> None:
    """Write that a timer's time has come."""
    started = sheet.open.pop(event.step, 0)
    if started:
        sheet.add("TimerFired", event.time, timerId=sheet.timers[event.step], startedEventId=str(started))


INPUTS: Final[Writes] = {TimerFired: fire}
DECISIONS: Final[Writes] = {TimerStarted: start, TimerCancelled: cancel}
