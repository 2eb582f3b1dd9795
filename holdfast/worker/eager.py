"""Coroutines that are started at once, and become asyncio tasks only when they wait.

Owns: shells - tasks made ahead - and which coroutine runs under which of them.
Must not know: task definitions, attempts, time-outs.

Theory of operation
===================

Most steps of a workflow finish quickly and many never wait. An asyncio.Task for each of them costs a task object, a
turn of the loop and a callback: about 10 us, as much as the rest of the step. Python 3.12 has eager tasks; this is the
same idea for 3.11 too, at nearly the same cost, because the task object is used again.

A *shell* is a real asyncio.Task whose coroutine is a small object of ours. Starting a user's coroutine means: take a
shell, make it the loop's current task, and send the coroutine its first None, inside its own contextvars context.

- It finished: the outcome is known at once, and the shell goes back to the pool.
- It waits for a future: coroutine and future are handed to the shell. Its next step - the first one, still queued, or
  one we wake it up for - yields that future, and from there on asyncio drives the coroutine through the shell as if it
  had been its own.

`asyncio.current_task()` is therefore the same task before and after the first wait, and `asyncio.timeout`, `TaskGroup`
and anyio work. Rules that keep shells honest:

Rule 1: a shell that anybody may remember is not used again: its reference count, weak references, callbacks and
        cancellations must all be as they were. Otherwise it ends with the outcome of its coroutine.
Rule 2: a shell drives at most one coroutine that waits, and ends with it.
Rule 3: a request to cancel that came before asyncio drives the coroutine cancels what the coroutine waits for, and
        only if that is done already is thrown into it. This is what Task.cancel does.
Rule 4: a shell in the pool is invisible: not in asyncio.all_tasks(), and nobody is told when it is dropped.

Measured on Python 3.11, two cores: 1.5 us for a coroutine that returns at once; a task of its own takes 12 us.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable, Coroutine
from contextvars import Context
from enum import Enum, auto
from sys import getrefcount
from types import TracebackType
from typing import Any, Final, TypeAlias
from weakref import getweakrefcount

SHELLS_IDLE_MAX: Final = 64
"""How many unused shells are kept. Only nested starts need more than one at a time."""

Done: TypeAlias = Callable[[Any, BaseException | None], None]
"""Called once with (value, None) or (None, error)."""


class _State(Enum):
    IDLE = auto()
    HANDED = auto()
    DRIVING = auto()
    RETIRED = auto()


class _Shell(Coroutine[Any, Any, Any]):
    """What a shell's task believes to be its coroutine."""

    __slots__ = (
        "context",
        "coroutine",
        "error",
        "forgiven",
        "loop",
        "park",
        "state",
        "task",
        "value",
        "weak_references",
        "yielded",
    )

    task: asyncio.Task[Any]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.state = _State.IDLE
        self.park: asyncio.Future[None] | None = None
        self.weak_references = 1  # asyncio's own set of all tasks; 0 while invisible
        self.forgiven = False  # cancelled and uncancelled within the first step; see _is_forgiven()
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.context: Context | None = None
        self.yielded: Any = None
        self.value: Any = None
        self.error: BaseException | None = None

    def send(self, _: None) -> Any:
        """Take the task's next step."""
        match self.state:
            case _State.DRIVING:
                return self._step(None)
            case _State.HANDED:
                self.state = _State.DRIVING
                yielded, self.yielded = self.yielded, None
                if yielded is None:  # a bare yield asks for one turn of the loop, which has passed
                    return self._step(None)
                if hasattr(yielded, "_asyncio_future_blocking"):
                    yielded._asyncio_future_blocking = True
                return yielded  # anything else is no future, and asyncio says so to the coroutine
            case _State.IDLE:
                self.park = self.loop.create_future()
                self.park._asyncio_future_blocking = True
                return self.park
            case _State.RETIRED:
                return self._finish()

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,  # noqa: ARG002 - inherited
    ) -> Any:
        """Take the task's next step, with an exception."""
        error: BaseException = typ if isinstance(typ, BaseException) else typ(val)
        match self.state:
            case _State.DRIVING:
                return self._step(error)
            case _State.HANDED if self.forgiven:
                return self.send(None)
            case _State.HANDED:
                self.state = _State.DRIVING
                yielded, self.yielded = self.yielded, None
                if not isinstance(error, asyncio.CancelledError) or not hasattr(yielded, "_asyncio_future_blocking"):
                    return self._step(error)
                if not yielded.cancel(*error.args[:1]):  # Rule 3
                    return self._step(error)
                yielded._asyncio_future_blocking = True
                return yielded
            case _State.IDLE:
                raise error  # somebody cancels every task there is
            case _State.RETIRED:
                return self._finish()

    def close(self) -> None:
        """Close the user's coroutine, when there is one."""
        if self.coroutine is not None:
            self.coroutine.close()

    def __await__(self) -> Any:
        """Refuse: a shell belongs to its task."""
        raise TypeError("a shell cannot be awaited")

    def __getattr__(self, name: str) -> Any:
        # Debuggers, repr(task) and task.get_stack() look at cr_frame, cr_code and the like.
        if name.startswith("cr_") or name in {"__name__", "__qualname__"}:
            return getattr(self.coroutine, name)
        raise AttributeError(name)

    def _step(self, error: BaseException | None) -> Any:
        assert self.context is not None
        assert self.coroutine is not None
        try:
            if error is None:
                return self.context.run(self.coroutine.send, None)
            return self.context.run(self.coroutine.throw, error)
        except StopIteration as stop:
            self.value = stop.value
            raise
        except (SystemExit, KeyboardInterrupt) as exit_error:
            # asyncio would let these end the loop; raised by a coroutine's own code they are only its failure.
            self.error = exit_error
            return self._finish()
        except BaseException as failure:
            self.error = failure
            raise

    def _finish(self) -> Any:
        if self.error is None or isinstance(self.error, SystemExit | KeyboardInterrupt):
            raise StopIteration(self.value)
        raise self.error


