"""Side effects, as the markers of Temporal's local activities.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.

Temporal records nothing but the outcome. It stands right behind a workflow task of its own, as where a local activity
takes longer than one: then there is no doubt which of the code's turns it belongs to.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from holdfast.history.events import SideEffectCancelled, SideEffectRecorded, SideEffectRequested
from holdfast.history.temporal.failures import write_failure
from holdfast.history.temporal.markers import LOCAL_DETAILS, LOCAL_MARKER, LOCAL_RESULT, MARKER, NAME
from holdfast.history.temporal.notes import SIDE_EFFECT
from holdfast.history.temporal.payloads import write_result
from holdfast.history.temporal.writing.sheet import Sheet, Writes, inside

_CANCELLED: Final = {"message": "Activity cancelled", "canceledFailureInfo": {}}


def request(sheet: Sheet, event: SideEffectRequested) -> None:
    """Count it; Temporal has no word for that."""
    sheet.activity_id(event.step, NAME)
    sheet.effects[event.step] = sheet.activities, sheet.time


def record(sheet: Sheet, event: SideEffectRecorded) -> None:
    """Let the outcome be written behind the workflow task."""
    if event.step in sheet.effects:
        sheet.first.append(partial(_mark, sheet, event))


def cancel(sheet: Sheet, event: SideEffectCancelled) -> None:
    """Write that the code does without it."""
    if event.step in sheet.effects:
        _mark_as(sheet, event.step, {}, {"failure": _CANCELLED}, 0)


def _mark(sheet: Sheet, event: SideEffectRecorded) -> None:
    if event.failure is not None:
        _mark_as(sheet, event.step, {}, {"failure": write_failure(event.failure)}, 1)
    else:
        _mark_as(sheet, event.step, {LOCAL_RESULT: write_result(inside(event.result))}, {}, 1)


def _mark_as(sheet: Sheet, step: str, result: dict[str, Any], failure: dict[str, Any], attempt: int) -> None:
    number, asked = sheet.effects.pop(step)
    data = {
        "seq": number,
        "attempt": attempt,
        "activity_id": step,
        "activity_type": SIDE_EFFECT,
        "complete_time": _stamp(sheet.time) if attempt else None,
        "backoff": None,
        "original_schedule_time": _stamp(asked),
        "activation_index": 0,
    }
    details = {LOCAL_DETAILS: write_result(msgspec.json.encode(data)), **result}
    sheet.decide(MARKER, markerName=LOCAL_MARKER, details=details, **failure)


def _stamp(seconds: float) -> dict[str, int]:
    whole = int(seconds)
    return {"seconds": whole, "nanos": round((seconds - whole) * 1e6) * 1000}


INPUTS: Final[Writes] = {SideEffectRecorded: record}
DECISIONS: Final[Writes] = {SideEffectRequested: request, SideEffectCancelled: cancel}
