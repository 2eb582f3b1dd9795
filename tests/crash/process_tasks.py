"""Tasks that run in child processes, most of them badly."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading

from holdfast.errors import LeaseLost
from holdfast.ports.task import current_task


def double(number):
    """Return twice the number."""
    return 2 * number


async def double_async(number):
    """Return twice the number, from a loop of its own."""
    await asyncio.sleep(0)
    return 2 * number


def fail(text):
    """Raise."""
    raise ValueError(text)


def spin(pid_file):
    """Never return, and never stop computing."""
    _say(pid_file, os.getpid())
    while True:
        pass


def spin_in_c(pid_file):
    """Never let another thread of this process run."""
    _say(pid_file, os.getpid())
    re.match(r"(a+)+$", "a" * 40 + "b")


def start_and_hang(pid_file):
    """Start a program, and wait for it."""
    child = subprocess.Popen(["sleep", "600"])
    _say(pid_file, child.pid)
    child.wait()


def kill_itself(signal_number):
    """Die of a signal."""
    os.kill(os.getpid(), signal_number)
    threading.Event().wait()  # the signal arrives at the latest now


def segfault():
    """Read what is not there."""
    ctypes.string_at(0)


def leave(code):
    """End the process."""
    os._exit(code)


def exit_politely(code):
    """Raise SystemExit."""
    sys.exit(code)


def beat(times, pause):
    """Say how far it is."""
    for done in range(times):
        current_task.get().heartbeat({"done": done})
        if pause:
            threading.Event().wait(pause)
    return times


def beat_once_then_hang():
    """Beat, then be silent."""
    current_task.get().heartbeat("hello")
    threading.Event().wait()


def beat_late(pid_file):
    """Leave a thread behind that beats when the call is long over."""
    context = current_task.get()

    def late():
        while not context.over:
            threading.Event().wait(0.001)
        try:
            context.heartbeat("late")
        except LeaseLost:
            _say(pid_file, 1)

    threading.Thread(target=late).start()


def look():
    """Return what the code knows, and where it runs."""
    info = current_task.get().info
    return {
        "pid": os.getpid(),
        "attempt": info.attempt,
        "token": info.fencing_token,
        "key": info.idempotency_key,
        "deadline": info.deadline.timestamp() if info.deadline else None,
        "progress": info.last_progress,
        "main_thread": threading.current_thread() is threading.main_thread(),
        "path": sys.path,
        "argv": sys.argv,
        "python_path": os.environ.get("PYTHONPATH"),
        "group": os.getpgid(0),
    }


def echo(text):
    """Return it."""
    return text


def unfit():
    """Return what JSON cannot hold."""
    return object()


def close_everything():
    """Close every descriptor, as a careless daemon does."""
    os.closerange(3, 1000)
    return "never heard"


def scribble():
    """Write nonsense to every socket there is."""
    for descriptor in range(3, 50):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    threading.Event().wait()


def hold_connection(port_file, port):
    """Connect, and hang."""
    import socket

    with socket.create_connection(("127.0.0.1", port)):
        _say(port_file, os.getpid())
        threading.Event().wait()


def ignore_signals(pid_file):
    """Refuse to be asked."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _say(pid_file, os.getpid())
    threading.Event().wait()


def _say(file, number):
    with open(f"{file}.part", "w", encoding="ascii") as out:  # noqa: PTH123
        out.write(str(number))
    os.rename(f"{file}.part", file)  # noqa: PTH104
