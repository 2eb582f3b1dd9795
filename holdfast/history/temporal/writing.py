"""A history of ours as one of Temporal's, which its own Replayer accepts for the same logic.

Owns: the frame of workflow tasks around each drain, the numbers that Temporal's SDKs give to steps, the JSON.
Must not know: stores, workflow code.

Each of our drains becomes one workflow task: the input, `WorkflowTaskScheduled`, `Started`, `Completed`, and right
behind them what the code asked for. What cannot be told from a history is judged by what code mostly does:

- Steps are numbered as they were issued. One that was dropped in its own drain took a number and left no fact; it shows
  where a later step of the same name skips that number.
- A run that fails takes its open tasks back here, and not in Temporal's SDK. So tasks that were taken back right before
  a failure stand for that, and not for code that cancelled them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NoReturn
from uuid import UUID

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import (
    CLOSING,
    AnyEvent,
    Attempt,
    AttributesSet,
    BlobRef,
    CancelRequested,
    Decision,
    DecisionEvent,
    Input,
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
from holdfast.history.temporal.failures import write_failure, write_timeout
from holdfast.history.temporal.markers import PATCH_DETAILS, PATCH_MARKER
from holdfast.history.temporal.payloads import write_arguments, write_payload, write_result
from holdfast.history.temporal.search import write_attributes

IDENTITY: Final = "holdfast"
TASK_TIMEOUT: Final = "10s"
CORE_FLAGS: Final = (1, 2, 3, 4)
"""Behaviours of Temporal's core that its Replayer takes for granted when the first task says so; among them that ids
and types of steps are compared."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERED: Final = re.compile(r"(?P<name>.+)#(?P<number>[1-9]\d*)", re.DOTALL)


def to_temporal(events: Sequence[AnyEvent]) -> bytes:
    """Return a history as a file that Temporal's Replayer reads: UTF-8, one line for each event.

    Args:
        events: from event 1, with every payload inside.

    Raises:
        HistoryError: it does not begin with WorkflowStarted, or has something that Temporal's SDK has no words for,
            such as a lock; the event is named.
    """
    if not events or not isinstance(events[0], WorkflowStarted):
        raise HistoryError("history does not begin with WorkflowStarted", "event 1")
    written = _Writer(events).write()
    lines = b",\n  ".join(msgspec.json.encode(each) for each in written)
    return b'{\n "events": [\n  ' + lines + b"\n ]\n}\n"


