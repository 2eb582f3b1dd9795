"""What workflow code has asked for, as Temporal's activities, timers, children and messages.

Owns: one function for each command, what is under way because of it, and the input that each outcome is.
Must not know: drains, what the code does with an outcome.

A new command is a function here, and a line in CARRIED.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from msgspec.structs import replace
from temporalio import workflow
from temporalio.common import (
    RawValue,
    RetryPolicy,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    RetryState,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import TimeoutError as OutOfTimeError

from holdfast.engine import GroupedExecution, input_digest, kept_key
from holdfast.history import (
    AcquireLock,
    Attempt,
    CancelChild,
    CancelFanOut,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Codec,
    Command,
    CompleteUpdate,
    Failure,
    InputEvent,
    MessageDelivered,
    OpenCallback,
    ParkRun,
    ReleaseLock,
    RunResumed,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SetAttributes,
    SideEffectRecorded,
    StartChild,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskOptions,
    TaskTimedOut,
    TimerFired,
)
from holdfast.history.temporal import PINNED, queue_of
from holdfast.temporal.attributes import FOUND_BY, keywords_of
from holdfast.temporal.failures import Tried, failure_of, tried_of
from holdfast.temporal.fan_outs import FanOuts
from holdfast.temporal.interceptors import sending
from holdfast.temporal.locks import Places
from holdfast.temporal.mapping import PREFIX
from holdfast.temporal.options import TIMER_SECONDS_MIN, priority_of, retry_policy_of
from holdfast.temporal.own import OPENED, Call, FanOutPart, Note, Opened, digest_of, write_memo, write_opened
from holdfast.temporal.payloads import raw, raw_arguments, read_payload

SIDE_EFFECT: Final = "holdfast:side_effect"
"""The local activity that calls a side effect's function."""
FOREVER: Final = timedelta(days=3650)
"""Temporal wants a time-out of every activity; a task that has none gets this."""
GRACE_SECONDS: Final = 5.0
"""A worker stops an attempt itself, and has this long to say so before the server counts it as lost."""
CHUNK_RETRY: Final = RetryPolicy(initial_interval=timedelta(seconds=0.1), maximum_interval=timedelta(seconds=10))
"""When a chunk of a fan-out goes on whose worker has died; items have retries of their own."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all executions of one worker share."""

    side_effects: dict[str, Callable[[], bytes | Awaitable[bytes]]]
    """Functions that wait to be called by a local activity, by place."""
    lease_seconds: float
    """A worker that is not heard of for this long loses its tasks."""
    sign: Callable[[str, str, float], str] | None
    """Makes the URLs of callbacks; None where nobody serves what is in Holdfast's own store, locks and callbacks."""
    codec: Codec | None = None
    """Encrypts what Temporal hands on as a text."""


