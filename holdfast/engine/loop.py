"""The deterministic event loop a workflow's coroutines run on.

Owns: the order in which ready callbacks run, and virtual time.
Must not know: history, stores, threads, the wall clock.

Theory of operation
===================

A workflow is ordinary asyncio code, so the smallest thing that makes it
replayable is a loop with no inputs of its own. This loop has exactly two:

1. `turn()` runs ready callbacks first-in first-out until none is left. The order
   is a pure function of the order of calls, so a replay that feeds the same
   resolutions in the same order sees the same interleaving.
2. `now` is set by the caller before a turn, and never moves during one.

A timer is not kept here. `call_at` asks `Steps` to start one, and whoever owns
history fires it when the timer is recorded as fired.

Async generators are kept until they end: one that the code has left early would
otherwise be finished by the garbage collector, at no particular time and on the
host's loop.

The callbacks are not `asyncio.Handle`s: those ask the loop for its debug flag and
copy the context, which is a third of what a step costs here (1.1 us of 3.4 us per
callback, measured).
"""

from __future__ import annotations

import asyncio
import math
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final, NoReturn, Protocol

from holdfast.engine import generators
from holdfast.engine.futures import OrderedFuture, OrderedTask, StepFuture
from holdfast.engine.interrupts import is_of_process
from holdfast.errors import LivelockError, NondeterminismError

TURN_CALLBACKS_MAX: Final = 1_000_000
"""How many callbacks one drain may run before it counts as spinning."""


class Steps(Protocol):
    """What the loop needs from whoever issues steps."""

    def start_timer(self, when: float, seconds: float, fire: Callable[[], None]) -> StepFuture:
        """Issue a timer that calls `fire` in the drain of its firing."""

    def drop(self, future: StepFuture) -> None:
        """Forget a step that is not wanted any more."""

    def begin(self) -> None:
        """Let a task be started; raises where nothing may be."""

    def where(self) -> str:
        """Return `file:line, in function` of the workflow code that is running."""


class Callback:
    """A callback that is ready to run, or was cancelled."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> None:
        """Run `callback(*args)` in `context`, or in a copy of the current one."""
        self._callback = callback
        self._args = args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """Do not run it, if it has not run."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """Say whether it was cancelled."""
        return self._cancelled


class TimerCallback(Callback):
    """A callback that waits for a recorded timer."""

    __slots__ = ("_loop", "_when", "step")

    def __init__(
        self,
        loop: WorkflowLoop,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        """Run `callback(*args)` when the timer that is due at `when` fires."""
        super().__init__(callback, args, context)
        self._loop = loop
        self._when = when
        self.step: StepFuture | None = None

    def when(self) -> float:
        """Return the time it is due, on the loop's clock."""
        return self._when

    def fire(self) -> None:
        """Make the callback ready."""
        self.step = None
        self._loop.ready.append(self)

    def cancel(self) -> None:
        """Cancel the timer, unless it has fired: asyncio.sleep cancels its timer even then."""
        super().cancel()
        step, self.step = self.step, None
        if step is not None:
            step.cancel()


