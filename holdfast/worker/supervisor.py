"""Several worker processes, kept running.

Owns: their processes: start, restart with growing waits, drain, end.
Must not know: what they do.

A process that ends is started again. One that ends with REPLACE_EXIT_CODE asked for it - it holds threads that nobody
can stop - and is replaced at once; any other end is followed by a wait that doubles with each quick end, so that a
worker that cannot start does not keep the machine busy.

The first SIGTERM or SIGINT is passed on as SIGTERM, and every process drains; after the second they are killed. They
are leaders of process groups of their own, so a Ctrl-C in a terminal reaches the supervisor alone, and the kernel kills
them when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from holdfast.observe import logger
from holdfast.worker.tether import tethered

REPLACE_EXIT_CODE: Final = 75
"""How a worker ends that wants another in its place (EX_TEMPFAIL of sysexits.h)."""
BACKOFF_SECONDS: Final = 0.5
"""Wait before the first restart after a failure; doubles up to BACKOFF_SECONDS_MAX."""
BACKOFF_SECONDS_MAX: Final = 30.0
STABLE_SECONDS: Final = 60.0
"""A process that ran for so long has not failed quickly: the waits begin anew."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = logger("holdfast.worker")


class Supervisor:
    """Keeps some processes of one program running."""

    def __init__(
        self,
        command: Sequence[str] | Callable[[int], Sequence[str]],
        processes: int,
        *,
        environment: Mapping[str, str] | None = None,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        """Run `command`, or what it returns for each process by its number from 0, in `processes` processes.

        What nobody else may see belongs in `environment`, which is added to this process's own: a command line is there
        for everybody on the machine.
        """
        self._environment = environment
        self._command = command
        self._count = processes
        self._backoff_seconds = backoff_seconds
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._killed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of what runs now."""
        return [process.pid for process in self._running.values()]

    async def run(self) -> int:
        """Run until told to stop by a signal; return 0, or 1 when a process had to be killed.

        Takes over SIGTERM and SIGINT while it runs, so it belongs on the main thread.
        """
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(self._count):
                    group.create_task(self._keep(index), name=f"holdfast worker process {index}")
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            self._kill()
        return int(self._killed)

    def stop(self) -> None:
        """Let every process drain; called again, kill them."""
        if self._stopping.is_set():
            log.warning("told to stop again: killing what still drains", processes=len(self._running))
            self._killed = bool(self._running)
            self._kill()
            return
        log.info("draining", processes=len(self._running))
        self._stopping.set()
        for process in self._running.values():
            _send(process.pid, signal.SIGTERM)

    def _kill(self) -> None:
        for process in self._running.values():
            _send(-process.pid, signal.SIGKILL)

    async def _keep(self, index: int) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(index)
            if self._stopping.is_set():
                return
            if code == REPLACE_EXIT_CODE:
                log.info("a worker process asked to be replaced", worker=index)
                failures = 0
                continue
            if loop.time() - started >= STABLE_SECONDS:
                failures = 0
            wait = min(BACKOFF_SECONDS_MAX, self._backoff_seconds * 2**failures)
            failures += 1
            log.warning("a worker process ended; starting it again", worker=index, code=code, wait_seconds=wait)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopping.wait()

    async def _run_once(self, index: int) -> int:
        command = self._command(index) if callable(self._command) else self._command
        environment = {**os.environ, **self._environment} if self._environment else None
        process = await asyncio.create_subprocess_exec(*tethered(list(command)), process_group=0, env=environment)
        self._running[index] = process
        if self._stopping.is_set():  # told to stop while it was being started
            _send(process.pid, signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            del self._running[index]


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
