"""Threads in which synchronous tasks run.

Owns: a bounded set of daemon threads, their abandonment, and how their results reach the loop.
Must not know: tasks, attempts, time-outs.

A thread cannot be stopped. One whose work is no longer wanted is *abandoned*: its place is given to a new thread, its
result is dropped when it comes, and until then it is counted. Abandoned threads keep what they hold - connections,
locks, memory - so a worker that has some should be replaced.

All accounting happens on the loop's thread; the threads only take work from one queue and put results into another.
They are daemons: a hung one does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback as tracebacks
from collections import deque
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import Any, Final

NAME_PREFIX: Final = "holdfast-task"


class Job:
    """One piece of work in a thread."""

    __slots__ = ("abandoned", "context", "done", "ident", "result", "work")

    def __init__(self, work: Callable[[], Any], context: Context, done: Callable[[Any], None]) -> None:
        self.work = work
        self.context = context
        self.done = done
        self.ident = 0
        """Identifier of the thread that does it, 0 before and after."""
        self.result: Any = None
        self.abandoned = False

    def stack(self) -> str:
        """Say where the thread is at the moment, as a traceback; empty when it is nowhere."""
        frame = sys._current_frames().get(self.ident)
        return "" if frame is None else "".join(tracebacks.format_stack(frame))


class Threads:
    """Runs blocking work beside one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._finished: deque[Job] = deque()
        self._ringing = False
        self._alive = 0
        self._busy = 0
        self._number = 0
        self._closed = False
        self.abandoned = 0
        """How many threads run work that nobody waits for any more."""

    def start(self, work: Callable[[], Any], context: Context, done: Callable[[Any], None]) -> Job:
        """Run `work`, which must not raise, in a thread; `done` is called with its result, on the loop.

        The caller bounds how many run at once: there is a thread for each, and unused ones are used again.

        Raises:
            RuntimeError: the system has no more threads.
        """
        job = Job(work, context, done)
        if self._busy + self.abandoned >= self._alive:
            self._number += 1
            threading.Thread(target=self._run, name=f"{NAME_PREFIX}-{self._number}", daemon=True).start()
            self._alive += 1
        self._busy += 1
        self._jobs.put(job)
        return job

    def abandon(self, job: Job) -> None:
        """Give up on `job`: its `done` will not be called, its thread is counted until it ends."""
        if not job.abandoned and job.done is not _ignore:
            job.abandoned = True
            job.done = _ignore
            self._busy -= 1
            self.abandoned += 1

    def close(self) -> None:
        """End idle threads now, and busy ones when their work ends; abandoned work is not waited for."""
        self._closed = True
        for _ in range(self._alive):
            self._jobs.put(None)
        self._alive = 0

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.ident = threading.get_ident()
            job.result = job.context.run(job.work)
            job.ident = 0
            self._finished.append(job)
            del job  # an idle thread keeps nothing alive
            # Read and set under the interpreter's lock: _collect() clears the flag first, then looks at everything
            # that was appended before.
            if not self._ringing:
                self._ringing = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:  # the loop was closed; an abandoned thread came late
                    return

    def _collect(self) -> None:
        self._ringing = False
        while self._finished:
            job = self._finished.popleft()
            done, job.done = job.done, _ignore
            if job.abandoned:
                self.abandoned -= 1
                if not self._closed:
                    self._alive -= 1
                    self._jobs.put(None)  # it was replaced meanwhile
            else:
                self._busy -= 1
            done(job.result)


def _ignore(_: Any) -> None:
    """Drop a result that nobody waits for."""
