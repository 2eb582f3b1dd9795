"""A rehearsal: one execution whose owner, workers and clock are played by a test.

Owns: the owner's side of the turn rule - facts are written first, page by page, and applied one by one - and words for
commands that read well in an assertion.
Must not know: what any workflow does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from holdfast.authoring import definition_of
from holdfast.engine.behaviours import CURRENT
from holdfast.engine.decisions import CLOSING_COMMANDS, Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.recovery import recover
from holdfast.history import (
    AcquireLock,
    AnyEvent,
    CancelChild,
    CancelFanOut,
    CancelRequested,
    CancelRun,
    CancelSideEffect,
    CancelTask,
    CancelTimer,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Command,
    CompleteRun,
    CompleteUpdate,
    ContinueRun,
    FailRun,
    Failure,
    FanOutCompleted,
    Input,
    InputEvent,
    LockGranted,
    MarkPatch,
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
    SignalReceived,
    StartChild,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    TimerFired,
    UpdateAccepted,
    WorkflowStarted,
)
from holdfast.ports.program import Guard, Program

START = 1_700_000_000.0


class Unguarded:
    """A guard that lets everything pass."""

    def enter(self) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""


class Script:
    """A workflow without decorators: any coroutine function, and handlers by name."""

    def __init__(self, run: Callable[..., Any], **handlers: dict[str, Callable[..., Any]]) -> None:
        """Run `run(input)`; handlers are called with (instance, input), where the instance is a plain object."""
        self.run = run
        self.name = "script"
        self.signals = {name: Line(name, call) for name, call in handlers.get("signals", {}).items()}
        self.queries = {name: Line(name, call) for name, call in handlers.get("queries", {}).items()}
        self.updates = {name: Line(name, call) for name, call in handlers.get("updates", {}).items()}

    def start(self, payload: bytes) -> tuple[Any, Any]:
        """Return an instance and the coroutine that is the run."""
        instance = Stage()
        return instance, self.run(json.loads(payload))

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """Return an input as JSON text."""
        assert not kwargs
        return json.dumps(*args).encode()

    def encode_result(self, value: Any) -> bytes:
        """Return a result as JSON text."""
        return json.dumps(value).encode()


class Stage:
    """What the handlers of a Script share."""


class Line:
    """A handler of a Script."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    def call(self, instance: Any, payload: bytes) -> Any:
        """Call the handler."""
        return self.function(instance, json.loads(payload))

    def validate(self, instance: Any, payload: bytes) -> None:
        """Accept everything."""

    def encode_result(self, value: Any) -> bytes:
        """Return an answer as JSON text."""
        return json.dumps(value).encode()


