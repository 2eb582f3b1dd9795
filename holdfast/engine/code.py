"""The workflow's own code: the instance, the coroutine that is the run, and the loop they run on.

Owns: where users' code begins, runs, reads and is brought to an end.
Must not know: history, commands, steps.

Users' code runs in drains, and in four other places: decoding of outcomes,
encoding of results, queries and validators, and its own end. Wherever it runs,
the guard is on, the workflow's loop is the running one, and what it raises stays
inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import Any, Final

from holdfast.engine import closing
from holdfast.engine.caller import code_position, user_position
from holdfast.engine.closing import Evicted
from holdfast.engine.futures import StepFuture
from holdfast.engine.loop import WorkflowLoop
from holdfast.errors import LivelockError
from holdfast.ports.program import Guard, Program


class Code:
    """The code of one execution, under way. See the module's docstring."""

    __slots__ = ("_guard", "context", "fatal", "instance", "loop", "main", "program", "tainted", "warnings")

    def __init__(self, program: Program, guard: Guard, loop: WorkflowLoop, context: Context) -> None:
        """Hold a program that has not begun.

        Args:
            program: the workflow's code.
            guard: keeps the code from clocks, entropy and I/O while it runs.
            loop: what its coroutines run on.
            context: what it runs in: not the host's, for what that holds, no replay would.
        """
        self.program = program
        self.loop = loop
        self.context = context
        self.instance: Any = None
        self.main: asyncio.Future[Any] | None = None
        """The coroutine that is the run, once it has begun."""
        self.fatal: BaseException | None = None
        """What ends the run, although its coroutine has not ended."""
        self.tainted = False
        """Its state is not what history says: a reader changed it, or the process was told to stop in a drain."""
        self.warnings: list[str] = []
        self._guard = guard

    def begin(self, payload: Any) -> None:
        """Start the run. Called by the loop, in the first drain."""
        try:
            self.instance, coroutine = self.program.start(payload)
        except Exception as error:  # noqa: BLE001 - input that does not fit, or a failing __init__: the run fails
            self.main = self.loop.create_future()
            self.main.set_exception(error)
            return
        main = self.main = self.loop.create_task(coroutine, name="run", context=self.context)
        main.remove_done_callback(self.loop._task_done)  # judged at the end of the run, not as one nobody awaited
        main.add_done_callback(self._forget_main)

    def _forget_main(self, main: asyncio.Future[Any]) -> None:
        self.loop.tasks.pop(main, None)  # type: ignore[call-overload]

    def cancel(self, reason: str) -> None:
        """Let the run's coroutine see `CancelledError`."""
        if self.main is not None:
            self.loop.call_soon(self.main.cancel, reason or None, context=self.context)

    def turn(self) -> BaseException | None:
        """Run the code until it waits; return what it raised where nobody could catch it."""
        loop = self.loop
        try:
            loop.turn()
        except LivelockError as error:
            self.fatal = error
        except (SystemExit, KeyboardInterrupt):
            self.tainted = True  # the process was told to stop; the drain is half done and nobody's decision
            raise
        if loop.unhandled:
            for context in loop.unhandled:
                self.fatal = self.fatal or context.get("exception")
            loop.unhandled.clear()
        if loop.failed:  # what was awaited meanwhile needs no keeping
            loop.failed = [each for each in loop.failed if each._log_traceback]
        fatal, self.fatal = self.fatal, None  # its traceback holds half of what ran
        return fatal

    def running(self) -> Running:
        """Return a block that runs users' code outside a drain as if it were inside."""
        return Running(self._guard, self.loop)

    def where(self) -> str:
        """Return `file:line, in function` of the code that is running, or of where it waits."""
        running = user_position()
        if running:
            return running
        main = self.main
        return code_position(main.get_coro()) if isinstance(main, asyncio.Task) else ""

    # --- The end -----------------------------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Tell what the run left behind to stop; it may clean up in the next turn."""
        for task in list(self.loop.tasks):
            task.cancel()
        for generator in list(self.loop.generators.values()):
            _ = self.loop.create_task(self._aclose(generator), context=self.context)

    async def _aclose(self, generator: AsyncGenerator[Any, Any]) -> None:
        try:
            await generator.aclose()
        except Exception as error:  # noqa: BLE001 - as asyncio does at its own end: the run's result stands
            self._note_end(error)

    def unheard(self) -> BaseException | None:
        """Return the first failure that nobody awaited."""
        return next((each._exception for each in self.loop.failed if _is_unheard(each)), None)

    def stop(self) -> None:
        """End every coroutine that is left. Nothing it still asks for is granted."""
        loop = self.loop
        if loop.tasks or loop.generators:
            with self.running():
                for task in list(loop.tasks):
                    self._note_end(self.context.run(closing.close, task.get_coro()))
                for generator in list(loop.generators.values()):
                    self._note_end(self.context.run(closing.close_generator, generator))
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

    def leave_memory(self) -> None:
        """Let go of everything that leads back to the execution.

        Its context and its loop know it, and it knows them. Cut here, memory comes back at once instead of at some
        full collection, which costs hundreds of milliseconds over many live runs.
        """
        self.context = Context()
        self.loop.steps = NOBODY
        self.main = None
        self.instance = None

    def _note_end(self, error: BaseException | None) -> None:
        if error is not None:
            self.warnings.append(f"as it was ended, workflow code raised {type(error).__name__}")


class Running:
    """A block in which the guard is on and the workflow's loop is the running one."""

    __slots__ = ("_guard", "_host", "_loop")

    def __init__(self, guard: Guard, loop: WorkflowLoop) -> None:
        """Switch on `guard`, and run on `loop`."""
        self._guard = guard
        self._loop = loop

    def __enter__(self) -> None:
        """Begin the block."""
        self._guard.enter()
        self._host = self._loop.enter()

    def __exit__(self, *_: object) -> None:
        """End the block."""
        self._loop.leave(self._host)
        self._guard.leave()


class Nobody:
    """Whom a loop asks that belongs to no execution yet, or any more."""

    def start_timer(self, *_: object) -> StepFuture:
        """Refuse."""
        raise Evicted

    def drop(self, _: StepFuture) -> None:
        """Do nothing."""

    def begin(self) -> None:
        """Refuse."""
        raise Evicted

    def where(self) -> str:
        """Know nothing."""
        return ""


NOBODY: Final = Nobody()


def _is_unheard(future: asyncio.Future[Any]) -> bool:
    return future._log_traceback and not isinstance(future._exception, asyncio.CancelledError)


_cancel: Final[Callable[[asyncio.Future[Any]], bool]] = asyncio.Future.cancel
