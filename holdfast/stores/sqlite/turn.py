"""The turn: which of the processes that share a file may write now.

Owns: the files `<store>-turn` and `<store>-next`, the locks on them, and the thread that waits for them.
Must not know: transactions. Whoever has the turn may write; nobody else does.

Theory of operation
===================

SQLite's own lock has no queue: waiters sleep and try again, and one process writing flat out starves all others. Here
are two advisory locks that the system releases when their holder dies:

    turn   held during one transaction
    next   held while waiting for the turn; whoever wants the turn needs `next` first

A waiter that has `next` is the only one who can get the turn when it comes free, so a process that writes flat out is
kept out after at most one more transaction. The turn is held for one transaction only, taken and given back by the same
function without waiting in between.

When nobody else is there, that is four system calls and no thread. When the turn is not free, a thread of our own
blocks in the system call, because an event loop cannot, and wakes the loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import StoreBusyError
from holdfast.stores.sqlite.places import next_file, turn_file

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS_MAX: Final = 30.0
"""How long a write waits for its turn."""

_TAKE: Final = fcntl.LOCK_EX
_TRY: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_GIVE: Final = fcntl.LOCK_UN
_PID_BYTES: Final = 20


class Turn:
    """This process's place at the turn of one file. Belongs to one event loop."""

    __slots__ = ("_line", "_next", "_pid", "_turn", "_waiter", "path", "wait_seconds_max")

    def __init__(self, path: Path, wait_seconds_max: float = WAIT_SECONDS_MAX) -> None:
        """Name the store, by its database file."""
        self.path = path
        self.wait_seconds_max = wait_seconds_max
        self._line = asyncio.Lock()
        self._pid = str(os.getpid()).ljust(_PID_BYTES).encode()
        self._turn, self._next = -1, -1
        self._waiter: _Waiter | None = None

    def open(self) -> None:
        """Open the lock files."""
        self._turn, self._next = _open(self.path)

    def close(self) -> None:
        """Give up waiting and close the lock files."""
        if self._waiter is not None and self._line.locked():
            self._abandon()
        if self._waiter is not None:
            self._waiter.stop()
            self._waiter = None
        if self._turn >= 0:
            os.close(self._turn)
            os.close(self._next)
            self._turn, self._next = -1, -1

    def take_now(self) -> bool:
        """Take the turn if nobody has it and nobody waits for it; return whether it was taken."""
        if self._line.locked():
            return False
        try:
            fcntl.flock(self._next, _TRY)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._turn, _TRY)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._next, _GIVE)
        os.pwrite(self._turn, self._pid, 0)
        return True

    async def take(self) -> None:
        """Wait for the turn and take it. Whoever called goes on to write without waiting for anything else.

        Raises:
            StoreBusyError: it did not come within `wait_seconds_max`.
        """
        if self.take_now():
            return
        async with self._line:
            if self._waiter is None:
                self._waiter = _Waiter(self._turn, self._next)
            granted = self._waiter.wait()
            try:
                async with asyncio.timeout(self.wait_seconds_max):
                    await granted
            except BaseException as error:
                self._abandon()
                if isinstance(error, TimeoutError):
                    raise self._busy() from None
                raise
            os.pwrite(self._turn, self._pid, 0)

    def give(self) -> None:
        """Give the turn back."""
        fcntl.flock(self._turn, _GIVE)

    def _abandon(self) -> None:
        # The thread may get the turn at any moment from now on. It releases it by closing its files; they are the
        # same open files as ours, so we go on with new ones.
        if self._waiter is not None:
            self._waiter.abandon()
            self._waiter = None
            self._turn, self._next = _open(self.path)

    def _busy(self) -> StoreBusyError:
        holder = os.pread(self._turn, _PID_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
        return StoreBusyError(
            f"process {holder} has kept the turn of {self.path} for {self.wait_seconds_max:g} s (wait_seconds_max)",
            f"It may be stopped or hang in a disk operation. Look at it: ps -p {holder}",
        )


class _Waiter:
    """A thread that blocks in the locks' system calls."""

    __slots__ = ("_abandoned", "_asked", "_granted", "_guard", "_loop", "_next", "_thread", "_turn")

    def __init__(self, turn: int, next_: int) -> None:
        self._turn, self._next = turn, next_
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._abandoned = False
        # A daemon: a thread blocked by a process that never gives the turn back cannot be told to end.
        self._thread = threading.Thread(target=self._run, name="holdfast-turn", daemon=True)
        self._thread.start()

    def wait(self) -> asyncio.Future[None]:
        granted: asyncio.Future[None] = self._loop.create_future()
        self._asked.put(granted)
        return granted

    def stop(self) -> None:
        """End the thread, which is idle."""
        self._asked.put(None)
        self._thread.join()

    def abandon(self) -> None:
        """Leave the thread to itself: it gives back what it gets, closes the files and ends."""
        with self._guard:
            self._abandoned = True
            self._asked.put(None)

    def _run(self) -> None:
        while (granted := self._asked.get()) is not None:
            fcntl.flock(self._next, _TAKE)
            fcntl.flock(self._turn, _TAKE)
            fcntl.flock(self._next, _GIVE)
            with self._guard:
                if self._abandoned:
                    break
                try:
                    self._loop.call_soon_threadsafe(_grant, granted)
                except RuntimeError:  # the loop was closed over our heads
                    self._abandoned = True
                    break
        with self._guard:
            if self._abandoned:
                os.close(self._turn)
                os.close(self._next)


def _grant(granted: asyncio.Future[None]) -> None:
    if not granted.done():
        granted.set_result(None)


def _open(path: Path) -> tuple[int, int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    turn = os.open(turn_file(path), flags, 0o644)
    try:
        return turn, os.open(next_file(path), flags, 0o644)
    except BaseException:
        os.close(turn)
        raise
