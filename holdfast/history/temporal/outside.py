"""What reaches a run from outside in Temporal's histories: its start, signals, updates, cancellation, pauses.

Owns: what is read from their events.
Must not know: drains, other kinds of events.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import (
    AttributesSet,
    CallbackOpened,
    CancelRequested,
    RunParked,
    RunResumed,
    SignalReceived,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowStarted,
)
from holdfast.history.temporal.course import Course
from holdfast.history.temporal.failures import read_failure
from holdfast.history.temporal.notes import (
    ANSWER,
    CALLBACK,
    AnswerNote,
    CarriedNote,
    OpenedNote,
    RunNote,
    execution_name,
    read_note,
    read_texts,
)
from holdfast.history.temporal.past import PAST, CaughtUp, read_past
from holdfast.history.temporal.payloads import read_arguments, read_payload
from holdfast.history.temporal.records import Record
from holdfast.history.temporal.repeated import Repetition
from holdfast.history.temporal.search import OWN_PREFIX, read_attributes

ENGINE: Final = "temporal"
PARK: Final = "park"


def seed_of(run_id: str) -> int:
    """Return what seeds `random()` and `uuid4()` in an execution that Temporal calls `run_id`."""
    return int.from_bytes(blake2b(run_id.encode("utf-8", "replace"), digest_size=7).digest(), "big")


def started(course: Course, record: Record) -> WorkflowStarted:
    """Read how a run begins."""
    if record.number != 1:
        raise HistoryError("a history begins once", record.where)
    members = record.members
    run = members.text("originalExecutionRunId")
    memo = members.inner("memo").inner("fields")
    note = read_note(memo, RunNote)
    course.is_ours = note is not None
    course.note = note = note or RunNote()
    past = read_past(members.inner("header").inner("fields"))
    if past is not None:
        course.past = Repetition(past)
        course.execution = past.started.execution
        for step in course.past.steps:
            course.remember(step)
        return past.started
    name = members.inner("workflowType").needed_text("name")
    run_id = members.text("workflowId") or members.text("firstExecutionRunId") or run or name
    course.execution = execution_name(run_id, note.number)
    is_next = course.is_ours and "continuedExecutionRunId" in members
    return WorkflowStarted(
        record.time,
        0,
        name,
        run_id,
        course.execution,
        read_arguments(members.get("input"), record.where),
        note.seed or seed_of(run),
        0,
        note.code_version,
        "",
        memo=read_texts(memo) if course.is_ours else {},
        execution_timeout=members.seconds("workflowRunTimeout") if course.is_ours else 0.0,
        parent=members.inner("parentWorkflowExecution").text("workflowId"),
        continued=execution_name(run_id, note.number - 1) if is_next else "",
        attributes=note.attributes
        if course.is_ours
        else _readable_attributes(members.get("searchAttributes"), record.where),
    )


def carried(record: Record) -> list[SignalReceived]:
    """Read the messages that a run had not taken when it went on as this execution."""
    fields = record.members.inner("header").inner("fields")
    note = read_note(fields, CarriedNote)
    signals = note.signals if note is not None else ()
    return [
        SignalReceived(record.time, 0, name, text.encode(), f"{ENGINE}-{record.number}-{place}")
        for place, (name, text) in enumerate(signals)
    ]


def signaled(_: Course, record: Record) -> SignalReceived:
    """Read a signal."""
    members = record.members
    payload = read_arguments(members.get("input"), record.where)
    name = members.needed_text("signalName")
    return SignalReceived(record.time, 0, name, payload, f"{ENGINE}-{record.number}", members.text("identity"))


def cancel_requested(course: Course, record: Record) -> CancelRequested:
    """Read that somebody asks the run to stop."""
    course.cancel_reason = record.members.text("cause")
    return CancelRequested(record.time, 0, course.cancel_reason)


def update_accepted(course: Course, record: Record) -> UpdateAccepted | SignalReceived:
    """Read an update; one of ours is the answer to a callback, which is a message to the code."""
    request = record.members.inner("acceptedRequest")
    update_id = request.inner("meta").text("updateId") or record.members.needed_text("protocolInstanceId")
    course.updates[record.number] = update_id
    given = request.inner("input")
    payload = read_arguments(given.get("args"), record.where)
    name = given.needed_text("name")
    if course.is_ours and name == ANSWER:
        course.answers.add(update_id)
        answer = _decoded(payload, AnswerNote, "an answer to a callback", record)
        return SignalReceived(record.time, 0, answer.name, bytes(answer.input), answer.name)
    return UpdateAccepted(record.time, 0, update_id, name, payload)


def update_completed(course: Course, record: Record) -> UpdateCompleted | None:
    """Read the answer of an update; that an answer to a callback was taken, no code says."""
    members = record.members
    accepted = members.number("acceptedEventId")
    update_id = course.updates.get(accepted) or members.inner("meta").text("updateId")
    if update_id not in course.updates.values():
        raise members.wrong("acceptedEventId", f"is {accepted}, which accepted no update")
    if update_id in course.answers:
        return None
    outcome = members.inner("outcome")
    if "failure" in outcome:
        failure = read_failure(outcome.inner("failure"), record.where)
        return UpdateCompleted(record.time, 0, 0, update_id, None, failure)
    return UpdateCompleted(record.time, 0, 0, update_id, read_arguments(outcome.get("success"), record.where))


def noted(course: Course, record: Record) -> CallbackOpened | AttributesSet | RunParked | None:
    """Read what a run says of itself in its memo.

    Its code has opened a callback, has changed what the run is found by, or has parked it; or somebody has paused it.
    """
    fields = record.members.inner("upsertedMemo").inner("fields")
    if course.is_ours and CALLBACK in fields:
        text = read_payload(fields.get(CALLBACK), record.where)
        opened = _decoded(text, OpenedNote, "a callback", record)
        course.claim(opened.step, record)
        return CallbackOpened(record.time, 0, 0, opened.step, opened.url)
    if course.past is not None and PAST in fields:
        course.past.end(
            _decoded(read_payload(fields.get(PAST), record.where), CaughtUp, "a past", record), record.number
        )
        return None
    note = read_note(fields, RunNote) if course.is_ours else None
    if note is None:
        return None
    before, course.note = course.note, note
    if _is_found_anew(course, record):
        return AttributesSet(record.time, 0, 0, _changes(before.attributes, note.attributes))
    if not note.parked or note.paused_at != before.paused_at:
        return None
    if course.past is not None and course.past.parked:
        course.parked.append(course.past.parked.popleft())
        return None
    step = course.begin(PARK, "", record)
    course.parked.append(step)
    return RunParked(record.time, 0, 0, step, note.parked)


def ends_past(record: Record) -> bool:
    """Say whether a run notes in its memo that it has repeated the past that it began with."""
    return record.kind == "WorkflowPropertiesModified" and PAST in record.members.inner("upsertedMemo").inner("fields")


def _is_found_anew(course: Course, record: Record) -> bool:
    """Say whether the code has changed attributes: then what the run is found by stands right behind the memo."""
    following = course.records[record.number] if record.number < len(course.records) else None
    if following is None or following.kind != "UpsertWorkflowSearchAttributes":
        return False
    fields = following.members.inner("searchAttributes").inner("indexedFields")
    return any(not name.startswith(OWN_PREFIX) for name in fields)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return which attributes are others now; one that is gone is empty."""
    return {name: after.get(name, "") for name in {**before, **after} if after.get(name) != before.get(name)}


_Kind = TypeVar("_Kind", OpenedNote, AnswerNote, CaughtUp)


def _decoded(text: bytes, kind: type[_Kind], what: str, record: Record) -> _Kind:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{what}: {error}", record.where) from None


def resumed(course: Course, record: Record) -> list[RunResumed]:
    """Read that somebody lets a run go on: code that has parked it goes on, too."""
    steps, course.parked = course.parked, []
    return [RunResumed(record.time, 0, each) for each in steps]


def _readable_attributes(value: Any, where: str) -> dict[str, str]:
    """Return what a run was found by at its start; nothing where Holdfast has no words for it: code does not ask."""
    try:
        return {name: text for name, text in read_attributes(value, where).items() if text}
    except HistoryError:
        return {}


INPUTS: Final = {
    "WorkflowExecutionStarted": started,
    "WorkflowExecutionSignaled": signaled,
    "WorkflowExecutionCancelRequested": cancel_requested,
}
DECISIONS: Final = {
    "WorkflowExecutionUpdateCompleted": update_completed,
    "WorkflowPropertiesModified": noted,
}
