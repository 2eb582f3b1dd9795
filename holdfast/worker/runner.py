"""Attempts in this process: on the loop, in threads, in child processes.

Owns: which attempt runs where, how many at once, and what is left running.
Must not know: queues, stores, retries, workflows.
"""

from __future__ import annotations

import asyncio
import os
import traceback as tracebacks
from collections.abc import Callable
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import Any, Final, Protocol

import msgspec

from holdfast.errors import DefinitionError, HoldfastError, UnknownNameError
from holdfast.history import Failure, TaskOptions
from holdfast.ports.clock import Clock
from holdfast.ports.task import TaskCall, current_task
from holdfast.worker.attempt import Attempt, Done, Executable, describe_task_failure, is_retryable, perform_as
from holdfast.worker.eager import EagerStarter
from holdfast.worker.frames import Call, Load
from holdfast.worker.isolation import decide_isolation, locate
from holdfast.worker.line import Line
from holdfast.worker.plan import Plan
from holdfast.worker.processes import Processes
from holdfast.worker.threads import Threads

TASKS_MAX: Final = 10_000
"""How many asynchronous attempts may be under way at once, by default."""
THREADS_MAX: Final = 64
"""How many attempts may run in threads at once, by default."""
PROCESSES_MIN: Final = 4
"""How many attempts may run in child processes at once, at least, by default."""
PROCESSES_PER_PROCESSOR: Final = 2
"""How many for each processor, by default: such tasks often wait for something."""
PLANS_MAX: Final = 10_000
"""How many decisions about calls are remembered; every call may have options of its own."""


class Tasks(Protocol):
    """Where task definitions are found."""

    def task(self, name: str) -> Executable:
        """Return the definition. Raises UnknownNameError."""


class Statistics(msgspec.Struct, frozen=True):
    """What a runner is doing."""

    running: int
    waiting: int
    processes: int
    """Child processes, idle ones included."""
    abandoned_threads: int
    """Threads whose work nobody waits for any more. They keep what they hold: replace the process."""
    abandoned_tasks: int
    """Coroutines that did not end after they were cancelled."""