class _Writer:
    """Where the writing of one history is."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        self._events = events
        self._written: list[dict[str, Any]] = []
        self._task = 0
        """Number of the last WorkflowTaskCompleted."""
        self._frames = 0
        self._activities = 0
        self._counts: dict[str, int] = {}
        self._begun: dict[str, int] = {}
        """Number of the event that began a step, while its outcome is wanted."""
        self._accepted: dict[str, int] = {}
        self._patches: list[str] = []
        self._time = 0.0
        self._decisions: dict[int, list[DecisionEvent]] = {}
        for event in events:
            if isinstance(event, Decision):
                self._decisions.setdefault(event.cause, []).append(event)

    def write(self) -> list[dict[str, Any]]:
        """Return Temporal's events."""
        for number, event in enumerate(self._events, 1):  # a drain is written before the decisions that stand behind it
            if isinstance(event, Decision) and type(event) not in _DECISIONS:
                _refuse(number, type(event).__name__)
        last_input = max(number for number, event in enumerate(self._events, 1) if isinstance(event, Input))
        is_over = isinstance(self._events[-1], CLOSING)
        for number, event in enumerate(self._events, 1):
            if isinstance(event, Input):
                decisions = _as_decided(self._decisions.get(number, []))
                # What an open run has of its last drain may not be all: Temporal is told that it is still under way.
                is_open = number == last_input and not is_over and not decisions
                self._drain(number, event, decisions, is_open=is_open)
            elif isinstance(event, WorkflowTerminated):
                self._add("WorkflowExecutionTerminated", event.time, reason=event.reason, identity=IDENTITY)
            elif isinstance(event, WorkflowTimedOut):
                self._add("WorkflowExecutionTimedOut", event.time, retryState="RETRY_STATE_TIMEOUT")
        return self._written

    def _drain(self, number: int, event: Input, decisions: Sequence[DecisionEvent], *, is_open: bool) -> None:
        self._time = max(self._time, event.time)
        written = len(self._written)
        write = _INPUTS.get(type(event))
        if write is None:
            _refuse(number, type(event).__name__)
        write(self, event)
        is_update = isinstance(event, UpdateAccepted)
        if len(self._written) == written and not decisions and not is_update:
            return
        scheduled = self._add(
            "WorkflowTaskScheduled", self._time, taskQueue=_QUEUE, startToCloseTimeout=TASK_TIMEOUT, attempt=1
        )
        started = self._add("WorkflowTaskStarted", self._time, scheduledEventId=str(scheduled), identity=IDENTITY)
        if is_open and not is_update:
            return
        flags = {"coreUsedFlags": list(CORE_FLAGS)} if not self._frames else {}
        self._frames += 1
        self._task = self._add(
            "WorkflowTaskCompleted",
            self._time,
            scheduledEventId=str(scheduled),
            startedEventId=str(started),
            identity=IDENTITY,
            sdkMetadata=flags,
        )
        if isinstance(event, UpdateAccepted):
            self._accept(event, scheduled)
        for each in decisions:
            _DECISIONS[type(each)](self, each)

    def _add(self, kind: str, time: float, **attributes: Any) -> int:
        number = len(self._written) + 1
        kind_of = "EVENT_TYPE" + re.sub(r"(?=[A-Z])", "_", kind).upper()
        name = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        self._written.append(
            {"eventId": str(number), "eventTime": _moment(time), "eventType": kind_of, name: attributes}
        )
        return number

    # --- Inputs --------------------------------------------------------------------------------------------------

    def started(self, event: WorkflowStarted) -> None:
        more = {"searchAttributes": write_attributes(event.attributes)} if event.attributes else {}
        run = str(UUID(bytes=blake2b(event.execution.encode(), digest_size=16).digest(), version=4))
        self._add(
            "WorkflowExecutionStarted",
            event.time,
            workflowType={"name": event.workflow},
            taskQueue=_QUEUE,
            input=write_arguments(_inside(event.input)),
            workflowExecutionTimeout="0s",
            workflowRunTimeout="0s",
            workflowTaskTimeout=TASK_TIMEOUT,
            originalExecutionRunId=run,
            firstExecutionRunId=run,
            identity=IDENTITY,
            attempt=1,
            workflowId=event.run_id,
            **more,
        )

    def signal(self, event: SignalReceived) -> None:
        self._add(
            "WorkflowExecutionSignaled",
            event.time,
            signalName=event.name,
            input=write_arguments(_inside(event.input)),
            identity=event.sender,
        )

    def cancel(self, event: CancelRequested) -> None:
        self._add("WorkflowExecutionCancelRequested", event.time, cause=event.reason, identity=IDENTITY)

    def update(self, _: UpdateAccepted) -> None:
        """Temporal records an update behind the task that accepted it."""

    def _accept(self, event: UpdateAccepted, sequencing: int) -> None:
        self._accepted[event.update_id] = self._add(
            "WorkflowExecutionUpdateAccepted",
            event.time,
            protocolInstanceId=event.update_id,
            acceptedRequestMessageId=f"{event.update_id}/request",
            acceptedRequestSequencingEventId=str(sequencing),
            acceptedRequest={
                "meta": {"updateId": event.update_id, "identity": IDENTITY},
                "input": {"name": event.name, "args": write_arguments(_inside(event.input))},
            },
        )

    def _begin_attempt(self, scheduled: int, attempts: Sequence[Attempt], time: float, worker: str) -> int:
        """Write that an activity was begun; Temporal tells only of the last attempt."""
        last = next((each.failure for each in reversed(attempts) if each.failure is not None), None)
        more = {"lastFailure": write_failure(last)} if last is not None else {}
        return self._add(
            "ActivityTaskStarted",
            time,
            scheduledEventId=str(scheduled),
            identity=worker or IDENTITY,
            attempt=len(attempts) + 1,
            **more,
        )

    def complete_task(self, event: TaskCompleted) -> None:
        scheduled = self._begun.pop(event.step, 0)
        if not scheduled:
            return  # the code had taken it back
        started = self._begin_attempt(scheduled, event.attempts, event.time, event.worker)
        self._add(
            "ActivityTaskCompleted",
            event.time,
            result=write_result(_inside(event.result)),
            scheduledEventId=str(scheduled),
            startedEventId=str(started),
            identity=event.worker or IDENTITY,
        )

    def fail_task(self, event: TaskFailed) -> None:
        scheduled = self._begun.pop(event.step, 0)
        if not scheduled:
            return
        started = self._begin_attempt(scheduled, event.attempts[:-1], event.time, event.worker)
        retryable = event.failure.retryable
        self._add(
            "ActivityTaskFailed",
            event.time,
            failure=write_failure(event.failure),
            scheduledEventId=str(scheduled),
            startedEventId=str(started),
            identity=event.worker or IDENTITY,
            retryState=f"RETRY_STATE_{'MAXIMUM_ATTEMPTS_REACHED' if retryable else 'NON_RETRYABLE_FAILURE'}",
        )

    def time_task_out(self, event: TaskTimedOut) -> None:
        scheduled = self._begun.pop(event.step, 0)
        if not scheduled:
            return
        started = 0  # nobody began what ran out of time in the queue
        if event.timeout != "queue":
            started = self._begin_attempt(scheduled, event.attempts[:-1], event.time, event.worker)
        self._add(
            "ActivityTaskTimedOut",
            event.time,
            failure=write_timeout(event.timeout, event.failure),
            scheduledEventId=str(scheduled),
            startedEventId=str(started),
            retryState="RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED",
        )

    def fire_timer(self, event: TimerFired) -> None:
        started = self._begun.pop(event.step, 0)
        if started:
            self._add("TimerFired", event.time, timerId=_number(event.step), startedEventId=str(started))

    # --- Decisions -----------------------------------------------------------------------------------------------

    def _decide(self, kind: str, event: DecisionEvent, **attributes: Any) -> int:
        return self._add(kind, event.time, **attributes, workflowTaskCompletedEventId=str(self._task))

    def schedule_task(self, event: TaskScheduled) -> None:
        numbered = _NUMBERED.fullmatch(event.step)
        skipped = 0
        if numbered is not None:
            skipped = int(numbered["number"]) - self._counts.get(event.task, 0) - 1
            self._counts[event.task] = int(numbered["number"])
        self._activities += 1 + max(0, skipped)
        self._begun[event.step] = self._decide(
            "ActivityTaskScheduled",
            event,
            activityId=str(self._activities),
            activityType={"name": event.task},
            taskQueue={"name": event.pool, "kind": "TASK_QUEUE_KIND_NORMAL"},
            input=write_arguments(_inside(event.input)),
            scheduleToCloseTimeout="0s",
            scheduleToStartTimeout="0s",
            startToCloseTimeout="600s",
            heartbeatTimeout="0s",
        )

    def cancel_task(self, event: TaskCancelled) -> None:
        scheduled = self._begun.pop(event.step, 0)
        if scheduled:
            self._decide("ActivityTaskCancelRequested", event, scheduledEventId=str(scheduled))

    def start_timer(self, event: TimerStarted) -> None:
        self._begun[event.step] = self._decide(
            "TimerStarted", event, timerId=_number(event.step), startToFireTimeout=f"{event.seconds:.9f}s"
        )

    def cancel_timer(self, event: TimerCancelled) -> None:
        started = self._begun.pop(event.step, 0)
        if started:
            self._decide(
                "TimerCanceled", event, timerId=_number(event.step), startedEventId=str(started), identity=IDENTITY
            )

    def mark_patch(self, event: PatchMarked) -> None:
        details = msgspec.json.encode({"id": event.patch_id, "deprecated": event.deprecated})
        self._decide(
            "MarkerRecorded",
            event,
            markerName=PATCH_MARKER,
            details={PATCH_DETAILS: write_result(details)},
        )
        self._patches.append(event.patch_id)  # Temporal lists them where runs can be searched by them
        listed = write_payload(msgspec.json.encode(self._patches))
        self._decide(
            "UpsertWorkflowSearchAttributes",
            event,
            searchAttributes={"indexedFields": {"TemporalChangeVersion": listed}},
        )

    def set_attributes(self, event: AttributesSet) -> None:
        self._decide("UpsertWorkflowSearchAttributes", event, searchAttributes=write_attributes(event.attributes))

    def answer(self, event: UpdateCompleted) -> None:
        accepted = self._accepted.pop(event.update_id, 0)
        if event.failure is not None:
            outcome: dict[str, Any] = {"failure": write_failure(event.failure)}
        else:
            outcome = {"success": write_result(_inside(event.result))}
        self._add(
            "WorkflowExecutionUpdateCompleted",
            event.time,
            meta={"updateId": event.update_id, "identity": IDENTITY},
            acceptedEventId=str(accepted),
            outcome=outcome,
        )

    def complete(self, event: WorkflowCompleted) -> None:
        self._decide("WorkflowExecutionCompleted", event, result=write_result(_inside(event.result)))

    def fail(self, event: WorkflowFailed) -> None:
        self._decide(
            "WorkflowExecutionFailed",
            event,
            failure=write_failure(event.failure),
            retryState="RETRY_STATE_RETRY_POLICY_NOT_SET",
        )

    def be_cancelled(self, event: WorkflowCancelled) -> None:
        self._decide("WorkflowExecutionCanceled", event)