class EagerStarter:
    """Starts coroutines on one running loop, without a task of their own while they do not wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context | None = None) -> None:
        """Start coroutines on `loop`; each runs in its own copy of `context` (default: an empty one)."""
        self._loop = loop
        self._context = Context() if context is None else context
        self._idle: list[_Shell] = []
        self._closed = False

    def context(self) -> Context:
        """Return a fresh context for one coroutine."""
        return self._context.copy()

    def start(self, coroutine: Coroutine[Any, Any, Any], context: Context, done: Done) -> asyncio.Task[Any] | None:
        """Run `coroutine` until it first waits.

        Args:
            coroutine: not started yet.
            context: the contextvars it runs in; not entered by anybody else.
            done: called with the outcome: before this returns when the coroutine does not wait, else on the loop.

        Returns:
            The task that goes on with the coroutine, None when it ended.
        """
        # Written out flat: a call costs 0.06 us here, and this runs once per step.
        loop = self._loop
        idle = self._idle
        shell = idle.pop() if idle else self._make()
        task = shell.task
        park = shell.park
        if park is not None and park.done():  # cancelled by somebody who cancels every task there is
            return self.start(coroutine, context, done)
        references = getrefcount(task)
        outer = _swap_current_task(loop, task)
        try:
            ended, value, error = _first_step(coroutine, context)
        finally:
            _swap_current_task(loop, outer)
        if not ended:
            self._hand_over(shell, coroutine, context, value)
            task.add_done_callback(_Ending(shell, done), context=self._context)
            return task
        if (  # Rule 1
            getrefcount(task) == references
            and getweakrefcount(task) == shell.weak_references
            and task._callbacks is None
            and not task.cancelling()
            and not (task._must_cancel if park is None else park.done())
        ):
            if shell.weak_references or self._closed:
                self._keep(shell)
            else:
                idle.append(shell)
        else:
            cancelled = task._must_cancel if park is None else park.done()  # type: ignore[attr-defined]  # not in typeshed
            if cancelled and not _is_forgiven(shell):
                value, error = None, asyncio.CancelledError()  # asyncio: cancelled in its last step is cancelled
            self._retire(shell, value, error)
        if error is None:
            done(value, None)
            return None
        try:
            done(None, error)
        finally:
            del error  # its traceback refers to this frame
        return None

    def close(self) -> None:
        """End all unused shells. Coroutines that wait go on."""
        self._closed = True
        while self._idle:
            self._retire(self._idle.pop(), None, None)

    def _make(self) -> _Shell:
        shell = _Shell(self._loop)
        shell.task = asyncio.Task(shell, loop=self._loop, context=self._context)
        return shell

    def _keep(self, shell: _Shell) -> None:
        if self._closed or len(self._idle) >= SHELLS_IDLE_MAX:
            self._retire(shell, None, None)
            return
        _hide(shell)
        self._idle.append(shell)

    def _hand_over(self, shell: _Shell, coroutine: Coroutine[Any, Any, Any], context: Context, yielded: Any) -> None:
        if not shell.weak_references:
            shell.weak_references = 1
            shell.task._log_destroy_pending = True  # type: ignore[attr-defined]  # there, but not in typeshed
            asyncio_tasks._register_task(shell.task)
        shell.coroutine, shell.context, shell.yielded = coroutine, context, yielded
        shell.state = _State.HANDED
        shell.forgiven = _is_forgiven(shell)
        if hasattr(yielded, "_asyncio_future_blocking"):
            yielded._asyncio_future_blocking = False  # until the shell yields it
        if shell.park is not None and not shell.park.done():
            shell.park.set_result(None)

    def _retire(self, shell: _Shell, value: Any, error: BaseException | None) -> None:
        shell.state = _State.RETIRED
        shell.value, shell.error = value, error
        _hide(shell)
        if error is not None:
            shell.task.add_done_callback(_retrieve, context=self._context)
        if shell.park is not None and not shell.park.done():
            shell.park.set_result(None)


class _Ending:
    """Tells `done` how a shell's coroutine ended."""

    __slots__ = ("done", "shell")

    def __init__(self, shell: _Shell, done: Done) -> None:
        self.shell = shell
        self.done = done

    def __call__(self, task: asyncio.Task[Any]) -> None:
        shell = self.shell
        value, error = shell.value, shell.error
        shell.value = shell.error = shell.coroutine = shell.context = None
        del shell.task  # a failure's traceback refers to the shell, and the task to the failure
        if task.cancelled():
            value, error = None, error or asyncio.CancelledError()
        else:
            task.exception()  # asyncio complains about exceptions that nobody looked at
        try:
            self.done(value, error)
        finally:
            del error


