"""What Temporal recorded, as a history of ours.

Owns: which of our events each of Temporal's is, and where drains begin and end.
Must not know: files, dialects, workflow code.

Theory of operation
===================

Temporal's workers are woken for *workflow tasks*. One hands the code everything that has come since the last, runs it
until it waits, and records what it asked for right behind `WorkflowTaskCompleted`. Here that is one drain over several
inputs:

    theirs                        ours
    ActivityTaskCompleted    5    TaskCompleted
    TimerFired               6    TimerFired           <- the drain's end
    WorkflowTaskScheduled    7
    WorkflowTaskStarted      8    (the drain's time)
    WorkflowTaskCompleted    9
    ActivityTaskScheduled   10    TaskScheduled, caused by the drain's end

A task that failed or timed out left nothing, and its inputs are part of the next. Updates are recorded only when they
were accepted, behind the task that did so, and are moved in front of it. What came after the last task that completed
is a drain that nothing was recorded of yet.

Steps have their names here by what they do (`fetch#2`) and in Temporal by a running number. A step takes over an
activity id that looks like ours, otherwise it is counted by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import (
    AnyEvent,
    Attempt,
    AttributesSet,
    CancelRequested,
    DecisionEvent,
    InputEvent,
    PatchMarked,
    SignalReceived,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from holdfast.history.failures import Failure
from holdfast.history.temporal.failures import read_failure, stopped_by, timeout_of
from holdfast.history.temporal.members import Members
from holdfast.history.temporal.payloads import read_arguments
from holdfast.history.temporal.records import Record, read_records
from holdfast.history.temporal.search import read_attributes
from holdfast.history.transcript import History

ENGINE: Final = "temporal"
PATCH_MARKER: Final = "core_patch"
PATCH_DETAILS: Final = "patch-data"
QUEUE: Final = "holdfast"
"""The task queue of workflows, and of tasks of pool `default`."""
ATTEMPTS_MAX: Final = 100
"""Of how many failed attempts at one task a history here keeps count."""

_OUR_STEP: Final = re.compile(r"(?P<name>.+)(#[1-9]\d*|\[.*\])", re.DOTALL)


def from_temporal(content: bytes) -> History | None:
    """Return the history that a file of Temporal's tools holds, None when the file is none of theirs.

    Raises:
        HistoryError: it is, and it is damaged, encrypted, or of a workflow that Holdfast has no words for; the event
            at fault is named.
    """
    records = read_records(content)
    return None if records is None else _Translation(records).history()


def seed_of(run_id: str) -> int:
    """Return what seeds `random()` and `uuid4()` in an execution that Temporal calls `run_id`."""
    return int.from_bytes(blake2b(run_id.encode("utf-8", "replace"), digest_size=7).digest(), "big")


def in_order_of_timers(told: Sequence[InputEvent], due: Callable[[str], float]) -> list[InputEvent]:
    """Return what one workflow task tells with its timers in the order of their times: Temporal's may be another."""
    fired = sorted((each for each in told if isinstance(each, TimerFired)), key=lambda each: due(each.step))
    following = iter(fired)
    return [next(following) if isinstance(each, TimerFired) else each for each in told]


def queue_of(pool: str) -> str:
    """Return the task queue on which tasks of a pool wait."""
    return QUEUE if pool == "default" else f"{QUEUE}-{pool}"


def pool_of(queue: str) -> str:
    """Return the pool of a task queue; others' queues are pools of that name."""
    return "default" if queue in {QUEUE, ""} else queue.removeprefix(f"{QUEUE}-")


def _readable_attributes(value: Any, where: str) -> dict[str, str]:
    """Return what a run was found by at its start; nothing where Holdfast has no words for it: code does not ask."""
    try:
        return {name: text for name, text in read_attributes(value, where).items() if text}
    except HistoryError:
        return {}


