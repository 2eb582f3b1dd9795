"""Chunks of `map_tasks` in the histories of our own runs on Temporal.

Owns: what is read from the events of activities that are chunks.
Must not know: drains, activities that are tasks.

The first chunk of a step stands for the call of `map_tasks`, the end of the last one that is needed for its outcome.
What becomes of others means nothing to the code.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import FanOutCancelled, FanOutCompleted, FanOutStarted
from holdfast.history.failures import Failure
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_outcome_failure
from holdfast.history.temporal.mapping import ChunkCall, ChunkResult, FanOutNote, FanOutRead, digest_of, encoded
from holdfast.history.temporal.notes import NAME
from holdfast.history.temporal.payloads import read_arguments, read_payload
from holdfast.history.temporal.records import Record

PREFIX: Final = "holdfast:map:"
"""What the activity type of a chunk begins with, before the task's name."""


class _Header(msgspec.Struct):
    fan_out: FanOutNote


_Read = TypeVar("_Read", _Header, ChunkCall, ChunkResult)


def scheduled(course: Course, record: Record) -> FanOutStarted | None:
    """Read that a chunk is asked for; the first one of its step is the call of `map_tasks`."""
    members = record.members
    fields = members.inner("header").inner("fields")
    note = _read(read_payload(fields.get(NAME), record.where), _Header, record).fan_out
    call = _read(read_arguments(members.get("input"), record.where), ChunkCall, record)
    course.chunks[record.number] = note.step, call.indices
    if note.step in course.fan_outs:
        return None
    course.fan_outs[note.step] = FanOutRead(note)
    course.claim(note.step, record)
    task = members.inner("activityType").text("name").removeprefix(PREFIX)
    try:
        digest = bytes.fromhex(note.digest)
    except ValueError:
        raise HistoryError("the digest of a map_tasks is no hexadecimal number", record.where) from None
    return FanOutStarted(record.time, 0, 0, note.step, task, note.count, digest)


def completed(course: Course, record: Record, number: int) -> FanOutCompleted | None:
    """Read what a chunk says of its items."""
    text = read_arguments(record.members.get("result"), record.where)
    try:
        outcomes = _read(text, ChunkResult, record).outcomes()
    except msgspec.MsgspecError as error:
        raise HistoryError(f"the outcome of an item: {error}", record.where) from None
    step, _ = course.chunks[number]
    return _completed(step, course.fan_outs[step], record) if course.fan_outs[step].take(outcomes) else None


def lost(course: Course, record: Record, number: int) -> FanOutCompleted | None:
    """Read that a chunk has ended without saying anything: none of its items went well."""
    step, indices = course.chunks[number]
    if "failure" in record.members:
        failure = read_outcome_failure(record.members.inner("failure"), record.where)
    else:
        failure = Failure("CancelledError", "")
    fan_out = course.fan_outs[step]
    return _completed(step, fan_out, record) if fan_out.take((each, failure) for each in indices) else None


def cancel_requested(course: Course, record: Record, number: int) -> FanOutCancelled | None:
    """Read that a chunk is stopped: by the code, unless the fan-out was over anyway."""
    step, _ = course.chunks[number]
    fan_out = course.fan_outs[step]
    if not fan_out.is_wanted:
        return None
    fan_out.is_wanted = False
    return FanOutCancelled(record.time, 0, 0, step)


def _completed(step: str, fan_out: FanOutRead, record: Record) -> FanOutCompleted:
    outcomes = fan_out.outcomes
    failures = [(index, each) for index, each in outcomes.items() if isinstance(each, Failure)]
    index, first = failures[0] if failures else (-1, None)
    digest = digest_of({place: encoded(each) for place, each in outcomes.items()})
    return FanOutCompleted(record.time, 0, step, digest, len(outcomes), len(failures), first, index)


def _read(text: bytes, kind: type[_Read], record: Record) -> _Read:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise HistoryError(f"a part of a map_tasks: {error}", record.where) from None
