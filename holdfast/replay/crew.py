"""Who does the work of a replay that is not only on paper.

Owns: running today's task code, and stand-ins for it, to a final outcome.
Must not know: histories, when work is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from holdfast.authoring import CallSignature, TaskDefinition
from holdfast.engine import decide_retry
from holdfast.errors import DefinitionError
from holdfast.history import Attempt, Exchange, Failure, TaskCompleted, TaskFailed, TaskTimedOut, describe_failure
from holdfast.ports.task import AttemptOutcome, TaskCall
from holdfast.replay.tasks import KnownTasks
from holdfast.worker import LocalRunner

if TYPE_CHECKING:
    from holdfast.http import Recording
    from holdfast.ports.mappings import Step

T = TypeVar("T")

WORKER: Final = "replay"
"""What recorded attempts of a replay call their worker."""

Done = TaskCompleted | TaskFailed | TaskTimedOut


Caller = Callable[[Callable[[], bytes | Awaitable[bytes]], str], tuple[bytes | None, Failure | None]]
"""Calls a function for a step, and returns its value as JSON text, or how it failed."""


class Crew(Protocol):
    """Does tasks."""

    ran: list[str]
    """The step of each attempt that was made."""

    def does_again(self, task: str, *, failed: bool) -> bool:
        """Say whether a task that has a recorded outcome is done again."""

    def does(self, task: str, step: str) -> bool:
        """Say whether a task that has none is done."""

    def perform(self, call: TaskCall, now: float) -> Done:
        """Do a task to its final outcome, as of `now` (seconds since the epoch)."""

    @property
    def call(self) -> Caller | None:
        """What calls the function of a side effect; None where that is not the crew's to do."""

    def close(self) -> None:
        """Go home."""


class TodaysCode:
    """Runs today's code of every task without a successful outcome, with its retries and time-outs.

    Waits between attempts take no time. Calls of `holdfast.http` are answered from the recording where they are in it.
    """

    def __init__(
        self,
        tasks: KnownTasks,
        exchanges: Mapping[str, Sequence[Exchange]] | None = None,
        *,
        strict: bool = False,
        mappings: Mapping[str, tuple[Step, ...]] | None = None,
        done: Callable[[Done, bool], None] | None = None,
    ) -> None:
        """Run the code of `tasks`.

        Args:
            tasks: where it is found.
            exchanges: what is recorded of calls to outside systems, by step.
            strict: does only what has recorded calls, and calls nobody.
            mappings: by what is called, how an answer of a new shape is read.
            done: told each outcome, and whether the code got to a call that was never made.
        """
        self.ran: list[str] = []
        self._tasks = tasks
        self._exchanges = exchanges or {}
        self._strict = strict
        self._mappings = mappings
        self._done = done
        self._recording: Recording | None = None
        self._loop = asyncio.Runner()
        self._runner: LocalRunner | None = None

    def does_again(self, task: str, *, failed: bool) -> bool:  # noqa: ARG002 - whatever the task
        """Say whether it failed."""
        return failed

    def does(self, task: str, step: str) -> bool:  # noqa: ARG002 - every task has code today
        """Say yes, unless it is strict and the step has no recorded calls."""
        return not self._strict or step in self._exchanges

    def perform(self, call: TaskCall, now: float) -> Done:
        """Run attempts until one succeeds or none is left; raises UnknownNameError where there is no such task."""
        done = self._perform(call, now)
        if self._done is not None:
            self._done(done, self._recording is not None and self._recording.is_over)
        return done

    def _perform(self, call: TaskCall, now: float) -> Done:
        self._tasks.task(call.task)
        tried: tuple[Attempt, ...] = ()
        progress = b""
        while True:
            number = len(tried) + 1
            attempt = TaskCall(
                run_id=call.run_id,
                execution=call.execution,
                step=call.step,
                task=call.task,
                input=call.input,
                options=call.options,
                idempotency_key=call.idempotency_key,
                attempt=number,
                progress=progress,
            )
            self.ran.append(call.step)
            outcome = self._loop.run(self._attempt(attempt))
            if outcome.result is not None:
                return TaskCompleted(now, -1, call.step, outcome.result, tried, WORKER)
            failure = outcome.failure or Failure("RuntimeError", "the attempt ended without a result")
            tried = (*tried, Attempt(number, now, now, WORKER, failure))
            if decide_retry(call.options.retry, number, failure, 0.0) is None:
                if outcome.timeout:
                    return TaskTimedOut(now, -1, call.step, outcome.timeout, failure, tried, WORKER)
                return TaskFailed(now, -1, call.step, failure, tried, WORKER)
            progress = outcome.progress or progress

    def call(self, function: Callable[[], bytes | Awaitable[bytes]], step: str) -> tuple[bytes | None, Failure | None]:
        """Call the function of a side effect, in a context that knows nothing of the workflow."""
        self.ran.append(step)
        context = Context()
        try:
            value = context.run(function)
            if not isinstance(value, bytes):
                value = self._loop.run(_wait(value), context=context)
        except Exception as error:  # noqa: BLE001 - the code of users may raise anything
            return None, describe_failure(error)
        return value, None

    async def _attempt(self, call: TaskCall) -> AttemptOutcome:
        if self._runner is None:
            self._runner = LocalRunner(self._tasks, _Wall())
            if self._exchanges or self._strict:
                from holdfast.http import Recording

                self._recording = Recording(self._exchanges, strict=self._strict, mappings=self._mappings)
                self._runner.enter = self._enter
        if self._recording is not None and self._runner.isolation(call.task, call.options) == "process":
            # In a process of its own it would not hear of the recording.
            call = msgspec.structs.replace(call, options=msgspec.structs.replace(call.options, isolation="thread"))
        over: asyncio.Future[AttemptOutcome] = asyncio.get_running_loop().create_future()
        self._runner.start(call, lambda _, outcome: over.set_result(outcome))
        return await over

    def _enter(self, _: TaskCall, context: Context) -> None:
        from holdfast.http import recording_here

        assert self._recording is not None, "it is made before anything runs"
        context.run(recording_here.set, self._recording)

    def close(self) -> None:
        """Stop whatever still runs."""
        with contextlib.closing(self._loop):
            if self._runner is not None:
                self._loop.run(self._runner.close())


