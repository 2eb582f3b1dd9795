"""The demo's worker processes.

Owns: starting, killing and stopping them.
Must not know: the job, the screen.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from holdfast.demo.job import POOL

STOP_SECONDS: Final = 10.0


class Crew:
    """Worker processes of one store. Leaving the context stops them all."""

    def __init__(self, store: str, folder: Path, *, lease_seconds: float, slots: int) -> None:
        """Name the store they work for, and the folder for their logs."""
        self._arguments = [sys.executable, "-m", "holdfast", "worker", "holdfast.demo.job"]
        self._arguments += ["--pool", f"{POOL}={slots}", "--store", store, "--json"]
        self._folder = folder
        self._environment = os.environ | {"HOLDFAST_LEASE_SECONDS": str(lease_seconds), "HOLDFAST_LOG_FORMAT": "json"}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Return the crew, empty."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process, and wait for it."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of the processes that were started and not killed."""
        return tuple(self._processes)

    def hire(self) -> int:
        """Start one more worker process; return its id."""
        number = len(list(self._folder.glob("worker-*.log"))) + 1
        with (self._folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - this very interpreter, with arguments of our own
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C in the terminal is the demo's business
            )
        self._processes[process.pid] = process
        return process.pid

    def kill(self, pid: int) -> None:
        """Kill a worker as `kill -9` does: no clean-up, no last words."""
        process = self._processes.pop(pid)
        os.kill(pid, signal.SIGKILL)
        process.wait()

    def fallen(self) -> tuple[int, ...]:
        """Return ids of processes that ended by themselves, which none should."""
        return tuple(pid for pid, process in self._processes.items() if process.poll() is not None)