class Carrier:
    """Carries out the commands of one execution, and puts their outcomes where its inputs are."""

    def __init__(
        self,
        execution: GroupedExecution,
        name: str,
        put: Callable[[InputEvent], None],
        say: Callable[..., None],
        shared: Shared,
        keys: Mapping[str, str],
    ) -> None:
        """Work for an execution that is called `name`, with the idempotency `keys` it keeps; see `Driver`."""
        self._execution = execution
        self._name = name
        self._put = put
        self._say = say
        self._shared = shared
        self._keys = keys
        self._host = asyncio.get_running_loop()
        self._cancels: dict[str, Callable[[], Any]] = {}
        """What stops each step that is under way."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answers: dict[str, asyncio.Future[CompleteUpdate]] = {}
        self._parked: list[str] = []
        self.fan_outs = FanOuts(self._begin_chunk, put)
        self.places = Places(name, put)
        self._unsent = 0
        self._is_pinned = workflow.info().task_queue.startswith(PINNED)

    def carry_out(self, command: Command) -> None:
        """Do what the code has asked for. Temporal is told in the order in which it was asked for."""
        carry = CARRIED[type(command)]
        if isinstance(command, _TURN_LATER):
            carry(self, command)
        else:
            self._host.call_soon(carry, self, command)

    @property
    def is_settled(self) -> bool:
        """Whether children have begun, messages arrived and locks are free: the run does not end before."""
        return not self._unsent and not self.places.leaving

    def expect_answer(self, update_id: str) -> asyncio.Future[CompleteUpdate]:
        """Return a future of the command that answers an update."""
        future: asyncio.Future[CompleteUpdate] = self._host.create_future()
        self._answers[update_id] = future
        return future

    def resume(self) -> None:
        """Let code go on that has parked the run."""
        for step in self._parked:
            self._put(RunResumed(0.0, -1, step))
        self._parked.clear()

    def _wanted(self, step: str) -> bool:
        """Say whether the code still waits for a step, which is over now."""
        return self._cancels.pop(step, None) is not None

    def _queue_of(self, pool: str) -> str | None:
        """Return where tasks of a pool wait, or children for "default"; None is where this run does."""
        return None if pool == "default" and not self._is_pinned else queue_of(pool)

    def _keyed(self, step: str, digest: str, options: TaskOptions) -> TaskOptions:
        """Return a call's options, with the idempotency key it keeps when its execution is a fork."""
        key = kept_key(self._keys, step, digest) if self._keys else ""
        return replace(options, idempotency_key=key) if key else options

    # --- Tasks -----------------------------------------------------------------------------------------------------

    def schedule_task(self, command: ScheduleTask) -> None:
        """Begin an activity."""
        options = self._keyed(command.step, input_digest(command.input), command.options)
        with sending(Call(self._name, options)):
            handle = workflow.start_activity(
                command.task,
                args=raw_arguments(command.input),
                result_type=RawValue,
                activity_id=command.step,
                task_queue=self._queue_of(options.pool),
                start_to_close_timeout=_seconds(options.timeout, GRACE_SECONDS) or FOREVER,
                schedule_to_start_timeout=_seconds(options.queue_timeout),
                schedule_to_close_timeout=_seconds(options.total_timeout),
                heartbeat_timeout=timedelta(seconds=self._shared.lease_seconds),
                retry_policy=retry_policy_of(options),
                priority=priority_of(options),
            )
        self._cancels[command.step] = handle.cancel
        handle.add_done_callback(partial(self._task_ended, command))

    def _task_ended(self, command: ScheduleTask, handle: asyncio.Future[RawValue]) -> None:
        if not self._wanted(command.step) or handle.cancelled():
            return
        error = handle.exception()
        if error is None:
            self._put(TaskCompleted(0.0, -1, command.step, read_payload(handle.result().payload)))
        else:
            self._put(task_failed(command, error))

    # --- Fan-outs --------------------------------------------------------------------------------------------------

    def start_fan_out(self, command: StartFanOut) -> None:
        """Begin the chunks of a fan-out."""
        self.fan_outs.start(command)

    def cancel_fan_out(self, command: CancelFanOut) -> None:
        """Stop the chunks of a fan-out."""
        self.fan_outs.cancel(command.step)

    def _begin_chunk(self, command: StartFanOut, number: int, argument: bytes) -> asyncio.Future[RawValue]:
        options = self._keyed(command.step, command.digest[:8].hex(), command.options)
        part = FanOutPart(command.step, len(command.items), command.digest.hex(), command.failures_max)
        with sending(Call(self._name, options, part)):
            return workflow.start_activity(
                f"{PREFIX}{command.task}",
                raw(argument),
                result_type=RawValue,
                activity_id=f"{command.step}/{number}",
                task_queue=self._queue_of(options.pool),
                start_to_close_timeout=FOREVER,  # items have time-outs of their own
                heartbeat_timeout=timedelta(seconds=self._shared.lease_seconds),
                retry_policy=CHUNK_RETRY,
                priority=priority_of(options),
            )

    # --- Locks -----------------------------------------------------------------------------------------------------

    def acquire_lock(self, command: AcquireLock) -> None:
        """Stand in a line."""
        self.places.ask(command)

    def release_lock(self, command: ReleaseLock) -> None:
        """Leave a line, or a place that holds."""
        self.places.leave(command)

    # --- Timers ----------------------------------------------------------------------------------------------------

    def start_timer(self, command: StartTimer) -> None:
        """Begin a timer."""
        host = self._host

        def fire() -> None:  # one turn more, as everything else takes
            host.call_soon(self._timer_fired, command.step)

        self._cancels[command.step] = host.call_later(max(command.seconds, TIMER_SECONDS_MIN), fire).cancel

    def go_on_with_timer(self, command: StartTimer) -> None:
        """Begin a timer of the run's past for the time that is left of it."""
        left = max(command.due - workflow.time(), 0.0)
        self._host.call_soon(self.start_timer, replace(command, seconds=left))

    def _timer_fired(self, step: str) -> None:
        if self._wanted(step):
            self._put(TimerFired(0.0, -1, step))

    def cancel(self, command: CancelTask | CancelTimer | CancelSideEffect) -> None:
        """Stop a step."""
        cancel = self._cancels.pop(command.step, None)
        if cancel is not None:
            cancel()

    # --- Side effects ----------------------------------------------------------------------------------------------

    def run_side_effect(self, command: RunSideEffect) -> None:
        """Have a function called by a local activity."""
        place = f"{workflow.info().run_id}/{command.step}"
        self._shared.side_effects[place] = self._execution.function_of(command.step)
        handle = workflow.start_local_activity(
            SIDE_EFFECT,
            place,
            result_type=RawValue,
            activity_id=command.step,
            start_to_close_timeout=FOREVER,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        self._cancels[command.step] = handle.cancel
        handle.add_done_callback(partial(self._side_effect_ended, command, place))

    def _side_effect_ended(self, command: RunSideEffect, place: str, handle: asyncio.Future[RawValue]) -> None:
        self._shared.side_effects.pop(place, None)
        if not self._wanted(command.step) or handle.cancelled():
            return
        error = handle.exception()
        if error is None:
            self._put(SideEffectRecorded(0.0, -1, command.step, read_payload(handle.result().payload)))
        else:
            self._put(SideEffectRecorded(0.0, -1, command.step, None, failure_of(error)))

    # --- Other runs ------------------------------------------------------------------------------------------------

    def start_child(self, command: StartChild) -> None:
        """Begin a child workflow."""
        self._begin(self._be_parent(command))

    async def _be_parent(self, command: StartChild) -> None:
        step, wanted = command.step, asyncio.Event()
        self._cancels[step] = wanted.set
        note = Note(1, digest_of(command.input), command.code_version, attributes=command.attributes)
        memo = write_memo(command.memo, note)
        try:
            handle = await workflow.start_child_workflow(
                command.workflow,
                args=raw_arguments(command.input),
                id=command.run_id,
                task_queue=self._queue_of("default"),
                result_type=RawValue,
                parent_close_policy=_PARENT_CLOSE[command.parent_close],
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                execution_timeout=_seconds(command.timeout or None),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={name: RawValue(payload) for name, payload in memo.items()},
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(FOUND_BY, keywords_of(command.attributes))] if command.attributes else []
                ),
            )
        except WorkflowAlreadyStartedError:
            failure = Failure("RunConflictError", f"run {command.run_id!r} exists already", retryable=False)
            self._put(ChildFailed(0.0, -1, step, "NOT_STARTED", failure))
            return
        finally:
            self._unsent -= 1
        self._put(ChildStarted(0.0, -1, step, command.run_id))
        self._cancels[step] = handle.cancel
        if wanted.is_set():
            handle.cancel()
        try:
            result = await asyncio.shield(handle)
        except (FailureError, asyncio.CancelledError) as error:
            self._put(child_failed(step, error))
        else:
            self._put(ChildCompleted(0.0, -1, step, read_payload(result.payload)))

    def cancel_child(self, command: CancelChild) -> None:
        """Ask a child to stop; it is awaited until it has."""
        cancel = self._cancels.get(command.step)
        if cancel is not None:
            cancel()

    def send_message(self, command: SendMessage) -> None:
        """Send a signal or a cancellation to another run."""
        self._begin(self._send(command))

    async def _send(self, command: SendMessage) -> None:
        other: workflow.ExternalWorkflowHandle[Any] = workflow.get_external_workflow_handle(command.run_id)
        try:
            if command.kind == "cancel":
                await other.cancel()
            else:
                await other.signal(command.name, args=raw_arguments(command.input))
        except ApplicationError as error:
            failure = Failure("RunNotFoundError", error.message, retryable=False)
            self._put(MessageDelivered(0.0, -1, command.step, failure))
        else:
            self._put(MessageDelivered(0.0, -1, command.step))
        finally:
            self._unsent -= 1

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._unsent += 1
        task = self._host.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- The rest --------------------------------------------------------------------------------------------------

    def answer(self, command: CompleteUpdate) -> None:
        """Answer an update."""
        self._answers.pop(command.update_id).set_result(command)

    def park(self, command: ParkRun) -> None:
        """Wait for somebody who resumes the run."""
        self._parked.append(command.step)
        self._say(parked=command.reason or "its code wants somebody to look")

    def open_callback(self, command: OpenCallback) -> None:
        """Note the URL of a callback where whoever replays finds it."""
        workflow.upsert_memo({OPENED: RawValue(write_opened(Opened(command.step, command.url)))})

    def set_attributes(self, _: SetAttributes) -> None:
        """Have the run found by what it says of itself."""
        attributes = self._execution.runtime.attributes
        self._say(attributes=attributes)
        workflow.upsert_search_attributes([FOUND_BY.value_set(keywords_of(attributes))])