class Stubs:
    """Calls stand-ins, once each: what a stub returns or raises is the task's final outcome."""

    call: Caller | None = None

    def __init__(self, stubs: Mapping[str, Any], tasks: KnownTasks) -> None:
        """Call `stubs`, by task name, with the arguments of the tasks they stand in for.

        Raises:
            DefinitionError: one cannot be called.
        """
        for name, each in stubs.items():
            if not callable(each):
                raise DefinitionError(
                    f"the stub of task {name!r} is {each!r}, which cannot be called",
                    remedy="Give a function that takes the task's arguments: {" + repr(name) + ": lambda *_: ...}",
                )
        self.ran: list[str] = []
        self._stubs = stubs
        self._signatures = {name: _signature(each, tasks.find(name), name) for name, each in stubs.items()}

    def does_again(self, task: str, *, failed: bool) -> bool:  # noqa: ARG002 - whatever the outcome
        """Say whether there is a stub."""
        return task in self._stubs

    def does(self, task: str, step: str) -> bool:  # noqa: ARG002 - a stub does all steps of its task
        """Say whether there is a stub."""
        return task in self._stubs

    def perform(self, call: TaskCall, now: float) -> Done:
        """Call the stub."""
        self.ran.append(call.step)
        signature = self._signatures[call.task]
        try:
            args, kwargs = signature.decode_call(call.input)
            value = self._stubs[call.task](*args, **kwargs)
            if inspect.isawaitable(value):
                value = asyncio.run(_wait(value))
            return TaskCompleted(now, -1, call.step, signature.encode_result(value), (), WORKER)
        except Exception as error:  # noqa: BLE001 - whatever a stub raises is the outcome of its task
            failure = describe_failure(error)
            return TaskFailed(now, -1, call.step, failure, (Attempt(1, now, now, WORKER, failure),), WORKER)

    def close(self) -> None:
        """Do nothing: a stub is over when it has returned."""


async def _wait(value: Any) -> Any:
    return await value


def _signature(stub: Callable[..., Any], task: TaskDefinition[Any, Any] | None, name: str) -> CallSignature:
    return CallSignature(stub, name=name) if task is None else task.signature


class _Wall:
    """The clock that attempts are timed by: their time-outs are real."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


def beside_any_loop(call: Callable[[], T]) -> T:
    """Call a function where no event loop is running: here, or in a thread while this one's loop waits."""
    if not _has_loop():
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(work,), name="holdfast replay")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