class Outcomes:
    """The outcomes of a fan-out, in memory."""

    def __init__(self, items: Sequence[tuple[bool, bytes]]) -> None:
        self.items = items
        self.count = len(items)
        self.failed = sum(not ok for ok, _ in items)

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return one outcome."""
        return self.items[index]


class Rehearsal:
    """One execution, from its first event to its last, and the history it leaves."""

    def __init__(
        self,
        workflow: Any,
        *,
        guard: Guard | None = None,
        trace: bool = False,
        seed: int = 7,
        make: Callable[..., Execution] = Execution,
    ) -> None:
        """Rehearse a workflow: a definition, or a `Program`."""
        self.program: Program = workflow if hasattr(workflow, "start") else definition_of(workflow)
        self.guard: Guard = guard or Unguarded()
        self.trace = trace
        self.seed = seed
        self.make = make
        self.outcomes: dict[str, Outcomes] = {}
        self.execution = self.another()
        self.history: list[AnyEvent] = []
        self.boundaries: list[int] = [0]
        """The length of the history after each page."""
        self.unrecorded: list[Issued] = []
        self.issued: list[Issued] = []
        self.time = START

    def another(self) -> Execution:
        """Return a new execution of the same program."""
        return self.make(self.program, self.guard, lambda step, _: self.outcomes[step], trace=self.trace)

    # --- The owner's part ----------------------------------------------------------------------------------------

    def begin(self, input: Any = None) -> list[str]:
        """Start the run; return what it asked for, in words."""
        payload = as_json(input)
        return self.page(
            WorkflowStarted(
                self.time, 0, self.program.name, "run-1", "run-1", payload, self.seed, int(CURRENT), "code", "3.11"
            )
        )

    def page(self, *inputs: InputEvent, record: Iterable[Issued] | None = None) -> list[str]:
        """Write a page - unrecorded decisions, then inputs - and apply its inputs one by one.

        Args:
            inputs: facts from outside; `issued` is filled in as an owner does.
            record: the decisions that the page records, beside all marks of patches; all by default.
        """
        self.write(*inputs, record=record)
        return self.apply(inputs)

    def write(self, *inputs: InputEvent, record: Iterable[Issued] | None = None) -> None:
        """Write a page, and crash before it is applied - or go on with `apply`."""
        recorded = [each for each in self.unrecorded if each.command.__class__ not in CLOSING_COMMANDS]
        if record is not None:
            recorded = list(record)
        marks = [each for each in self.unrecorded if isinstance(each.command, MarkPatch)]
        recorded = marks + [each for each in recorded if each not in marks]
        for each in recorded:
            self.unrecorded.remove(each)
            self.history.append(decision_of(each, self.time))
        for index, event in enumerate(inputs):
            event.issued = self.execution.issued if index == 0 else -1
            self.history.append(event)
        self.boundaries.append(len(self.history))

    def apply(self, inputs: Sequence[InputEvent]) -> list[str]:
        """Apply the inputs of the page written last."""
        words: list[str] = []
        for event_id, event in enumerate(inputs, len(self.history) - len(inputs) + 1):
            drained = self.execution.advance(event, event_id)
            self.unrecorded += drained
            self.issued += drained
            words += map(say, drained)
        return words

    def close(self) -> list[AnyEvent]:
        """Write the last page; return the whole history."""
        assert self.execution.closed, f"the run still waits for {self.execution.idle_steps}"
        self.write(record=sorted(self.unrecorded, key=lambda each: isinstance(each.command, CLOSING_COMMANDS)))
        return self.history

    def recover(self, events: Sequence[AnyEvent] | None = None) -> tuple[Execution, list[Issued]]:
        """Return a new execution that was brought to the end of a history, this one's by default, and its tail."""
        execution = self.another()
        try:
            tail = recover(execution, self.history if events is None else events)
        except BaseException:
            execution.evict()
            raise
        return execution, tail

    def crash(self) -> None:
        """Lose the execution, and go on with one that was recovered from the history written so far."""
        self.execution.evict()
        self.execution, self.unrecorded = self.recover()

    def end(self) -> None:
        """Take the execution out of memory."""
        self.execution.evict()

    # --- The world's part ----------------------------------------------------------------------------------------

    def complete(self, step: str, result: Any = None) -> list[str]:
        """Let a task succeed."""
        return self.page(TaskCompleted(self.time, 0, step, as_json(result)))

    def fail(self, step: str, type: str = "ValueError", message: str = "no") -> list[str]:
        """Let a task fail for good."""
        return self.page(TaskFailed(self.time, 0, step, Failure(type, message)))

    def time_out(self, step: str) -> list[str]:
        """Let a task run out of time for good."""
        return self.page(TaskTimedOut(self.time, 0, step, "attempt", Failure("TimeoutError", "10 s")))

    def fire(self, step: str) -> list[str]:
        """Let a timer's time come."""
        command = self.execution.open[step].command
        assert isinstance(command, StartTimer)
        self.time = max(self.time, command.due)
        return self.page(TimerFired(self.time, 0, step))

    def signal(self, name: str, input: Any = None) -> list[str]:
        """Send a message."""
        return self.page(signal_of(name, input, self.time))

    def update(self, update_id: str, name: str, input: Any = None) -> list[str]:
        """Send a request."""
        return self.page(UpdateAccepted(self.time, 0, update_id, name, as_json(input)))

    def cancel(self, reason: str = "stop") -> list[str]:
        """Ask the run to stop."""
        return self.page(CancelRequested(self.time, 0, reason))

    def grant(self, step: str, token: int = 1) -> list[str]:
        """Grant a lock."""
        return self.page(LockGranted(self.time, 0, step, token))

    def fan_out(self, step: str, items: Sequence[tuple[bool, Any]]) -> list[str]:
        """Let every item of a fan-out have its outcome: (True, result) or (False, Failure)."""
        encoded = [(ok, as_json(value) if ok else msgspec.msgpack.encode(value)) for ok, value in items]
        self.outcomes[step] = Outcomes(encoded)
        failed = [(index, value) for index, (ok, value) in enumerate(items) if not ok]
        index, first = failed[0] if failed else (-1, None)
        return self.page(FanOutCompleted(self.time, 0, step, b"digest", len(items), len(failed), first, index))

    def effect(self, step: str, value: Any = None, failure: Failure | None = None) -> list[str]:
        """Let a side effect give a value, or fail."""
        result = as_json(value) if failure is None else None
        return self.page(SideEffectRecorded(self.time, 0, step, result, failure))

    def resume(self, step: str) -> list[str]:
        """Let a run go on that parked itself."""
        return self.page(RunResumed(self.time, 0, step))

    def start_child(self, step: str) -> list[str]:
        """Let a child begin."""
        command = self.execution.open[step].command
        assert isinstance(command, StartChild)
        return self.page(ChildStarted(self.time, 0, step, command.run_id))

    def complete_child(self, step: str, result: Any = None) -> list[str]:
        """Let a child have its result."""
        return self.page(ChildCompleted(self.time, 0, step, as_json(result)))

    def fail_child(self, step: str, status: str = "FAILED", type: str = "ValueError", message: str = "no") -> list[str]:
        """Let a child end without a result."""
        return self.page(ChildFailed(self.time, 0, step, status, Failure(type, message)))

    def deliver(self, step: str, failure: Failure | None = None) -> list[str]:
        """Let a message to another run arrive, or be refused."""
        return self.page(MessageDelivered(self.time, 0, step, failure))

    def query(self, name: str, input: Any = None) -> Any:
        """Ask a question."""
        return json.loads(self.execution.query(name, as_json(input)))


