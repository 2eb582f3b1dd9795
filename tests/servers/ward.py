"""One server of the tests' own, as the tests hold it: started, killed, stopped for a while, started again.

Owns: its folder, its warden, signals to it and to its children, the port it was given.
Must not know: which server it is, pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

WARDEN = Path(__file__).with_name("warden.py")
READY_SECONDS = 60.0  # many times what it takes on a busy machine; a server that is not ready by then never will be
LOOK_AGAIN_SECONDS = 0.01


class ServerError(Exception):
    """A server did not start, or did not end. Its words are part of the message."""


class Ward:
    """A server process and the warden that keeps it."""

    def __init__(self, name: str, ending: signal.Signals, user: str | None = None) -> None:
        """Make a folder and a warden. `ending` is the signal that ends the server in good order."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"holdfast-{name}-")).resolve()
        self.user = user
        self.pid = 0
        """Process id of the server while it runs, else 0."""
        self._name = name
        self._ending = ending
        self._log = self.folder / "log"
        if user is not None:
            shutil.chown(self.folder, user)
        self._warden = subprocess.Popen(
            [sys.executable, "-I", str(WARDEN), str(self.folder), ending.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests: they end it in good order
        )

    def run(self, command: list[str]) -> str:
        """Run a command to its end, in the folder and as the server's user; return what it says.

        Raises:
            ServerError: its exit status was not 0.
        """
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.folder,
            user=self.user,
            group=None if self.user is None else pwd.getpwnam(self.user).pw_gid,
            extra_groups=None if self.user is None else [],
        )
        if result.returncode:
            raise ServerError(f"{Path(command[0]).name} ended with {result.returncode}: {result.stdout}")
        return result.stdout

    def start(self, command: list[str], is_ready: Callable[[], bool]) -> None:
        """Start the server and return when it is ready.

        Raises:
            ServerError: it ended, or is still not ready after READY_SECONDS.
        """
        self.pid = self._order({"start": command, "log": str(self._log), "user": self.user}) or 0
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            status = self._order({"wait": LOOK_AGAIN_SECONDS})
            if status is not None:
                self.pid = 0
                raise ServerError(f"{self._name} ended with {status} when it was started:\n{self.words()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self._name} is not ready after {READY_SECONDS} s:\n{self.words()}")

    def stop(self) -> None:
        """End the server in good order; do nothing when it does not run."""
        if self.pid:
            self._end(self._ending, [self.pid])

    def kill(self) -> None:
        """End the server and all its children by SIGKILL, as the end of the machine would."""
        if self.pid:
            children = self._children()
            self._end(signal.SIGKILL, [self.pid, *children])
            for child in children:  # not ours to wait for; as long as one lives, the next start is refused
                _wait_gone(child)

    def pause(self) -> None:
        """Stop the server and its children where they are: connections stay open, and nothing answers.

        Raises:
            ServerError: it does not run; what is stopped otherwise is everything that runs these tests.
        """
        if not self.pid:
            raise ServerError(f"{self._name} does not run:\n{self.words()}")
        _signal(signal.SIGSTOP, [self.pid, *self._children()])

    def resume(self) -> None:
        """Let the server and its children go on; do nothing when it does not run."""
        if self.pid:
            _signal(signal.SIGCONT, [self.pid, *self._children()])

    def close(self) -> None:
        """End the server and its warden, and remove its folder."""
        with contextlib.suppress(ServerError):
            self.stop()
        with self._warden:  # on leaving, its orders end and its own end is waited for
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def words(self) -> str:
        """Return the last of what the server said."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""

    def _end(self, by: signal.Signals, processes: list[int]) -> None:
        _signal(by, processes)
        if by is not signal.SIGKILL:
            _signal(signal.SIGCONT, processes)  # a paused one would never hear of it
        if self._order({"wait": READY_SECONDS}) is None:
            raise ServerError(f"{self._name} did not end {READY_SECONDS} s after {by.name}:\n{self.words()}")
        self.pid = 0

    def _children(self) -> list[int]:
        """Return the server's child processes (on Linux)."""
        try:
            return [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def _order(self, order: dict[str, object]) -> int | None:
        assert self._warden.stdin is not None
        assert self._warden.stdout is not None
        self._warden.stdin.write(json.dumps(order) + "\n")
        self._warden.stdin.flush()
        return json.loads(self._warden.stdout.readline())


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def harmless_user(*names: str) -> str | None:
    """Return the first of these users there is, for a server that refuses to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in names if name in known)


def _signal(what: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, what)


def _wait_gone(process: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in "ZX":  # dead: nobody waits for it where process 1 does not
            return
        threading.Event().wait(LOOK_AGAIN_SECONDS)