class WorkflowLoop(asyncio.AbstractEventLoop):
    """An asyncio loop whose every decision is a function of its callers.

    What a workflow may not do - sockets, threads, subprocesses, signals - raises NondeterminismError.
    """

    def __init__(self, steps: Steps) -> None:
        """Make a loop whose timers are issued as steps of `steps`."""
        self.now = 0.0
        self.steps = steps
        self.ready: deque[Callback] = deque()
        self.tasks: dict[OrderedTask, None] = {}  # ordered and strong: asyncio itself holds tasks only weakly
        self.failed: list[asyncio.Future[Any]] = []
        """Tasks, steps and other futures that ended with an exception; the execution looks which nobody awaited."""
        self.unhandled: list[dict[str, Any]] = []
        self.generators: dict[int, AsyncGenerator[Any, Any]] = {}
        """Async generators that were begun and may not have ended, by `id`: they need not be hashable."""
        self._orders = 0

    def next_order(self) -> int:
        """Return the next number for an object that user code may keep in a set."""
        self._orders += 1
        return self._orders

    def turn(self) -> None:
        """Run ready callbacks, oldest first, until the loop is idle.

        Raises:
            LivelockError: the loop did not become idle within TURN_CALLBACKS_MAX callbacks.
        """
        ready = self.ready
        host = self.enter()
        left = TURN_CALLBACKS_MAX
        try:
            while ready:
                each = ready.popleft()
                if each._cancelled:
                    continue
                if not left:
                    raise LivelockError(TURN_CALLBACKS_MAX, self.steps.where())
                left -= 1
                try:
                    each._context.run(each._callback, *each._args)
                except BaseException as error:  # what asyncio's own loop does with a failing callback
                    if isinstance(error, SystemExit | KeyboardInterrupt) and is_of_process(error):
                        raise
                    self.call_exception_handler({"message": "callback raised", "exception": error})
        finally:
            self.leave(host)
        if self.generators:
            self.generators = {key: each for key, each in self.generators.items() if each.ag_frame is not None}  # type: ignore[attr-defined]  # async generators have one

    def enter(self) -> asyncio.AbstractEventLoop | None:
        """Become this thread's running loop; return the one that was, for `leave`."""
        generators.see_to_hooks()
        host = events._get_running_loop()  # a turn happens inside the host's own callback
        events._set_running_loop(self)
        return host

    def leave(self, host: asyncio.AbstractEventLoop | None) -> None:
        """Give the thread back to the loop that `enter` returned."""
        events._set_running_loop(host)

    def keep_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Hold an async generator that the code has begun, until it ends."""
        self.generators[id(generator)] = generator

    # What asyncio calls.

    def call_soon(  # type: ignore[override]  # returns a lighter handle; asyncio only cancels it
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Queue `callback` behind everything already ready."""
        each = Callback(callback, args, context)
        self.ready.append(each)
        return each

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Start a recorded timer `delay` seconds from `now`."""
        return self._call_at(self.now + delay, delay, callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Start a recorded timer that is due at `when`."""
        return self._call_at(when, when - self.now, callback, args, context)

    def _call_at(
        self,
        when: float,
        seconds: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> Callback:
        if math.isnan(seconds):
            raise ValueError("a time to wait that is not a number")
        if seconds <= 0:
            return self.call_soon(callback, *args, context=context)
        each = TimerCallback(self, when, callback, args, context)
        if when != math.inf:  # what never happens needs no timer
            each.step = self.steps.start_timer(when, seconds, each.fire)
        return each

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future that resolves on this loop."""
        return OrderedFuture(loop=self)

    def create_task(  # type: ignore[override]  # also takes the future of a step, and gives it back
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any] | StepFuture,
        *,
        name: object = None,
        context: Context | None = None,
        **_: Any,
    ) -> asyncio.Future[Any]:
        """Start `coro` as a task the loop keeps alive until it is done. A step is under way already."""
        if isinstance(coro, StepFuture):
            return coro
        try:
            self.steps.begin()
        except BaseException:
            coro.close()  # or it would complain that it was never awaited
            raise
        # Always named: asyncio's default name draws from a counter that all loops of the process share.
        task = OrderedTask(coro, loop=self, name=str(name) if name is not None else "task", context=context)
        self.tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Future[Any]) -> None:
        self.tasks.pop(task, None)  # type: ignore[call-overload]
        if not task.cancelled() and task._exception is not None:
            self.failed.append(task)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody handled, for the execution to judge."""
        # What the garbage collector has to say comes at no particular time. `failed` knows it already.
        if not context["message"].endswith(("was never retrieved", "it is pending!")):
            self.unhandled.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody handled, for the execution to judge."""
        self.call_exception_handler(context)

    def time(self) -> float:
        """Return virtual time, which stands still within a turn."""
        return self.now

    def get_task_factory(self) -> None:
        """Return None: tasks are the loop's own. Libraries ask before they create one."""

    def get_debug(self) -> bool:
        """Return False: debug mode would read the wall clock."""
        return False

    def is_running(self) -> bool:
        """Return True: asyncio only asks from inside a turn."""
        return True

    def is_closed(self) -> bool:
        """Return False: a workflow loop owns nothing to close."""
        return False


def _refusal(method: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: WorkflowLoop, *_: Any, **__: Any) -> NoReturn:
        raise NondeterminismError(f"loop.{method}()", self.steps.where(), instead)

    refuse.__name__ = method
    refuse.__doc__ = f"Refuse: {instead}."
    return refuse


_IN_A_TASK: Final = "move it into a @task, where it is retried and its result is recorded"

REFUSED: Final[dict[str, str]] = {
    "run_in_executor": _IN_A_TASK,
    "call_soon_threadsafe": "signal the run from outside: await handle.signal(...)",
    "create_connection": _IN_A_TASK,
    "create_server": _IN_A_TASK,
    "create_datagram_endpoint": _IN_A_TASK,
    "create_unix_connection": _IN_A_TASK,
    "create_unix_server": _IN_A_TASK,
    "getaddrinfo": _IN_A_TASK,
    "getnameinfo": _IN_A_TASK,
    "subprocess_exec": _IN_A_TASK,
    "subprocess_shell": _IN_A_TASK,
    "connect_read_pipe": _IN_A_TASK,
    "connect_write_pipe": _IN_A_TASK,
    "connect_accepted_socket": _IN_A_TASK,
    "add_reader": _IN_A_TASK,
    "add_writer": _IN_A_TASK,
    "sock_connect": _IN_A_TASK,
    "sock_accept": _IN_A_TASK,
    "sock_recv": _IN_A_TASK,
    "sock_recv_into": _IN_A_TASK,
    "sock_sendall": _IN_A_TASK,
    "sock_sendfile": _IN_A_TASK,
    "sendfile": _IN_A_TASK,
    "start_tls": _IN_A_TASK,
    "add_signal_handler": "handle process signals outside workflows",
    "run_forever": "await it: the workflow's loop is running already",
    "run_until_complete": "await it: the workflow's loop is running already",
}
"""Methods of an event loop that a workflow's loop refuses, and what to do instead."""

for _method, _instead in REFUSED.items():
    setattr(WorkflowLoop, _method, _refusal(_method, _instead))
