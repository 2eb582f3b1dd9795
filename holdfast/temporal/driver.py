"""One run on Temporal: what Temporal's event loop brings goes into the engine, and what the engine asks for comes out.

Owns: the inputs that wait for their drain, when a drain is due, and the end of a run.
Must not know: how each command is carried out, workers, clients.

Theory of operation
===================

The engine is pure: inputs go in, commands come out. So users' code does not run on Temporal's loop but on the
engine's own, as everywhere, and Temporal's loop only carries: a signal, an activity's end or a timer becomes an input
here, and a command becomes an activity, a timer or an end there. What asyncio means inside a workflow is then the same
on every engine, down to the order in which tasks are woken.

Temporal wakes a workflow for all that has come since the last time. Whatever comes goes into the inbox; a condition,
which Temporal looks at when nothing else is ready, then lets all of it be drained at once. Everything takes two turns
of Temporal's loop until it is in the inbox, so it stands there in the order of Temporal's history.

A run that was forked begins with a past, which its code repeats before anything else: see `repeating.py`. The locks it
holds where its past ends are asked for first. What comes meanwhile waits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from temporalio import workflow
from temporalio.common import RawValue

from holdfast.authoring import DeterminismGuard, WorkflowDefinition
from holdfast.engine import BatchedExecution
from holdfast.errors import CallbackGoneError, HoldfastError
from holdfast.history import (
    AcquireLock,
    CancelRequested,
    CancelRun,
    CompleteRun,
    ContinueRun,
    FailRun,
    Failure,
    FanOutCompleted,
    InputEvent,
    MarkPatch,
    RecordedOutcomes,
    SignalReceived,
    StartTimer,
    UpdateAccepted,
    WorkflowStarted,
    describe_failure,
)
from holdfast.history.temporal import PAST, Past, in_order, seed_of
from holdfast.ports.engine import WAITING, Waiting
from holdfast.ports.runtime import FanOutOutcome
from holdfast.temporal.commands import Carrier, Shared
from holdfast.temporal.encryption import seal_text
from holdfast.temporal.failures import carry, carry_error
from holdfast.temporal.interceptors import sending
from holdfast.temporal.locks import token_of
from holdfast.temporal.own import (
    NAME,
    Carried,
    Note,
    execution_name,
    read_answer,
    read_carried,
    read_memo,
    read_note,
    read_past,
    read_pausing,
    write_caught_up,
    write_note,
)
from holdfast.temporal.payloads import NOTHING, raw, raw_arguments, read_arguments
from holdfast.temporal.repeating import SETTLING, answered_in, mark, repeat, with_tokens
from holdfast.temporal.runtime import StorelessRuntime, TemporalRuntime

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
REJECTED: Final = "UpdateRejectedError: "
"""What the type begins with of a failure that a validator has raised, before its own."""
ANSWER: Final = "holdfast:answer"
"""The update that answers a callback: its validator refuses a second answer.