CARRIED: Final[dict[type, Callable[[Carrier, Any], None]]] = {
    ScheduleTask: Carrier.schedule_task,
    CancelTask: Carrier.cancel,
    StartTimer: Carrier.start_timer,
    CancelTimer: Carrier.cancel,
    AcquireLock: Carrier.acquire_lock,
    ReleaseLock: Carrier.release_lock,
    StartFanOut: Carrier.start_fan_out,
    CancelFanOut: Carrier.cancel_fan_out,
    RunSideEffect: Carrier.run_side_effect,
    CancelSideEffect: Carrier.cancel,
    StartChild: Carrier.start_child,
    CancelChild: Carrier.cancel_child,
    SendMessage: Carrier.send_message,
    CompleteUpdate: Carrier.answer,
    ParkRun: Carrier.park,
    OpenCallback: Carrier.open_callback,
    SetAttributes: Carrier.set_attributes,
}
"""One entry for each command that can come here; those that end a run are the driver's."""

_TURN_LATER: Final = (CancelTask, CancelFanOut, CancelSideEffect, StartChild, CancelChild, SendMessage)
"""What reaches Temporal one turn of its loop after it was called; all else waits for that turn."""

_PARENT_CLOSE: Final = {
    "terminate": workflow.ParentClosePolicy.TERMINATE,
    "cancel": workflow.ParentClosePolicy.REQUEST_CANCEL,
    "abandon": workflow.ParentClosePolicy.ABANDON,
}


