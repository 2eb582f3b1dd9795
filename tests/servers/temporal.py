"""A Temporal dev server of the tests' own, on a free port, with a database file.

Owns: where its program is found, how it is started and asked whether it is there.
Must not know: what runs on it, pytest.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.servers.serving import Server
from tests.servers.ward import ServerError, Ward

INSTALL = "go install github.com/temporalio/cli/cmd/temporal@v1.5.1"
PROGRAM = "temporal"
PROGRAM_VARIABLE = "HOLDFAST_TEMPORAL_CLI"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "holdfast-tests")
"""Where `scripts/servers.sh` puts the program."""
NAMESPACES = ("calm", "killed")
"""Those that there are besides `default`: run ids of one mean nothing in another."""
ASK_SECONDS = 10.0


def find_program() -> str | None:
    """Return the path of the program: what the variable names, on PATH, or where `make test` puts it.

    While that is under way, wait for its end.
    """
    if found := os.environ.get(PROGRAM_VARIABLE) or shutil.which(PROGRAM):
        return found
    cached = CACHE.expanduser() / PROGRAM
    with contextlib.suppress(FileNotFoundError), cached.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return str(cached) if cached.exists() else None


def warm_up(target: str) -> None:
    """Connect once: the SDK opens what all its connections in a process share, and never closes it."""
    from temporalio.client import Client

    async def connect() -> None:
        await Client.connect(target)

    asyncio.run(connect())
    gc.collect()  # nothing else closes a connection of the SDK's


class Temporal(Server):
    """A server. It runs from the beginning; `close` ends it and removes every trace."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ServerError: the program is not there, or it did not start.
        """
        program = find_program()
        if program is None:
            raise ServerError(f"Temporal's CLI is not installed: {INSTALL}")
        self.program = program
        super().__init__(Ward("temporal", signal.SIGTERM))
        try:
            self._start_first()
        except BaseException:
            self.close()
            raise

    @property
    def target(self) -> str:
        """Its address as HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its namespace `default`, as settings write it."""
        return self.url_of("default")

    def url_of(self, namespace: str) -> str:
        """Return one of NAMESPACES, as settings write it."""
        return f"temporal://{self.target}/{namespace}"

    def start(self) -> None:
        """Start it again after `stop` or `kill9`, on the same port and file; return when it answers."""
        database = self._ward.folder / "temporal.db"
        command = [self.program, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless"]
        for namespace in NAMESPACES:
            command += ["--namespace", namespace]
        self._ward.start([*command, "--db-filename", str(database), "--log-level", "error"], self._is_ready)

    def show(self, run_id: str) -> str:
        """Return what Temporal's own CLI shows of a run, as JSON."""
        return self._ask("workflow", "show", "--workflow-id", run_id, "--output", "json").stdout

    def _is_ready(self) -> bool:
        return self._ask("operator", "cluster", "health", check=False).returncode == 0

    def _ask(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *command, "--address", self.target],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=check,
        )