In histories, what is accepted is a signal for the code: its argument says the signal's name, and its input.
"""
PAUSE: Final = "holdfast:pause"
"""The signal that keeps a run from moving."""
RESUME: Final = "holdfast:resume"

_NOT_BEGUN: Final = "NotBegunError"
_CLOSING: Final = (CompleteRun, FailRun, CancelRun, ContinueRun)


class PinnedError(Exception):
    """The run is for another version of the code."""

    def __init__(self, version: str) -> None:
        """Say which."""
        super().__init__(f"the run is pinned to version {version!r}, and this process has another one")


class Driver:
    """Drives one execution of a workflow on Temporal's loop. See the module's theory of operation."""

    def __init__(self, definition: WorkflowDefinition[Any, Any], values: Sequence[RawValue], shared: Shared) -> None:
        """Stand ready; nothing of the workflow's code runs yet.

        Args:
            definition: the workflow.
            values: its input.
            shared: what all executions of the worker share.
        """
        info = workflow.info()
        self._note = read_note(info.raw_memo)
        if definition.pinned and self._note.code_version not in {"", definition.code_version}:
            # Temporal tries again until somebody has it who has that version.
            raise PinnedError(self._note.code_version)
        self._inbox: list[InputEvent] = []
        self._drains = 0
        self._codec = shared.codec
        self._answered: set[str] = set()
        self._is_cancelled = False
        self._past = read_past(info.headers)
        self._begun = _started(info, self._note, read_arguments(values)) if self._past is None else self._past.started
        self._is_begun = self._past is None
        """Its past lies behind it."""
        self.execution = BatchedExecution(
            definition,
            DeterminismGuard(),
            self._open_fan_out,
            make_runtime=TemporalRuntime if shared.sign is not None else StorelessRuntime,
        )
        if shared.sign is not None:
            self.execution.runtime.sign = shared.sign
        self.execution.runtime.callbacks.update(self._note.callbacks)
        self._carrier = Carrier(self.execution, self._begun.execution, self._put, self._say, shared, self._begun.keys)
        for name, text in read_carried(info.headers).signals:
            self._inbox.append(SignalReceived(0.0, -1, name, text.encode(), ""))

    async def run(self) -> RawValue:
        """Run the workflow to its end; return its result.

        Raises:
            CarriedError: it failed.
            asyncio.CancelledError: it was cancelled, or leaves memory.
        """
        try:
            if self._past is None:
                told, self._inbox = [self._begun, *self._inbox], []
                end = self._drain(told)
            else:
                end = await self._repeat(self._past)
            while end is None:
                end = self._drain(await self._next())
            # Whoever waits for an update's answer is told before the run ends, and what it has sent is on its way.
            await self._wait(lambda: workflow.all_handlers_finished() and self._carrier.is_settled)
        except BaseException:
            self.execution.evict()
            raise
        return self._end(end)  # it stays in memory, and answers queries

    async def _repeat(self, past: Past) -> Any:
        """Repeat what was recorded elsewhere; return the command that ends the run, or None. Raises DivergenceError."""
        tokens: list[int] = []
        for lock in past.locks:  # one after the other, as the other run took them
            asked = self._carrier.places.hold(AcquireLock(lock.step, lock.name, lock.slots))
            await self._wait(asked.done)
            tokens.append(token_of(asked))
        self._carrier.fan_outs.keep({step: RecordedOutcomes(each) for step, each in past.outcomes.items()})
        events = with_tokens(past, tokens)
        repeated = repeat(self.execution, past, events)
        self._drains = len(events)
        self._answered |= answered_in(events)
        workflow.upsert_memo({PAST: RawValue(write_caught_up(repeated.note))})
        for command in (*repeated.going_on, *repeated.commands):
            match command:
                case MarkPatch():
                    mark(command)
                case StartTimer():
                    self._carrier.go_on_with_timer(command)
                case _:
                    self._carrier.carry_out(command)
        self._is_begun = True
        return repeated.end

    async def _next(self) -> list[InputEvent]:
        await self._wait(self._is_due)
        told, self._inbox = self._inbox, []
        return told

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; that the run is to be cancelled is an input like others."""
        while True:
            try:
                await workflow.wait_condition(condition)
                break
            except asyncio.CancelledError:
                reason = workflow.cancellation_reason()
                if reason is None or self._is_cancelled:
                    raise  # it leaves memory
                self._is_cancelled = True
                self._put(CancelRequested(0.0, -1, reason))

    def _open_fan_out(self, step: str, event: FanOutCompleted) -> FanOutOutcome:
        return self._carrier.fan_outs.open(step, event)

    def _is_due(self) -> bool:
        return bool(self._inbox) and not self._note.paused_at

    def _put(self, event: InputEvent) -> None:
        self._inbox.append(event)

    def _drain(self, told: list[InputEvent]) -> Any:
        """Hand inputs to the code and carry out what it asks for; return the command that ends the run, or None."""
        if self.execution.tainted:
            raise RuntimeError("a reader has changed the run's state: it is replayed")
        told = in_order(told, self._due)
        now = workflow.time()
        for event in told:
            event.time = now
        self._drains += 1
        end: Any = None
        issued = self.execution.take(told, self._drains)
        taken_back = {id(each) for each in self.execution.taken_back}
        for each in issued:
            if isinstance(each.command, _CLOSING):
                end = each.command
            elif id(each) not in taken_back or isinstance(each.command, SETTLING):
                # What is still under way when the run ends, Temporal ends by itself.
                self._carrier.carry_out(each.command)
        return end

    def _due(self, step: str) -> float:
        future = self.execution.open.get(step)
        command = None if future is None else future.command
        return command.due if isinstance(command, StartTimer) else 0.0

    def _end(self, end: Any) -> RawValue:
        match end:
            case CompleteRun():
                return raw(end.result)
            case FailRun():
                raise carry(end.failure)
            case CancelRun():
                raise asyncio.CancelledError(end.reason)
            case _:
                return self._continue(end.input)

    def _continue(self, input: bytes) -> RawValue:
        unread = [each for each in (*self.execution.unread(), *self._inbox) if isinstance(each, SignalReceived)]
        carried = Carried(tuple((each.name, _text(each)) for each in unread))
        note = Note(
            self._note.number + 1,
            self._note.digest,
            self._note.code_version,
            workflow.info().run_id,
            attributes=self._note.attributes,
        )
        memo = {**workflow.info().raw_memo, NAME: write_note(note)}
        memo.pop(PAST, None)
        with sending(carried):
            workflow.continue_as_new(
                args=raw_arguments(input), memo={name: RawValue(payload) for name, payload in memo.items()}
            )

    def _say(self, **changes: Any) -> None:
        """Change what the memo says of the run, for whoever looks at it."""
        self._note = replace(self._note, **changes)
        workflow.upsert_memo({NAME: RawValue(write_note(self._note))})

    # --- What comes from outside -----------------------------------------------------------------------------------

    def on_signal(self, name: str, values: Sequence[RawValue]) -> None:
        """Take a signal."""
        match name:
            case each if each == PAUSE:
                if not self._note.paused_at:
                    pausing = read_pausing(read_arguments(values))
                    self._say(paused_by=pausing.by, paused_reason=pausing.reason, paused_at=workflow.time())
            case each if each == RESUME:
                self._say(paused_by="", paused_reason="", paused_at=0.0, parked="")
                self._carrier.resume()
            case _:
                self._put(SignalReceived(0.0, -1, name, read_arguments(values), ""))

    def on_query(self, name: str, values: Sequence[RawValue]) -> RawValue:
        """Answer a query. Raises CarriedError."""
        if name == WAITING:
            return raw(msgspec.json.encode(Waiting(self.execution.awaited, self.execution.where())))
        if not self._is_begun:
            raise carry(Failure(_NOT_BEGUN, f"{_NOT_BEGUN}: the run waits for the locks that it was forked with"))
        try:
            return raw(self.execution.query(name, read_arguments(values)))
        except Exception as error:  # noqa: BLE001 - whatever the user's handler raises is the answer
            failure = describe_failure(error)
            # Of a query's failure Temporal hands on the message alone.
            said = seal_text(f"{failure.type}: {failure.message}", self._codec)
            raise carry(Failure(failure.type, said)) from None

    def validate(self, name: str, values: Sequence[RawValue]) -> None:
        """Let an update's validator have its say. Raises CarriedError."""
        if name == ANSWER:
            answer = read_answer(read_arguments(values))
            if answer.number != self._note.number:
                raise carry_error(CallbackGoneError("the execution that asked has ended"))
            if answer.name in self._answered:
                raise carry_error(CallbackGoneError("it was answered before"))
            return
        if self._is_begun:
            self._validate(name, values)

    def _validate(self, name: str, values: Sequence[RawValue]) -> None:
        self.execution.make_instance(self._begun)
        try:
            self.execution.validate(name, read_arguments(values))
        except HoldfastError as error:
            raise carry_error(error) from None
        except Exception as error:  # noqa: BLE001 - whatever the user's validator raises is the answer
            failure = describe_failure(error)
            raise carry(Failure(REJECTED + failure.type, failure.message, failure.traceback)) from None

    async def on_update(self, name: str, values: Sequence[RawValue]) -> RawValue:
        """Carry out an update that was accepted. Raises CarriedError."""
        if name == ANSWER:
            answered = read_answer(read_arguments(values))
            self._answered.add(answered.name)
            self._put(SignalReceived(0.0, -1, answered.name, bytes(answered.input), answered.name))
            return NOTHING
        if not self._is_begun:  # nobody could ask its code
            await workflow.wait_condition(lambda: self._is_begun)
            self._validate(name, values)
        info = workflow.current_update_info()
        assert info is not None
        answer = self._carrier.expect_answer(info.id)
        self._put(UpdateAccepted(0.0, -1, info.id, name, read_arguments(values)))
        command = await answer
        if command.result is not None:
            return raw(command.result)
        raise carry(command.failure or Failure("RuntimeError", "the update ended without an answer"))


def _started(info: workflow.Info, note: Note, input: bytes) -> WorkflowStarted:
    started = info.start_time.timestamp()
    deadline = 0.0
    if info.execution_timeout is not None and info.execution_timeout:
        deadline = info.workflow_start_time.timestamp() + info.execution_timeout.total_seconds()
    return WorkflowStarted(
        started,
        0,
        info.workflow_type,
        info.workflow_id,
        execution_name(info.workflow_id, note.number),
        input,
        note.seed or seed_of(info.original_execution_run_id),
        0,
        note.code_version,
        PYTHON,
        read_memo(info.raw_memo),
        deadline,
        info.run_timeout.total_seconds() if info.run_timeout else 0.0,
        parent=info.parent.workflow_id if info.parent is not None else "",
        continued=execution_name(info.workflow_id, note.number - 1) if info.continued_run_id else "",
        attributes=dict(note.attributes),
    )


def _text(event: SignalReceived) -> str:
    payload = event.input
    assert isinstance(payload, bytes)
    return payload.decode()