class _Translation:
    """Where the translation of one history is."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._events: list[AnyEvent] = []
        self._sources: list[int] = []
        self._drains: list[int] = []
        self._waiting: list[tuple[Record, InputEvent]] = []
        """Inputs that no workflow task has handed to the code yet."""
        self._decided = 0
        self._counts: dict[str, int] = {}
        self._steps: dict[int, str] = {}
        """Step of each activity and timer, by the number of the event that began it."""
        self._names: set[str] = set()
        self._over: set[int] = set()
        """Begun at these events, and ended or cancelled."""
        self._tries: dict[int, tuple[Attempt, ...]] = {}
        self._worker: dict[int, str] = {}
        self._updates: dict[int, str] = {}
        self._cancel_reason = ""
        self._is_ours = False
        """Our own workflows wrote it, on Temporal."""
        self._dues: dict[str, float] = {}

    def history(self) -> History:
        """Return the whole as ours.

        Raises:
            HistoryError: it cannot be; the event at fault is named.
        """
        records = self._records
        if records[0].kind != "WorkflowExecutionStarted":
            raise HistoryError("history does not begin with WorkflowExecutionStarted", "event 1")
        index = 0
        while index < len(records):
            record = records[index]
            index += 1
            if record.kind == "WorkflowTaskCompleted":
                end = index
                while end < len(records) and records[end].kind in _DECISIONS:
                    end += 1
                self._turn(record, records[index:end])
                index = end
            elif record.kind in _INPUTS:
                event = _INPUTS[record.kind](self, record)
                if event is not None:
                    self._waiting.append((record, event))
            elif record.kind in _ENDS:
                if index < len(records):
                    raise HistoryError("history goes on after its end", records[index].where)
                self._waiting.clear()  # nobody handed them to the code any more
                self._add(record, _ENDS[record.kind](record))
            elif record.kind in _DECISIONS:
                raise HistoryError(f"{record.kind} does not stand behind a WorkflowTaskCompleted", record.where)
            elif record.kind not in _IGNORED:
                raise HistoryError(f"Holdfast has no words for {record.kind[:80]!r}", record.where)
        if self._waiting:
            self._drain(records[-1].time)
        return History(tuple(self._events), engine=ENGINE, drains=tuple(self._drains), sources=tuple(self._sources))

    # --- One workflow task ---------------------------------------------------------------------------------------

    def _turn(self, task: Record, decisions: Sequence[Record]) -> None:
        for each in decisions:
            if each.kind == "WorkflowExecutionUpdateAccepted":
                self._waiting.append((each, self._update_accepted(each)))
        decided = [(each, made) for each in decisions if (made := _DECISIONS[each.kind](self, each)) is not None]
        if not self._waiting:
            if decided:
                raise HistoryError("decisions without anything that caused them", decided[0][0].where)
            return  # a task that only answered queries, or only said that it was alive
        time = self._records[self._begun(task, "startedEventId", "WorkflowTaskStarted") - 1].time
        self._drain(time)
        cause = len(self._events)
        marks = commands = 0
        for record, decision in decided:
            decision.cause = cause
            if isinstance(decision, PatchMarked):
                marks += 1
                decision.ordinal = -marks  # it has no place among the commands
            else:
                decision.ordinal = commands
                commands += 1
            if isinstance(decision, TimerStarted):
                decision.due = self._dues[decision.step] = time + decision.seconds
            self._add(record, decision)
        self._decided += commands

    def _drain(self, time: float) -> None:
        """Hand what has waited to the code, at the time at which the code saw it."""
        if self._is_ours and len(self._waiting) > 1:
            records = {id(event): record for record, event in self._waiting}
            told = in_order_of_timers([event for _, event in self._waiting], lambda step: self._dues.get(step, 0.0))
            self._waiting = [(records[id(event)], event) for event in told]
        for record, event in self._waiting:
            event.time, event.issued = time, self._decided
            self._add(record, event)
        self._waiting.clear()
        self._drains.append(len(self._events))

    def _add(self, record: Record, event: AnyEvent) -> None:
        self._events.append(event)
        self._sources.append(record.number)

    def _begun(self, record: Record, member: str, kind: str) -> int:
        """Return the number of an earlier event of that kind, which a member names."""
        number = record.members.number(member)
        if not 0 < number < record.number or self._records[number - 1].kind != kind:
            raise record.members.wrong(member, f"is {number}, which is no earlier {kind}")
        return number

    def _ended(self, record: Record, member: str, kind: str) -> str | None:
        """Return the step that ends at this event, None when the code does not want it any more."""
        number = self._begun(record, member, kind)
        if number in self._over:
            return None
        self._over.add(number)
        return self._steps[number]

    def _name(self, name: str, wanted: str, record: Record) -> str:
        """Name the step that begins at this event."""
        ours = _OUR_STEP.fullmatch(wanted)
        if ours is not None and ours["name"] == name:
            step = wanted
        else:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            step = f"{name}#{count}"
        if step in self._names:
            raise HistoryError(f"a second {step!r}", record.where)
        self._names.add(step)
        self._steps[record.number] = step
        return step

    # --- Inputs --------------------------------------------------------------------------------------------------

    def started(self, record: Record) -> WorkflowStarted:
        if record.number != 1:
            raise HistoryError("a history begins once", record.where)
        members = record.members
        run = members.text("originalExecutionRunId")
        self._is_ours = "fields" in members.inner("memo") and QUEUE in members.inner("memo").inner("fields")
        name = members.inner("workflowType").needed_text("name")
        workflow_id = members.text("workflowId") or members.text("firstExecutionRunId") or run or name
        return WorkflowStarted(
            record.time,
            0,
            name,
            workflow_id,
            workflow_id,
            read_arguments(members.get("input"), record.where),
            seed_of(run),
            0,
            "",
            "",
            attributes=_readable_attributes(members.get("searchAttributes"), record.where),
        )

    def signaled(self, record: Record) -> SignalReceived:
        members = record.members
        payload = read_arguments(members.get("input"), record.where)
        name = members.needed_text("signalName")
        return SignalReceived(record.time, 0, name, payload, f"{ENGINE}-{record.number}", members.text("identity"))

    def cancel_requested(self, record: Record) -> CancelRequested:
        self._cancel_reason = record.members.text("cause")
        return CancelRequested(record.time, 0, self._cancel_reason)

    def activity_started(self, record: Record) -> None:
        number = self._begun(record, "scheduledEventId", "ActivityTaskScheduled")
        members = record.members
        worker = self._worker[number] = members.text("identity")
        failed = min(members.number("attempt") - 1, ATTEMPTS_MAX)
        if failed > 0:
            last = read_failure(members.inner("lastFailure"), record.where) if "lastFailure" in members else None
            time = record.time  # Temporal records neither when they began nor when they ended
            self._tries[number] = tuple(
                Attempt(each, time, time, worker, last if each == failed else None) for each in range(1, failed + 1)
            )

    def activity_completed(self, record: Record) -> TaskCompleted | None:
        number = self._begun(record, "scheduledEventId", "ActivityTaskScheduled")
        step = self._ended(record, "scheduledEventId", "ActivityTaskScheduled")
        result = read_arguments(record.members.get("result"), record.where)
        if step is None:
            return None
        return TaskCompleted(record.time, 0, step, result, self._tries.get(number, ()), self._worker.get(number, ""))

    def activity_failed(self, record: Record) -> TaskFailed | TaskTimedOut | None:
        number = self._begun(record, "scheduledEventId", "ActivityTaskScheduled")
        step = self._ended(record, "scheduledEventId", "ActivityTaskScheduled")
        members = record.members.inner("failure")
        failure = read_failure(members, record.where)
        if step is None:
            return None
        attempts = self._attempts(number, failure, record)
        timeout = stopped_by(members)
        if timeout:
            return TaskTimedOut(record.time, 0, step, timeout, failure, attempts)
        return TaskFailed(record.time, 0, step, failure, attempts)

    def activity_timed_out(self, record: Record) -> TaskTimedOut | None:
        number = self._begun(record, "scheduledEventId", "ActivityTaskScheduled")
        step = self._ended(record, "scheduledEventId", "ActivityTaskScheduled")
        members = record.members.inner("failure")
        failure = read_failure(members, record.where)
        if step is None:
            return None
        attempts = self._attempts(number, failure, record)
        return TaskTimedOut(record.time, 0, step, timeout_of(members), failure, attempts)

    def _attempts(self, number: int, failure: Failure, record: Record) -> tuple[Attempt, ...]:
        """Return all tries at a task, the last one included: ours lists those that failed."""
        earlier = self._tries.get(number, ())
        worker = self._worker.get(number, "")
        return (*earlier, Attempt(len(earlier) + 1, record.time, record.time, worker, failure))

    def activity_canceled(self, record: Record) -> TaskFailed | None:
        """Take the end of an activity that gave in; the code that asked for it does not wait for that."""
        step = self._ended(record, "scheduledEventId", "ActivityTaskScheduled")
        if step is None:
            return None
        return TaskFailed(record.time, 0, step, Failure("CancelledError", "the activity was cancelled"))

    def timer_fired(self, record: Record) -> TimerFired | None:
        step = self._ended(record, "startedEventId", "TimerStarted")
        return None if step is None else TimerFired(record.time, 0, step)

    def _update_accepted(self, record: Record) -> UpdateAccepted:
        request = record.members.inner("acceptedRequest")
        update_id = request.inner("meta").text("updateId") or record.members.needed_text("protocolInstanceId")
        self._updates[record.number] = update_id
        given = request.inner("input")
        payload = read_arguments(given.get("args"), record.where)
        return UpdateAccepted(record.time, 0, update_id, given.needed_text("name"), payload)

    # --- Decisions: `cause` and `ordinal` are set by the drain -----------------------------------------------------

    def activity_scheduled(self, record: Record) -> TaskScheduled:
        members = record.members
        task = members.inner("activityType").needed_text("name")
        step = self._name(task, members.text("activityId"), record)
        payload = read_arguments(members.get("input"), record.where)
        pool = pool_of(members.inner("taskQueue").text("name"))
        return TaskScheduled(record.time, 0, 0, step, task, payload, pool)

    def activity_cancel_requested(self, record: Record) -> TaskCancelled | None:
        step = self._ended(record, "scheduledEventId", "ActivityTaskScheduled")
        return None if step is None else TaskCancelled(record.time, 0, 0, step)

    def timer_started(self, record: Record) -> TimerStarted:
        members = record.members
        step = self._name("sleep", members.text("timerId"), record)
        seconds = members.seconds("startToFireTimeout")
        return TimerStarted(record.time, 0, 0, step, seconds, 0.0)

    def timer_canceled(self, record: Record) -> TimerCancelled | None:
        step = self._ended(record, "startedEventId", "TimerStarted")
        return None if step is None else TimerCancelled(record.time, 0, 0, step)

    def update_completed(self, record: Record) -> UpdateCompleted:
        members = record.members
        accepted = members.number("acceptedEventId")
        update_id = self._updates.get(accepted) or members.inner("meta").text("updateId")
        if update_id not in self._updates.values():
            raise members.wrong("acceptedEventId", f"is {accepted}, which accepted no update")
        outcome = members.inner("outcome")
        if "failure" in outcome:
            failure = read_failure(outcome.inner("failure"), record.where)
            return UpdateCompleted(record.time, 0, 0, update_id, None, failure)
        return UpdateCompleted(record.time, 0, 0, update_id, read_arguments(outcome.get("success"), record.where))

    def workflow_completed(self, record: Record) -> WorkflowCompleted:
        return WorkflowCompleted(record.time, 0, 0, read_arguments(record.members.get("result"), record.where))

    def workflow_failed(self, record: Record) -> WorkflowFailed:
        return WorkflowFailed(record.time, 0, 0, read_failure(record.members.inner("failure"), record.where))

    def workflow_canceled(self, record: Record) -> WorkflowCancelled:
        return WorkflowCancelled(record.time, 0, 0, self._cancel_reason)

    def marker(self, record: Record) -> PatchMarked:
        members = record.members
        name = members.text("markerName")
        if name != PATCH_MARKER:
            raise HistoryError(f"Holdfast has no words for a marker {name[:60]!r}", record.where)
        payload = read_arguments(members.inner("details").get(PATCH_DETAILS), record.where)
        patch = Members(msgspec.json.decode(payload), PATCH_DETAILS, record.where)
        return PatchMarked(record.time, 0, 0, patch.needed_text("id"), bool(patch.get("deprecated")))

    def attributes_set(self, record: Record) -> AttributesSet | None:
        changes = read_attributes(record.members.get("searchAttributes"), record.where)
        return AttributesSet(record.time, 0, 0, changes) if changes else None  # else they are Temporal's own

    def nothing(self, _: Record) -> None:
        """Take a decision that workflow code here does not make."""


_INPUTS: Final[dict[str, Callable[[_Translation, Record], InputEvent | None]]] = {
    "WorkflowExecutionStarted": _Translation.started,
    "WorkflowExecutionSignaled": _Translation.signaled,
    "WorkflowExecutionCancelRequested": _Translation.cancel_requested,
    "ActivityTaskStarted": _Translation.activity_started,
    "ActivityTaskCompleted": _Translation.activity_completed,
    "ActivityTaskFailed": _Translation.activity_failed,
    "ActivityTaskTimedOut": _Translation.activity_timed_out,
    "ActivityTaskCanceled": _Translation.activity_canceled,
    "TimerFired": _Translation.timer_fired,
}
"""What reaches the code from outside."""

_DECISIONS: Final[dict[str, Callable[[_Translation, Record], DecisionEvent | None]]] = {
    "ActivityTaskScheduled": _Translation.activity_scheduled,
    "ActivityTaskCancelRequested": _Translation.activity_cancel_requested,
    "TimerStarted": _Translation.timer_started,
    "TimerCanceled": _Translation.timer_canceled,
    "WorkflowExecutionUpdateAccepted": _Translation.nothing,  # an input, and taken as one
    "WorkflowExecutionUpdateCompleted": _Translation.update_completed,
    "WorkflowExecutionCompleted": _Translation.workflow_completed,
    "WorkflowExecutionFailed": _Translation.workflow_failed,
    "WorkflowExecutionCanceled": _Translation.workflow_canceled,
    "MarkerRecorded": _Translation.marker,
    "UpsertWorkflowSearchAttributes": _Translation.attributes_set,
    "WorkflowPropertiesModified": _Translation.nothing,
}
"""What the code asked for; it stands right behind the task that it was asked in."""

_ENDS: Final[dict[str, Callable[[Record], AnyEvent]]] = {
    "WorkflowExecutionTerminated": lambda record: WorkflowTerminated(record.time, record.members.text("reason")),
    "WorkflowExecutionTimedOut": lambda record: WorkflowTimedOut(record.time, "its time was up"),
}
"""Ends that no code decided."""

_IGNORED: Final = frozenset(
    {
        "ActivityPropertiesModifiedExternally",
        "WorkflowExecutionOptionsUpdated",
        "WorkflowExecutionPaused",
        "WorkflowExecutionTimeSkippingTransitioned",
        "WorkflowExecutionUnpaused",
        "WorkflowExecutionUpdateAdmitted",
        "WorkflowPropertiesModifiedExternally",
        "WorkflowTaskFailed",
        "WorkflowTaskScheduled",
        "WorkflowTaskStarted",
        "WorkflowTaskTimedOut",
    }
)
"""What no workflow code sees or asks for."""
