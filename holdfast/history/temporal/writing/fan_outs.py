"""`map_tasks`, as the chunks that our adapter makes of it.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.

A history has what came of the items, and not what they were: chunks are written with empty calls, and cut as the
adapter cuts items of which none is long. Which item came to its end when is nowhere, so all chunks end right before the
drain that learns of it. Of a fan-out that was given up only those end that failed, and the code stops the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import FanOutCancelled, FanOutCompleted, FanOutStarted
from holdfast.history.failures import Failure
from holdfast.history.temporal.fan_outs import PREFIX
from holdfast.history.temporal.mapping import FanOutNote
from holdfast.history.temporal.notes import NAME
from holdfast.history.temporal.payloads import write_arguments, write_payload, write_result
from holdfast.history.temporal.writing.sheet import IDENTITY, ChunkWritten, Sheet, Writes
from holdfast.history.transcript import ItemOutcome

CHUNKS: Final = 250
"""Into so many chunks the adapter cuts items, where there are enough."""
UNDER_WAY_MAX: Final = 250
"""How many chunks of a run it has under way at once."""


def start(sheet: Sheet, event: FanOutStarted) -> None:
    """Write that the code maps a task over items."""
    spans = _cut(event.count)
    under_way = sum(map(len, sheet.fan_outs.values()))
    if under_way + len(spans) > UNDER_WAY_MAX:
        raise HistoryError(
            f"{event.step} has {len(spans)} chunks on Temporal while {under_way} are under way, of {UNDER_WAY_MAX} at "
            "most (UNDER_WAY_MAX): when they would begin is in no history"
        )
    note = FanOutNote(event.step, event.count, event.digest.hex(), _failures_max(sheet, event))
    header = write_payload(msgspec.json.encode({"execution": sheet.begun.execution, "fan_out": note}))
    chunks = sheet.fan_outs[event.step] = []
    for number, span in enumerate(spans):
        name = f"{PREFIX}{event.task}"
        scheduled = sheet.decide(
            "ActivityTaskScheduled",
            activityId=sheet.activity_id(f"{event.step}/{number}", name),
            activityType={"name": name},
            taskQueue=sheet.queue(),
            header={"fields": {NAME: header}},
            input=write_arguments(msgspec.json.encode({"items": [(index, 1, None) for index in span]})),
            scheduleToCloseTimeout="0s",
            scheduleToStartTimeout="0s",
            startToCloseTimeout="0s",
            heartbeatTimeout="0s",
        )
        chunks.append(ChunkWritten(span, scheduled))


def complete(sheet: Sheet, event: FanOutCompleted) -> None:
    """Write what came of the items."""
    chunks = sheet.fan_outs.pop(event.step, None)
    if chunks is None:
        return  # the code had given it up
    outcomes = _placed(sheet, event)
    for chunk in chunks:
        done = [(index, *_said(outcomes[index])) for index in chunk.indices if index in outcomes]
        if done or not event.count:
            _end(sheet, chunk, done, event.time)
        else:
            sheet.first.append(partial(_stop, sheet, chunk))


def cancel(sheet: Sheet, event: FanOutCancelled) -> None:
    """Write that the code does without it."""
    for chunk in sheet.fan_outs.pop(event.step, []):
        _stop(sheet, chunk)


def _stop(sheet: Sheet, chunk: ChunkWritten) -> None:
    sheet.decide("ActivityTaskCancelRequested", scheduledEventId=str(chunk.scheduled))


def _end(sheet: Sheet, chunk: ChunkWritten, done: list[tuple[int, bool, msgspec.Raw]], time: float) -> None:
    begun = sheet.add("ActivityTaskStarted", time, scheduledEventId=str(chunk.scheduled), identity=IDENTITY, attempt=1)
    sheet.add(
        "ActivityTaskCompleted",
        time,
        result=write_result(msgspec.json.encode({"done": done})),
        scheduledEventId=str(chunk.scheduled),
        startedEventId=str(begun),
        identity=IDENTITY,
    )


def _cut(count: int) -> list[range]:
    most = max(1, -(-count // CHUNKS))
    return [range(first, min(first + most, count)) for first in range(0, count, most)] or [range(0)]


def _failures_max(sheet: Sheet, event: FanOutStarted) -> int:
    """Return how many items may fail: that is nowhere, but it follows from what came of them."""
    end = sheet.ends.get(event.step)
    return -1 if end is None or not _is_given_up(sheet, end) else end.failed - 1


def _is_given_up(sheet: Sheet, end: FanOutCompleted) -> bool:
    return len(_outcomes(sheet, end)) < end.count


def _outcomes(sheet: Sheet, end: FanOutCompleted) -> Sequence[ItemOutcome]:
    outcomes = sheet.outcomes.get(end.step)
    if outcomes is None and end.count and not end.failed:
        raise HistoryError(f"the outcomes of {end.step} are not in this history")
    return outcomes or ()


def _placed(sheet: Sheet, end: FanOutCompleted) -> Mapping[int, ItemOutcome]:
    """Return the outcomes by index. Of a fan-out that was given up that is known of the first failure alone."""
    outcomes = _outcomes(sheet, end)
    if not _is_given_up(sheet, end):
        return dict(enumerate(outcomes))
    first = end.first_failure or Failure("RuntimeError", "")
    return {end.first_failed_index + place: first for place in range(end.failed)}


def _said(outcome: ItemOutcome) -> tuple[bool, msgspec.Raw]:
    failed = isinstance(outcome, Failure)
    return not failed, msgspec.Raw(msgspec.json.encode(outcome) if isinstance(outcome, Failure) else outcome)


INPUTS: Final[Writes] = {FanOutCompleted: complete}
DECISIONS: Final[Writes] = {FanOutStarted: start, FanOutCancelled: cancel}
