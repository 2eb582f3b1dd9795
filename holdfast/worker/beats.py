"""A member's heartbeat, kept up by a process beside it.

Owns: the sidecar's life, the watermark of the event loop, and naming the code that blocks it.
Must not know: stores; what renews the lease is a function named by whoever starts this.

An event loop is no safe place for a heartbeat: one blocking call in a task, and the member looks dead; and a thread is
hardly better, because code that holds the interpreter's lock silences it. So another process beats. It must not beat
for a member that is dead, stopped or hung, and it can tell: see `holdfast.worker.vitals`.

A thread here watches the loop from inside. When the loop stands still it writes the line that holds it up where the
sidecar finds it, so that everybody can read `blocked at automations.py:88` in the list of members.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from holdfast.observe import log_options, logger
from holdfast.worker.spawning import spawn
from holdfast.worker.watermark import BEATS_PER_LEASE, FENCED, READY, Watermark, make_page

RISE_SECONDS_MAX: Final = 1.0
"""How often the loop says that it turns, at least."""
END_SECONDS: Final = 1.0
"""How long a sidecar may take to end; one that has not begun yet has nothing to end."""
RESTART_SECONDS: Final = 0.1
"""How long after the end of a sidecar that ended by itself another one is started."""

log = logger("holdfast.worker")


class Sidecar:
    """Keeps a member's lease renewed from outside its process."""

    def __init__(
        self,
        entry: str,
        arguments: dict[str, Any],
        *,
        lease_seconds: float,
        fenced: Callable[[], None],
    ) -> None:
        """Renew a lease of `lease_seconds`.

        Args:
            entry: `module:function`, called in the sidecar as `function(arguments, state)` with `alive` or
                `blocked at ...`; it renews the lease and returns whether it is still held.
            arguments: what the function needs, as JSON values.
            lease_seconds: how long each renewal lasts.
            fenced: called once on the loop when the lease was lost.
        """
        self._entry = entry
        self._arguments = arguments
        self._lease_seconds = lease_seconds
        self._fenced = fenced
        self._rise_seconds = min(RISE_SECONDS_MAX, lease_seconds / BEATS_PER_LEASE / 3)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready = False
        self._page = -1
        self._watermark: Watermark | None = None
        self._watch: LoopWatch | None = None
        self._rising: asyncio.TimerHandle | None = None
        self._restarting: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the sidecar, None while there is none."""
        return None if self._process is None else self._process.pid

    async def open(self) -> None:
        """Start the sidecar. Raises OSError."""
        self._page = make_page()
        self._watermark = Watermark(self._page)
        self._rise()
        self._watch = LoopWatch(self._watermark, threading.get_ident(), self._rise_seconds)
        self._watch.start()
        self._start()

    async def close(self) -> None:
        """End the sidecar; the lease is not renewed any more."""
        for timer in (self._rising, self._restarting):
            if timer is not None:
                timer.cancel()
        if self._watch is not None:
            self._watch.stop()
        process, seconds = self._process, END_SECONDS if self._ready else 0.0
        self._hang_up()
        if process is not None:
            await _end(process, seconds)
        if self._watermark is not None:
            self._watermark.close()
            os.close(self._page)
            self._watermark = None

    def _start(self) -> None:
        self._restarting = None
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            try:
                self._process = spawn(
                    "holdfast.worker.sidecar",
                    (theirs.fileno(), self._page, os.getpid()),
                    (theirs.fileno(), self._page),
                )
            except BaseException:
                ours.close()
                raise
        configuration = {
            "entry": self._entry,
            "arguments": self._arguments,
            "lease_seconds": self._lease_seconds,
            "path": sys.path,
            "logs": log_options(),
        }
        ours.sendall(json.dumps(configuration).encode() + b"\n")  # far smaller than what a socket takes at once
        self._socket, self._ready = ours, False
        asyncio.get_running_loop().add_reader(ours, self._heard)

    def _heard(self) -> None:
        assert self._socket is not None
        try:
            said = self._socket.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said == READY:
            self._ready = True
            return
        process = self._process
        self._hang_up()
        if process is not None:
            # It has closed its end: it ended, or is about to. Reaping it must not keep the loop.
            threading.Thread(target=_reap, args=(process,), name="holdfast-sidecar-end", daemon=True).start()
        if said.endswith(FENCED):  # both may come at once
            self._fenced()
        else:
            log.warning("the sidecar ended; starting another", entry=self._entry)
            self._restarting = asyncio.get_running_loop().call_later(RESTART_SECONDS, self._start)

    def _hang_up(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self._process = None

    def _rise(self) -> None:
        if self._watermark is not None:
            self._watermark.rise()
            self._rising = asyncio.get_running_loop().call_later(self._rise_seconds, self._rise)


class LoopWatch:
    """A thread that says where the loop's thread is while the loop stands still."""

    def __init__(self, watermark: Watermark, thread: int, seconds: float) -> None:
        """Look at the loop in `thread` every `seconds`."""
        self._watermark = watermark
        self._thread = thread
        self._seconds = seconds
        self._ended = threading.Event()
        self._runner = threading.Thread(target=self._run, name="holdfast-loop-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._runner.start()

    def stop(self) -> None:
        """End; the thread is gone when this returns."""
        self._ended.set()
        self._runner.join()

    def _run(self) -> None:
        height, still = self._watermark.height(), 0
        while not self._ended.wait(self._seconds):
            before, height = height, self._watermark.height()
            still = still + 1 if height == before else 0
            if still >= 2:
                self._watermark.say_where(culprit(sys._current_frames().get(self._thread)))
            elif before != height:
                self._watermark.say_where("")


def culprit(frame: FrameType | None) -> str:
    """Return the innermost line that is the user's own, as `file.py:line`; any line if there is none."""
    innermost = frame
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_FOREIGN) and not frame.f_code.co_filename.startswith("<"):
            return _place(frame)
        frame = frame.f_back
    return "" if innermost is None else _place(innermost)


def _place(frame: FrameType) -> str:
    file = frame.f_code.co_filename
    with contextlib.suppress(ValueError, OSError):
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}:{frame.f_lineno}"


_FOREIGN: Final = tuple(
    {
        sysconfig.get_path("stdlib") + os.sep,
        sysconfig.get_path("purelib") + os.sep,
        sysconfig.get_path("platlib") + os.sep,
        str(Path(__file__).parents[1]) + os.sep,
    }
)
"""Where code lives that is not the user's."""


async def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    if not seconds or not hasattr(os, "pidfd_open"):
        process.kill()
        process.wait()
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        process.kill()
        process.wait()


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