class LocalRunner:
    """Runs attempts on the running event loop, and beside it."""

    enter: Callable[[TaskCall, Context], None] | None = None
    """See `TaskRunner`."""

    def __init__(
        self,
        tasks: Tasks,
        clock: Clock,
        *,
        tasks_max: int = TASKS_MAX,
        threads_max: int = THREADS_MAX,
        processes_max: int | None = None,
        worn: Callable[[], None] | None = None,
        prelude: str = "",
    ) -> None:
        """Run attempts at `tasks` on the event loop that is running now.

        Args:
            tasks: where definitions are found.
            clock: where times come from.
            tasks_max: how many asynchronous attempts may be under way at once.
            threads_max: how many attempts may run in threads at once.
            processes_max: how many attempts may run in child processes at once; None is PROCESSES_PER_PROCESSOR
                for each processor, at least PROCESSES_MIN.
            worn: called once, when the first thread or coroutine had to be abandoned: it keeps what it holds until
                this process ends, so the process should be replaced.
            prelude: what child processes call before they run anything, `module:function`.
        """
        if processes_max is None:
            processes_max = max(PROCESSES_MIN, PROCESSES_PER_PROCESSOR * (os.cpu_count() or 1))
        self._tasks = tasks
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._definitions: dict[str, Executable] = {}
        self._plans: dict[tuple[str, int], Plan] = {}
        self._eager = EagerStarter(self._loop)
        self._threads = Threads(self._loop)
        self._processes = Processes(self._loop, processes_max, prelude)
        self._loads: dict[str, Load | None] = {}
        self._task_line = Line(tasks_max)
        self._thread_line = Line(threads_max)
        self._process_line = Line(processes_max)
        self._lines = (self._task_line, self._thread_line, self._process_line)
        self._live: dict[Attempt, None] = {}
        self._idle: list[asyncio.Future[None]] = []
        self._abandoned_tasks = 0
        self._worn = worn

    def knows(self, task: str) -> bool:
        """Say whether code for this task is registered here."""
        try:
            self._definition(task)
        except UnknownNameError:
            return False
        return True

    def isolation(self, task: str, options: TaskOptions) -> str:
        """Return where an attempt would run: `async`, `thread` or `process`."""
        if options.isolation != "auto":
            return options.isolation
        return decide_isolation(self._definition(task), options)

    def is_quick(self, task: str, options: TaskOptions) -> bool:
        """Say whether an attempt may start before its call is recorded: known here, no own process, no heartbeats."""
        plan = self._plans.get((task, id(options)))
        if plan is None or plan.options is not options:
            if not self.knows(task):
                return False
            plan = self._plan(task, options)
        return plan.is_quick

    def start(self, call: TaskCall, done: Done) -> Attempt | None:
        """Start an attempt; `done` is called exactly once, on the event loop - possibly before this returns.

        Returns None when the attempt ended before this returned. Raises UnknownNameError, and tells nobody, when the
        task is not registered here.
        """
        options = call.options
        # Nearly all calls of a task share one options object; its address finds what was decided about them.
        plan = self._plans.get((call.task, id(options)))
        if plan is None or plan.options is not options:
            plan = self._plan(call.task, options)
        attempt = Attempt(call, self._clock, done)
        line = plan.line
        if line.running >= line.places:
            attempt.wait(self._loop)
            self._live[attempt] = None
            attempt.released = partial(self._release, attempt, None)
            line.join(attempt, plan.begin)
        elif not plan.waits_are_limited or attempt.begin():
            plan.begin(attempt)
        return None if attempt.over else attempt

    async def drain(self, timeout: float) -> bool:
        """Wait until nothing runs or waits, `timeout` seconds at most; say whether that came true."""
        if not self._live:
            return True
        idle = self._loop.create_future()
        self._idle.append(idle)
        try:
            async with asyncio.timeout(timeout):
                await idle
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop everything: coroutines are cancelled and may clean up, processes are killed, threads are left alone."""
        for attempt in list(self._live):
            attempt.cancel()
        while self._live:  # an attempt is given up after STOP_GRACE_SECONDS
            await self.drain(1.0)
        self._eager.close()
        self._threads.close()
        await self._processes.close()
        await asyncio.sleep(0)  # unused shells end

    def statistics(self) -> Statistics:
        """Return what is going on."""
        return Statistics(
            running=sum(line.running for line in self._lines),
            waiting=sum(line.waiting for line in self._lines),
            processes=self._processes.alive,
            abandoned_threads=self._threads.abandoned,
            abandoned_tasks=self._abandoned_tasks,
        )

    # -----------------------------------------------------------------------------------------------------------------

    def _definition(self, name: str) -> Executable:
        definition = self._definitions.get(name)
        if definition is None:
            definition = self._definitions[name] = self._tasks.task(name)
        return definition

    def _plan(self, task: str, options: TaskOptions) -> Plan:
        definition = self._definition(task)
        begin: Callable[[Plan, Attempt], None]
        match self.isolation(task, options):
            case "async":
                line, begin = self._task_line, self._begin_task
            case "thread":
                line, begin = self._thread_line, self._begin_thread
            case "process":
                line, begin = self._process_line, self._begin_process
            case _:
                line, begin = self._task_line, _refuse
        plan = Plan(definition, options, line)
        plan.is_quick = (
            line is not self._process_line and options.heartbeat_timeout is None and options.record != "before"
        )
        plan.begin = partial(begin, plan)
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[(task, id(options))] = plan
        return plan

    def _hold(self, attempt: Attempt, line: Line) -> None:
        line.enter()
        self._live[attempt] = None
        attempt.released = partial(self._release, attempt, line)

    def _release(self, attempt: Attempt, line: Line | None) -> None:
        self._live.pop(attempt, None)
        if line is not None:
            line.leave()
        if not self._live and self._idle:
            for idle in self._idle:
                if not idle.done():
                    idle.set_result(None)
            self._idle.clear()

    def _wear(self) -> None:
        worn, self._worn = self._worn, None
        if worn is not None:
            worn()

    # On the loop -----------------------------------------------------------------------------------------------------

    def _begin_task(self, plan: Plan, attempt: Attempt) -> None:
        try:
            args, kwargs = plan.decode_call(attempt.call.input)
        except BaseException as error:  # noqa: BLE001 - a validator of the user's types may raise anything
            attempt.fail(describe_task_failure(error, retryable=False))
            return
        context = self._eager.context()
        context.run(current_task.set, attempt)
        if self.enter is not None:
            self.enter(attempt.call, context)
        try:
            coroutine = plan.fn(*args, **kwargs) if plan.is_plain else context.run(plan.fn, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever task code raises is the outcome of the task
            attempt.fail(describe_task_failure(error, retryable=is_retryable(plan.definition, error)))
            return
        if type(coroutine) is not CoroutineType:
            coroutine = _await(coroutine, plan.definition.is_async)
        task = self._eager.start(coroutine, context, partial(self._task_ended, plan, attempt))
        if task is not None:
            self._hold(attempt, self._task_line)
            attempt.released = partial(self._release_task, attempt, task)
            attempt.where = partial(_waits_at, task)
            attempt.run_on(self._loop, partial(_cancel, task))

    def _task_ended(self, plan: Plan, attempt: Attempt, value: Any, error: BaseException | None) -> None:
        if attempt.over:  # it was given up
            self._abandoned_tasks -= 1
            return
        if error is None:
            try:
                result = plan.encode_result(value)
            except BaseException as unfit:  # noqa: BLE001 - a serializer of the user's types may raise anything
                attempt.fail(describe_task_failure(unfit, retryable=False))
                return
            attempt.succeed(result)
            return
        try:
            attempt.fail(describe_task_failure(error, retryable=is_retryable(plan.definition, error)))
        finally:
            del error  # its traceback may refer to this frame

    def _release_task(self, attempt: Attempt, task: asyncio.Task[Any]) -> None:
        if not task.done():
            self._abandoned_tasks += 1
            self._wear()
        self._release(attempt, self._task_line)

    # In threads ------------------------------------------------------------------------------------------------------

    def _begin_thread(self, plan: Plan, attempt: Attempt) -> None:
        context = self._eager.context()
        if self.enter is not None:
            self.enter(attempt.call, context)
        try:
            job = self._threads.start(
                partial(perform_as, attempt, plan.definition, attempt.call.input),
                context,
                partial(_report, attempt),
            )
        except RuntimeError as error:  # the system has no more threads
            attempt.fail(describe_task_failure(error))
            return
        self._hold(attempt, self._thread_line)
        attempt.where = job.stack

        def abandon() -> bool:
            self._threads.abandon(job)
            self._wear()
            return False

        attempt.run_on(self._loop, abandon)

    # In child processes ----------------------------------------------------------------------------------------------

    def _begin_process(self, plan: Plan, attempt: Attempt) -> None:
        call, definition = attempt.call, plan.definition
        if call.task not in self._loads:
            self._loads[call.task] = locate(definition)
        load = self._loads[call.task]
        if load is None:
            attempt.fail(_cannot_be_found(definition))
            return
        info = attempt.info
        message = Call(
            number=self._processes.number(),
            load=load,
            qualname=definition.fn.__qualname__,
            input=call.input,
            idempotency_key=info.idempotency_key,
            attempt=info.attempt,
            run_id=info.run_id,
            execution=info.execution,
            task=info.task,
            step=info.step,
            token=info.fencing_token,
            deadline=None if info.deadline is None else info.deadline.timestamp(),
            progress=call.progress,
        )
        try:
            job = self._processes.start(message, partial(_report, attempt), attempt.beat)
        except (HoldfastError, OSError) as error:
            attempt.fail(describe_task_failure(error))
            return
        self._hold(attempt, self._process_line)
        job.called = partial(setattr, attempt, "exchanges")

        def kill() -> bool:
            job.kill()
            return True

        attempt.run_on(self._loop, kill)


def _report(attempt: Attempt, result: bytes | Failure | None) -> None:
    match result:
        case bytes():
            attempt.succeed(result)
        case Failure():
            attempt.fail(result)
        case None:
            attempt.stopped()


def _cancel(task: asyncio.Task[Any]) -> bool:
    task.cancel()
    return True


def _waits_at(task: asyncio.Task[Any]) -> str:
    # Newest frame last, as in a traceback: follow the chain of coroutines that wait for each other.
    lines: list[str] = []
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            lines.extend(tracebacks.format_stack(frame, limit=1))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return "".join(lines)


async def _await(value: Any, is_async: bool) -> Any:  # noqa: FBT001 - as declared in the definition
    """Await what a task function returned, when it is no plain coroutine; a synchronous one returned its result."""
    return await value if is_async else value


def _cannot_be_found(definition: Executable) -> Failure:
    error = DefinitionError(
        what=f"task {definition.name!r} asks for isolation='process', but another process cannot import it",
        where=f"{definition.fn.__qualname__} in module {definition.fn.__module__}",
        remedy="Define it at the top level of a module or script, or use isolation='thread'.",
    )
    return describe_task_failure(error, retryable=False)


def _refuse(plan: Plan, attempt: Attempt) -> None:
    error = DefinitionError(
        what=f"task {plan.definition.name!r} asks for isolation={plan.options.isolation!r}, which does not exist",
        remedy="Use one of: auto, async, thread, process.",
    )
    attempt.fail(describe_task_failure(error, retryable=False))
