"""The process that keeps one server: run by its path, told what to do on its standard input.

Owns: the server's process, its folder once nobody is left who wants them, the form of orders and answers.
Must not know: which server it is.

An order is a line of JSON, and so is its answer:

    {"start": ["postgres", ...], "log": "/tmp/...", "user": "postgres"}  ->  the server's process id
    {"wait": 10.0}                                                       ->  its exit status; null while it runs

The end of the orders, by whatever end of the process that gave them, is the end of the server and of its folder: not
even a `kill -9` of the tests leaves one behind. For the tests the server is no child of theirs, so that one may be
killed and started again without a process that was not there before.
"""

from __future__ import annotations

import contextlib
import json
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

GRACE_SECONDS = 10.0


def main(folder: str, ending: str) -> None:
    """Carry out orders until they end; then tell the server to end by the signal called `ending`."""
    server: subprocess.Popen[bytes] | None = None
    try:
        for line in sys.stdin:
            order = json.loads(line)
            if "start" in order:
                server = start(order["start"], Path(order["log"]), order["user"], folder)
                answer: int | None = server.pid
            else:
                answer = wait(server, order["wait"])
            print(json.dumps(answer), flush=True)
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGCONT)
            server.send_signal(signal.Signals[ending])
            if wait(server, GRACE_SECONDS) is None:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def start(command: list[str], log: Path, user: str | None, folder: str) -> subprocess.Popen[bytes]:
    """Start the server in its folder, as `user`; what it says goes to `log`."""
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            cwd=folder,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )


def wait(server: subprocess.Popen[bytes] | None, seconds: float) -> int | None:
    """Return the server's exit status, or None when it still runs after `seconds`."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return server.wait(seconds) if server is not None else None
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