def task_failed(command: ScheduleTask, error: BaseException) -> TaskFailed | TaskTimedOut:
    """Return how a task has ended, as history has it."""
    exhausted = isinstance(error, ActivityError) and error.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
    cause = error.cause if isinstance(error, ActivityError) and error.cause is not None else error
    failure, tried = failure_of(cause), Tried()
    if isinstance(cause, FailureError) and cause.failure is not None:
        tried = tried_of(cause.failure)
    count = command.options.retry.attempts if exhausted else tried.attempt
    attempts = tuple(Attempt(each, 0.0, 0.0, "", failure if each == count else None) for each in range(1, count + 1))
    if tried.timeout:
        return TaskTimedOut(0.0, -1, command.step, tried.timeout, failure, attempts)
    return TaskFailed(0.0, -1, command.step, failure, attempts)


def child_failed(step: str, error: BaseException) -> ChildFailed:
    """Return how a child has ended, as history has it."""
    cause = error.cause if isinstance(error, ChildWorkflowError) and error.cause is not None else error
    match cause:
        case CancelledError() | asyncio.CancelledError():
            status = "CANCELLED"
        case TerminatedError():
            status = "TERMINATED"
        case OutOfTimeError():
            status = "TIMED_OUT"
        case _:
            status = "FAILED"
    return ChildFailed(0.0, -1, step, status, failure_of(cause))


def _seconds(seconds: float | None, more: float = 0.0) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds + more)