def _as_decided(decisions: list[DecisionEvent]) -> list[DecisionEvent]:
    """Return a drain's decisions in the order in which the code made them, without what the engine added at the end."""
    ordered = sorted(decisions, key=lambda each: each.ordinal)
    if ordered and isinstance(ordered[-1], WorkflowFailed):
        kept = len(ordered) - 1
        while kept and isinstance(ordered[kept - 1], TaskCancelled):
            kept -= 1
        ordered = [*ordered[:kept], ordered[-1]]
    return ordered


def _refuse(number: int, kind: str) -> NoReturn:
    raise HistoryError(
        f"Temporal's SDK has no words for {kind}, so this history cannot be written for it", f"event {number}"
    )


def _inside(payload: Any) -> bytes:
    if isinstance(payload, BlobRef):
        raise HistoryError("a payload is stored elsewhere")
    return payload if payload is not None else b"null"


def _number(step: str) -> str:
    return step.rpartition("#")[2]


def _moment(seconds: float) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise HistoryError(f"a time beyond the calendar: {seconds}") from None


_QUEUE: Final = {"name": "default", "kind": "TASK_QUEUE_KIND_NORMAL"}

_INPUTS: Final[dict[type, Callable[[_Writer, Any], None]]] = {
    WorkflowStarted: _Writer.started,
    SignalReceived: _Writer.signal,
    CancelRequested: _Writer.cancel,
    UpdateAccepted: _Writer.update,
    TaskCompleted: _Writer.complete_task,
    TaskFailed: _Writer.fail_task,
    TaskTimedOut: _Writer.time_task_out,
    TimerFired: _Writer.fire_timer,
}

_DECISIONS: Final[dict[type, Callable[[_Writer, Any], None]]] = {
    TaskScheduled: _Writer.schedule_task,
    TaskCancelled: _Writer.cancel_task,
    TimerStarted: _Writer.start_timer,
    TimerCancelled: _Writer.cancel_timer,
    PatchMarked: _Writer.mark_patch,
    AttributesSet: _Writer.set_attributes,
    UpdateCompleted: _Writer.answer,
    WorkflowCompleted: _Writer.complete,
    WorkflowFailed: _Writer.fail,
    WorkflowCancelled: _Writer.be_cancelled,
}