def as_json(value: Any) -> bytes:
    """Return a payload, written as Holdfast writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def signal_of(name: str, input: Any = None, time: float = START) -> SignalReceived:
    """Return a message as an event."""
    return SignalReceived(time, 0, name, as_json(input), f"{name}-id")


def say(issued: Issued | Command) -> str:
    """Return a command in words."""
    command = issued.command if isinstance(issued, Issued) else issued
    match command:
        case ScheduleTask():
            return f"task {command.step} {command.input.decode()}"
        case StartTimer():
            return f"timer {command.step} {command.seconds:g}"
        case MarkPatch():
            return f"mark {command.patch_id}" + (" deprecated" if command.deprecated else "")
        case RunSideEffect():
            return f"effect {command.step}"
        case OpenCallback():
            return f"callback {command.step}"
        case ParkRun():
            return f"park {command.step} {command.reason}"
        case StartChild() | SendMessage() | SetAttributes() | ContinueRun():
            return _say_of_others(command)
        case CancelTask() | CancelTimer() | CancelFanOut() | CancelChild() | CancelSideEffect():
            return f"cancel {command.step}"
        case AcquireLock():
            return f"acquire {command.step}"
        case ReleaseLock():
            return f"release {command.step}"
        case StartFanOut():
            return f"map {command.step} {len(command.items)}"
        case CompleteUpdate():
            return _say_answer(command)
        case CompleteRun():
            return f"result {command.result.decode()}"
        case FailRun():
            return f"failure {command.failure.type}: {command.failure.message}"
        case CancelRun():
            return f"cancelled {command.reason}"


def _say_answer(command: CompleteUpdate) -> str:
    if command.failure is not None:
        return f"answer {command.update_id} failed {command.failure.type}"
    return f"answer {command.update_id} {(command.result or b'').decode()}"


def _say_of_others(command: StartChild | SendMessage | SetAttributes | ContinueRun) -> str:
    match command:
        case StartChild():
            return f"child {command.step} {command.input.decode()}"
        case SendMessage():
            return f"send {command.step} to {command.run_id} {command.input.decode()}"
        case SetAttributes():
            return f"attributes {as_json(command.attributes).decode()}"
        case ContinueRun():
            return f"continue {command.input.decode()}"


def inputs_of(history: Iterable[AnyEvent]) -> list[InputEvent]:
    """Return the inputs of a history."""
    return [event for event in history if isinstance(event, Input)]  # type: ignore[misc]