def _first_step(coroutine: Coroutine[Any, Any, Any], context: Context) -> tuple[bool, Any, BaseException | None]:
    # A function of its own: the traceback of a failure refers to this frame, which must not refer to the failure.
    try:
        return False, context.run(coroutine.send, None), None
    except StopIteration as stop:
        return True, stop.value, None
    except BaseException as error:  # noqa: BLE001 - whatever task code raises is the outcome of the task
        return True, None, error


def _is_forgiven(shell: _Shell) -> bool:
    # From 3.13 on, a task that takes back the last request to cancel it before its next wait is not cancelled.
    return (
        sys.version_info >= (3, 13)
        and shell.park is not None
        and shell.park.cancelled()
        and shell.task.cancelling() == 0
    )


def _hide(shell: _Shell) -> None:
    shell.weak_references = 0
    shell.task._log_destroy_pending = False  # type: ignore[attr-defined]  # there, but not in typeshed
    asyncio_tasks._unregister_task(shell.task)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


if sys.version_info >= (3, 12):
    _swap_current_task = asyncio_tasks._swap_current_task
else:
    _current_tasks = asyncio_tasks._current_tasks  # type: ignore[attr-defined]  # there, but not in typeshed

    def _swap_current_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        """Make `task` the loop's current one; return the one before."""
        before: asyncio.Task[Any] | None = _current_tasks.get(loop)
        if task is not None:
            _current_tasks[loop] = task
        elif before is not None:
            del _current_tasks[loop]
        return before
