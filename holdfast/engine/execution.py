"""One live execution: inputs go in, commands come out.

Owns: the workflow's coroutine and its loop, the steps that are under way, virtual
time, and which drain issued what.
Must not know: stores, commits, workers, or whether it is being replayed.

Theory of operation
===================

`advance(input, id)` is the only way forward. It resolves what the input is about,
drains the loop until it is idle, and returns the commands that drain issued, in
order. Nothing else changes an execution, so `advance` over the same inputs gives
the same commands: that is what recovery, the replayer and the laws rest on.

The owner of an execution applies an input only when it is durable, and one at a
time (the turn rule). It may record the commands of several drains in one page.

A command that is dropped in the drain that issued it leaves nothing behind but a
gap in the ordinals: it was never anybody else's business.

Users' code runs in drains, and in four other places: decoding of outcomes,
encoding of results, queries and validators, and its own end. Wherever it runs,
the guard is on, the workflow's loop is the running one, and what it raises stays
inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextvars import Context
from datetime import UTC, datetime
from hashlib import blake2b
from random import Random  # a seeded generator: no entropy
from typing import Any, Final
from uuid import UUID

from holdfast.engine import closing, machines, waits
from holdfast.engine.caller import code_position, user_position
from holdfast.engine.closing import Evicted
from holdfast.engine.decisions import Issued
from holdfast.engine.futures import StepFuture
from holdfast.engine.interrupts import is_of_process
from holdfast.engine.loop import WorkflowLoop
from holdfast.engine.machines import State
from holdfast.engine.mail import Mail
from holdfast.errors import (
    DuplicateKeyError,
    FanOutError,
    HistoryError,
    InputError,
    LivelockError,
    ReadOnlyError,
    TaskError,
    TaskTimeoutError,
    UnknownNameError,
    WorkflowCodeError,
)
from holdfast.history import (
    AcquireLock,
    CancelFanOut,
    CancelRequested,
    CancelRun,
    CancelTask,
    CancelTimer,
    Command,
    CompleteRun,
    CompleteUpdate,
    FailRun,
    Failure,
    FanOutCompleted,
    InputEvent,
    LockGranted,
    ReleaseLock,
    ScheduleTask,
    SignalReceived,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskOptions,
    TaskTimedOut,
    TimerFired,
    UpdateAccepted,
    WorkflowStarted,
    describe_failure,
)
from holdfast.ports.program import Guard, Handler, Program
from holdfast.ports.runtime import FanOutOutcome, RunInfo, current_runtime

SUGGESTED_EVENTS_MAX: Final = 10_000
"""Above this many events `run_info().should_continue_as_new` is true."""

OpenFanOut = Callable[[str, FanOutCompleted], FanOutOutcome]
"""Gives access to the outcomes of a fan-out, which live beside the history."""


class Execution:
    """A workflow under way. See the module's theory of operation."""

    def __init__(
        self,
        program: Program,
        guard: Guard,
        open_fan_out: OpenFanOut,
        *,
        trace: bool = False,
    ) -> None:
        """Make an execution that has not started: its first input is WorkflowStarted.

        Args:
            program: the workflow's code.
            guard: keeps the code from clocks, entropy and I/O while it runs.
            open_fan_out: reads the outcomes of a completed fan-out.
            trace: remember the line of user code that issued each command (replay does; it costs time).
        """
        waits.install()
        self.program = program
        self.closed = False
        """The code has issued its last command."""
        self.tainted = False
        """A query or validator changed state: the execution must be evicted and replayed."""
        self.applied = 0
        """Id of the last input applied."""
        self.issued = 0
        """How many commands the code has issued so far."""
        self.open: dict[str, StepFuture] = {}
        """Steps under way, by name."""
        self.warnings: list[str] = []
        self.started: WorkflowStarted | None = None
        self._guard = guard
        self._open_fan_out = open_fan_out
        self._trace = trace
        self._loop = WorkflowLoop(self)  # type: ignore[abstract]  # what it refuses is set by a table
        self._time = 0.0
        self._cause = 0
        self._ordinal = 0
        self._drain: list[Issued] = []
        self._counts: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._instance: Any = None
        self._main: asyncio.Future[Any] | None = None
        self._context = Context()  # not the host's: what it holds there, no replay would
        self._context.run(current_runtime.set, self)
        self._random: Random | None = None
        self._mail = Mail()
        self._updates: dict[str, State] = {}
        self._handlers: dict[asyncio.Future[Any], str] = {}
        self._held: dict[StepFuture, None] = {}
        self._dropped: set[str] = set()
        self._reader = ""
        self._evicting = False
        self._cancel_reason: str | None = None
        self._fatal: BaseException | None = None

    # --- The verbs -------------------------------------------------------------------------------------------

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Apply an input and run the code until it waits; return the commands it issued, in order.

        Raises:
            HistoryError: the input is about something the code did not ask for.
        """
        if self._evicting:
            raise HistoryError(f"event {event_id} came to an execution that had left memory")
        if self.closed:
            return self._refuse(event, event_id)
        if event.time > self._time:  # noqa: PLR1730  # a third of what max() takes. Time never goes back, whatever the clocks of several members say
            self._time = event.time
        self._loop.now = self._time
        self._cause = self.applied = event_id
        self._ordinal = 0
        drain: list[Issued] = []
        self._drain = drain
        guard = self._guard
        guard.enter()
        try:
            _APPLY[type(event)](self, event)
            self._turn()
        finally:
            guard.leave()
        main = self._main
        if main is not None and main.done() and not self.closed:
            self._finish(main)
        return drain

    def query(self, name: str, payload: bytes) -> bytes:
        """Return the answer of a query handler as JSON text. Changes nothing.

        Raises:
            UnknownNameError: the workflow has no such query.
            ReadOnlyError: the handler tried to change the run.
            Exception: whatever the handler raised.
        """
        handler = _handler(self.program.queries, "query", name)
        return handler.encode_result(self._read(f"query {name!r}", handler.call, payload))

    def validate(self, name: str, payload: bytes) -> None:
        """Let an update's validator have its say. Changes nothing.

        Raises:
            UnknownNameError: the workflow has no such update.
            Exception: whatever the validator raised; the update is rejected.
        """
        handler = _handler(self.program.updates, "update", name)
        self._read(f"the validator of update {name!r}", handler.validate, payload)

    def evict(self) -> None:
        """Take the execution out of memory: end its code, under a sign that stops it from issuing anything."""
        if self._evicting:
            return
        self._evicting = self.closed = True
        self._stop_code()
        self.open.clear()
        self._held.clear()
        self._handlers.clear()
        # Context and loop know the execution, and the execution knows them. Cut here, memory comes back at once instead
        # of at some full collection, which costs hundreds of milliseconds over many live runs.
        self._context = Context()
        self._loop.steps = _Nobody()
        self._main = None
        self._instance = None

    def where(self) -> str:
        """Return `file:line, in function` of the workflow code that is running, or of where it waits."""
        running = user_position()
        if running:
            return running
        main = self._main
        return code_position(main.get_coro()) if isinstance(main, asyncio.Task) else ""

    @property
    def idle_steps(self) -> Sequence[str]:
        """Names of the steps the code waits for."""
        return tuple(self.open)

    # --- One drain -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        try:
            self._loop.turn()
        except LivelockError as error:
            self._fatal = error
        except (SystemExit, KeyboardInterrupt):
            self.tainted = True  # the process was told to stop; the drain is half done and nobody's decision
            raise
        if self._loop.unhandled:
            for context in self._loop.unhandled:
                self._fatal = self._fatal or context.get("exception")
            self._loop.unhandled.clear()
        if self._loop.failed:  # what was awaited meanwhile needs no keeping
            self._loop.failed = [each for each in self._loop.failed if each._log_traceback]
        if self._fatal is not None:
            failure = describe_failure(self._fatal)
            self._fatal = None  # its traceback holds half of what ran
            if not self.closed:
                self._end(FailRun(failure))

    def _running(self) -> _Running:
        """Return a block that runs users' code outside a drain as if it were inside."""
        return _Running(self._guard, self._loop)

    def _read(self, reader: str, call: Callable[[Any, bytes], Any], payload: bytes) -> Any:
        drawn = self._random.getstate() if self._random is not None else None
        self._reader = reader
        try:
            with self._running():
                return self._context.copy().run(call, self._instance, payload)
        except (SystemExit, KeyboardInterrupt) as error:
            if is_of_process(error):
                raise
            raise WorkflowCodeError from error
        finally:
            self._reader = ""
            if self._loop.ready or (
                drawn is not None and self._random is not None and self._random.getstate() != drawn
            ):
                self.tainted = True
                raise ReadOnlyError("change state that other code waits for or draws from", reader)

    def _finish(self, main: asyncio.Future[Any]) -> None:
        command = self._closing_command(main)
        # What the run left behind is stopped, and may clean up for one drain.
        for task in list(self._loop.tasks):
            task.cancel()
        for generator in list(self._loop.generators.values()):
            _ = self._loop.create_task(self._aclose(generator), context=self._context)
        if self._loop.ready:
            self._guard.enter()
            try:
                self._turn()
            finally:
                self._guard.leave()
        if self.closed:
            return
        if isinstance(command, CompleteRun):
            unheard = next((each._exception for each in self._loop.failed if _is_unheard(each)), None)
            if unheard is not None:
                command = FailRun(describe_failure(unheard))
        self._end(command)

    async def _aclose(self, generator: AsyncGenerator[Any, Any]) -> None:
        try:
            await generator.aclose()
        except Exception as error:  # noqa: BLE001 - as asyncio does at its own end: the run's result stands
            self._note_end(error)

    def _closing_command(self, main: asyncio.Future[Any]) -> Command:
        if main.cancelled():
            if self._cancel_reason is not None:
                return CancelRun(self._cancel_reason)
            # Some task or step that it awaited was cancelled, by its own code: nobody has cancelled the run.
            return FailRun(describe_failure(main._make_cancelled_error()))  # type: ignore[attr-defined]
        error = main.exception()
        if error is not None:
            return FailRun(describe_failure(error))
        try:
            with self._running():
                return CompleteRun(self._context.run(self.program.encode_result, main.result()))
        except BaseException as broken:  # a result that cannot be written fails its run, nothing else
            if isinstance(broken, SystemExit | KeyboardInterrupt) and is_of_process(broken):
                raise
            return FailRun(describe_failure(broken))

    def _end(self, command: Command) -> None:
        for future in list(self.open.values()):
            future.cancel()
        for future in list(self._held):
            self.release_lock(future)
        for update_id in list(self._updates):
            self._answer(update_id, None, _UPDATE_CUT_OFF)
        self._issue(command)
        self.closed = True
        self._stop_code()

    def _stop_code(self) -> None:
        """End every coroutine that is left. Nothing it still asks for is granted."""
        loop = self._loop
        if loop.tasks or loop.generators:
            with self._running():
                for task in list(loop.tasks):
                    self._note_end(self._context.run(closing.close, task.get_coro()))
                for generator in list(loop.generators.values()):
                    self._note_end(self._context.run(closing.close_generator, generator))
                for task in list(loop.tasks):
                    # What a task waits for knows the task, and the task what it waits for. Not through their own
                    # `cancel`: nothing shall be told to anybody any more.
                    if task._fut_waiter is not None:  # type: ignore[attr-defined]
                        _cancel(task._fut_waiter)  # type: ignore[attr-defined]
                    _cancel(task)
        for future in [*loop.failed, *loop.tasks]:
            future._log_traceback = False
        loop.ready.clear()
        loop.tasks.clear()
        loop.failed.clear()
        loop.generators.clear()
        loop.unhandled.clear()

    def _note_end(self, error: BaseException | None) -> None:
        if error is not None:
            self.warnings.append(f"as it was ended, workflow code raised {type(error).__name__}")

    def _refuse(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Take an input that reached a run that had just ended: one page held both. Only an update wants an answer."""
        self.applied = event_id
        step = getattr(event, "step", None)
        if step is not None:
            self._resolve(step, machines.Step.COMPLETE)  # it was dropped at the end, or this is no outcome of it
        if not isinstance(event, UpdateAccepted):
            return []
        self.issued += 1
        return [Issued(event_id, 0, CompleteUpdate(event.update_id, None, _UPDATE_CUT_OFF))]

    # --- Inputs ----------------------------------------------------------------------------------------------

    def _on_started(self, event: WorkflowStarted) -> None:
        self.started = event
        self._loop.call_soon(self._start, event.input, context=self._context)

    def _start(self, payload: Any) -> None:
        try:
            self._instance, coroutine = self.program.start(payload)
        except Exception as error:  # noqa: BLE001 - input that does not fit, or a failing __init__: the run fails
            self._main = self._loop.create_future()
            self._main.set_exception(error)
            return
        self._main = self._loop.create_task(coroutine, name="run", context=self._context)
        self._main.remove_done_callback(self._loop._task_done)  # judged by _finish, not as a failure nobody awaited
        self._main.add_done_callback(self._forget_main)

    def _forget_main(self, main: asyncio.Future[Any]) -> None:
        self._loop.tasks.pop(main, None)  # type: ignore[call-overload]

    def _resolve(self, step: str, move: machines.Step) -> StepFuture | None:
        future = self.open.pop(step, None)
        if future is None:
            if step in self._dropped:
                # The outcome and the code's decision to do without it crossed: both stand in history, the
                # decision after the outcome, because it was made in the drain of an input of the same page.
                self._dropped.remove(step)  # which happens once
                return None
            raise HistoryError(f"the outcome of {step} is recorded, but the code did not ask for it", self.where())
        # An owner that has not recorded the decision yet does so in the page of the outcome.
        state = State.OPEN if future.state is State.ISSUED else future.state
        future.state = machines.advance(step, future.table, state, move)
        return future

    def _settle(self, future: StepFuture, outcome: Any) -> None:
        try:
            value = self._context.run(future.decode, outcome)  # type: ignore[arg-type]  # these steps always have one
        except BaseException as error:  # users' types run code of their own when they are made
            if isinstance(error, SystemExit | KeyboardInterrupt) and is_of_process(error):
                raise
            self._fail(future, error)
        else:
            future.set_result(value)

    def _on_task_completed(self, event: TaskCompleted) -> None:
        future = self._resolve(event.step, machines.Step.COMPLETE)
        if future is not None:
            self._settle(future, event.result)

    def _on_task_failed(self, event: TaskFailed) -> None:
        future = self._resolve(event.step, machines.Step.FAIL)
        if future is None:
            return
        failure = event.failure
        self._fail(
            future,
            TaskError(event.step, failure.type, failure.message, len(event.attempts) or 1, failure.traceback),
        )

    def _on_task_timed_out(self, event: TaskTimedOut) -> None:
        future = self._resolve(event.step, machines.Step.TIME_OUT)
        if future is None:
            return
        failure = event.failure
        attempts = len(event.attempts) or 1
        self._fail(
            future,
            TaskTimeoutError(event.step, failure.type, failure.message, attempts, failure.traceback, event.timeout),
        )

    def _on_timer_fired(self, event: TimerFired) -> None:
        future = self._resolve(event.step, machines.Step.COMPLETE)
        if future is None:
            return
        fire = future.decode
        future.set_result(None)
        if fire is not None:
            fire(None)

    def _on_lock_granted(self, event: LockGranted) -> None:
        future = self._resolve(event.step, machines.Step.COMPLETE)
        if future is None:
            return
        self._held[future] = None
        future.set_result(event.token)

    def _on_fan_out_completed(self, event: FanOutCompleted) -> None:
        future = self._resolve(event.step, machines.Step.COMPLETE)
        if future is None:
            return
        command = future.command
        assert isinstance(command, StartFanOut)
        if command.failures_max >= 0 and event.failed > command.failures_max:
            first = event.first_failure
            self._fail(
                future,
                FanOutError(
                    event.step,
                    first.type if first else "",
                    first.message if first else "",
                    traceback=first.traceback if first else "",
                    failed=event.failed,
                    index=event.first_failed_index,
                ),
            )
            return
        self._settle(future, self._open_fan_out(event.step, event))

    def _fail(self, future: StepFuture, error: BaseException) -> None:
        if isinstance(error, StopIteration):  # asyncio refuses it: it would end whoever awaits
            stopped, error = error, RuntimeError("the outcome's type raised StopIteration")
            error.__cause__ = stopped
        future.set_exception(error)
        self._loop.failed.append(future)

    def _on_signal(self, event: SignalReceived) -> None:
        handler = self.program.signals.get(event.name)
        payload = _bytes(event.input)
        if handler is None:
            self._mail.deliver(event.name, payload)
            return
        self._loop.call_soon(self._handle_signal, handler, payload, context=self._context.copy())

    def _handle_signal(self, handler: Handler, payload: bytes) -> None:
        try:
            pending = handler.call(self._instance, payload)
        except InputError as error:
            # Whoever sent it was answered already: the message is dropped, the run goes on.
            self.warnings.append(f"signal {handler.name!r} was dropped: {error}")
            return
        if isinstance(pending, Coroutine):
            task = self._loop.create_task(pending, name=f"signal {handler.name}")
            self._handlers[task] = handler.name
            task.add_done_callback(self._signal_handled)

    def _signal_handled(self, task: asyncio.Future[Any]) -> None:
        self._handlers.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._fatal = self._fatal or task.exception()

    def _on_update(self, event: UpdateAccepted) -> None:
        if event.update_id in self._updates:
            raise HistoryError(f"update {event.update_id!r} was accepted twice", self.where())
        self._updates[event.update_id] = State.OPEN
        handler = self.program.updates.get(event.name)
        payload = _bytes(event.input)
        self._loop.call_soon(self._handle_update, handler, event, payload, context=self._context.copy())

    def _handle_update(self, handler: Handler | None, event: UpdateAccepted, payload: bytes) -> None:
        if handler is None:
            error = UnknownNameError("update", event.name, tuple(self.program.updates))
            self._answer(event.update_id, None, describe_failure(error))
            return
        try:
            pending = handler.call(self._instance, payload)
        except Exception as error:  # noqa: BLE001 - a failing update answers with its failure; the run goes on
            self._answer(event.update_id, None, describe_failure(error))
            return
        if not isinstance(pending, Coroutine):
            self._answer_value(handler, event.update_id, pending)
            return
        task = self._loop.create_task(pending, name=f"update {handler.name}")
        self._handlers[task] = handler.name

        def answer(done: asyncio.Future[Any]) -> None:
            self._handlers.pop(done, None)
            if done.cancelled():
                self._answer(
                    event.update_id, None, describe_failure(asyncio.CancelledError("the update was cancelled"))
                )
            elif (error := done.exception()) is not None:
                self._answer(event.update_id, None, describe_failure(error))
            else:
                self._answer_value(handler, event.update_id, done.result())

        task.add_done_callback(answer)

    def _answer_value(self, handler: Handler, update_id: str, value: Any) -> None:
        try:
            result = handler.encode_result(value)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be written is a failure of the update alone
            self._answer(update_id, None, describe_failure(error))
        else:
            self._answer(update_id, result, None)

    def _answer(self, update_id: str, result: bytes | None, failure: Failure | None) -> None:
        move = machines.Step.COMPLETE if failure is None else machines.Step.FAIL
        machines.advance(f"update {update_id}", machines.UPDATE, self._updates.pop(update_id), move)
        self._issue(CompleteUpdate(update_id, result, failure))

    def _on_cancel(self, event: CancelRequested) -> None:
        self._cancel_reason = event.reason
        main = self._main
        if main is not None:
            self._loop.call_soon(main.cancel, event.reason or None, context=self._context)

    # --- WorkflowRuntime: what workflow code asks for --------------------------------------------------------

    def issue_task(
        self, name: str, payload: bytes, options: TaskOptions, key: str | None, decode: Callable[[bytes], Any]
    ) -> StepFuture:
        """Issue a task. See `WorkflowRuntime`."""
        step = self._name_step(name, key)
        return self._issue_step(ScheduleTask(step, name, payload, options), step, machines.TASK, decode)

    def issue_fan_out(
        self,
        name: str,
        payloads: Sequence[bytes],
        options: TaskOptions,
        key: str | None,
        failures_max: int,
        decode: Callable[[FanOutOutcome], Any],
    ) -> StepFuture:
        """Issue one task for each of many inputs. See `WorkflowRuntime`."""
        step = self._name_step("map", key)
        items = tuple(payloads)
        digest = blake2b(digest_size=16)
        for each in items:
            digest.update(len(each).to_bytes(8, "big"))
            digest.update(each)
        command = StartFanOut(step, name, items, digest.digest(), options, failures_max)
        return self._issue_step(command, step, machines.FAN_OUT, decode)

    def start_timer(self, when: float, seconds: float, fire: Callable[[], None]) -> StepFuture:
        """Issue a timer. Called by the loop."""
        step = self._name_step("sleep", None)
        return self._issue_step(StartTimer(step, float(seconds), float(when)), step, machines.TIMER, lambda _: fire())

    def acquire_lock(self, name: str, slots: int) -> asyncio.Future[int]:
        """Queue for a lock. See `WorkflowRuntime`."""
        step = self._name_step(f"lock({name})", None)
        return self._issue_step(AcquireLock(step, name, slots), step, machines.LOCK, None)

    def release_lock(self, acquired: asyncio.Future[int]) -> None:
        """Give back a held lock. See `WorkflowRuntime`."""
        assert isinstance(acquired, StepFuture)
        self._check("give back a lock")
        if acquired in self._held:
            del self._held[acquired]
            command = acquired.command
            assert isinstance(command, AcquireLock)
            acquired.state = machines.advance(acquired.step, acquired.table, acquired.state, machines.Step.CANCEL)
            self._issue(ReleaseLock(acquired.step, command.name))
        else:
            acquired.cancel()

    def wait_signal(self, name: str) -> asyncio.Future[bytes]:
        """Return a future of the next signal called `name`. See `WorkflowRuntime`."""
        self._check(f"wait for signal {name!r}")
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._mail.wait(name, future)
        return future

    def now(self) -> datetime:
        """Return the time of the event being applied: aware, UTC."""
        return datetime.fromtimestamp(self._time, UTC)

    def random(self) -> Random:
        """Return the run's own generator."""
        self._check("draw a random number")
        if self._random is None:
            assert self.started is not None
            self._random = Random(self.started.seed)  # noqa: S311  # replays have to repeat it
        return self._random

    def uuid4(self) -> UUID:
        """Return a UUID drawn from the run's own generator."""
        return UUID(int=self.random().getrandbits(128), version=4)

    def patched(self, patch_id: str) -> bool:
        """Say whether the changed code path is to be taken. See `WorkflowRuntime`."""
        raise NotImplementedError(f"patched({patch_id!r}) is not available on this engine yet")

    def handlers_finished(self) -> bool:
        """Say whether no asynchronous handler is still running."""
        return not self._handlers

    def info(self) -> RunInfo:
        """Return what is known about the run."""
        started = self.started
        assert started is not None
        return RunInfo(
            run_id=started.run_id,
            execution=started.execution,
            workflow=started.workflow,
            started_at=datetime.fromtimestamp(started.time, UTC),
            history_events=self._cause,
            should_continue_as_new=self._cause > SUGGESTED_EVENTS_MAX,
        )

    # --- Steps -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Let a task be started. Called by the loop."""
        self._check("start a task")

    def _check(self, attempted: str) -> None:
        if self._reader:
            raise ReadOnlyError(attempted, self._reader)
        if self._evicting or self.closed:
            raise Evicted

    def _name_step(self, name: str, key: str | None) -> str:
        if self._reader or self.closed:
            self._check(f"issue {name}")
        if key is None:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            return f"{name}#{count}"
        step = f"{name}[{key}]"
        if step in self._keys:
            raise DuplicateKeyError(step, self._keys[step], user_position() or "?")
        self._keys[step] = user_position() or "?"
        return step

    def _issue_step(
        self, command: Command, step: str, table: machines.Table, decode: Callable[[Any], Any] | None
    ) -> StepFuture:
        future = StepFuture(self._loop, self, self._loop.next_order(), step, table, command, decode)
        future.cause = self._cause
        future.ordinal = self._ordinal
        self._issue(command)
        self.open[step] = future
        return future

    def _issue(self, command: Command) -> None:
        self._drain.append(Issued(self._cause, self._ordinal, command, user_position() if self._trace else ""))
        self._ordinal += 1
        self.issued += 1

    def drop(self, future: StepFuture) -> None:
        """Forget a step its code does not want any more. Called by the step's future, before it is cancelled."""
        if self._evicting or self.closed:
            return
        if self._reader:
            raise ReadOnlyError(f"cancel {future.step}", self._reader)
        if self.open.pop(future.step, None) is None:
            return
        issued_now = future.cause == self._cause and future.state is State.ISSUED
        future.state = machines.advance(future.step, future.table, future.state, machines.Step.CANCEL)
        if issued_now:
            for index, each in enumerate(self._drain):
                if each.ordinal == future.ordinal:
                    del self._drain[index]
                    return
        self._dropped.add(future.step)
        self._issue(_cancellation(future))


class _Running:
    """A block in which the guard is on and the workflow's loop is the running one."""

    __slots__ = ("_guard", "_host", "_loop")

    def __init__(self, guard: Guard, loop: WorkflowLoop) -> None:
        self._guard = guard
        self._loop = loop

    def __enter__(self) -> None:
        self._guard.enter()
        self._host = self._loop.enter()

    def __exit__(self, *_: object) -> None:
        self._loop.leave(self._host)
        self._guard.leave()


class _Nobody:
    """Whom a loop asks after its execution has left memory."""

    def start_timer(self, *_: object) -> StepFuture:
        raise Evicted

    def drop(self, _: StepFuture) -> None:
        pass

    def begin(self) -> None:
        raise Evicted

    def where(self) -> str:
        return ""


_UPDATE_CUT_OFF: Final = Failure("CancelledError", "the run ended before the update did", retryable=False)


def _is_unheard(future: asyncio.Future[Any]) -> bool:
    return future._log_traceback and not isinstance(future._exception, asyncio.CancelledError)


_cancel: Final = asyncio.Future.cancel


def _cancellation(future: StepFuture) -> Command:
    command = future.command
    match command:
        case ScheduleTask():
            return CancelTask(command.step)
        case StartTimer():
            return CancelTimer(command.step)
        case AcquireLock():
            return ReleaseLock(command.step, command.name)
        case StartFanOut():
            return CancelFanOut(command.step)
        case _:
            raise AssertionError(f"{type(command).__name__} is not a step")


def _handler(handlers: Any, kind: str, name: str) -> Handler:
    handler: Handler | None = handlers.get(name)
    if handler is None:
        raise UnknownNameError(kind, name, tuple(handlers))
    return handler


def _bytes(payload: Any) -> bytes:
    assert isinstance(payload, bytes)  # references are resolved when a page is opened
    return payload


_APPLY: Final[dict[type, Callable[[Execution, Any], None]]] = {
    WorkflowStarted: Execution._on_started,
    TaskCompleted: Execution._on_task_completed,
    TaskFailed: Execution._on_task_failed,
    TaskTimedOut: Execution._on_task_timed_out,
    TimerFired: Execution._on_timer_fired,
    SignalReceived: Execution._on_signal,
    UpdateAccepted: Execution._on_update,
    CancelRequested: Execution._on_cancel,
    LockGranted: Execution._on_lock_granted,
    FanOutCompleted: Execution._on_fan_out_completed,
}
"""Holds one entry for each input event."""
