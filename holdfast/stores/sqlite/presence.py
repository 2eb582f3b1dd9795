"""Which members' processes are there, told by the kernel.

Owns: one locked file for each member that lives in this process.
Must not know: leases; they are for members that are there and do not answer.

All members of one file run on one machine. Each holds a lock on a file of its own for as long as its process lives, and
the kernel gives the lock back however the process ends. So a member that was killed is known to be dead at once, and
its work need not wait for its lease. A member that is stopped or hangs keeps its lock, and loses its lease.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Presence:
    """The members of one store that live in this process."""

    def __init__(self, folder: Path) -> None:
        """Keep the files in `folder`."""
        self._folder = folder
        self._held: dict[int, int] = {}

    def announce(self, member: int) -> None:
        """Show that `member` is there, until it leaves or the process ends; without files only its lease tells."""
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            descriptor = os.open(_file(self._folder, member), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise
            self._held[member] = descriptor

    def withdraw(self, member: int) -> None:
        """Take a member's file away: it has left, and nobody needs to ask."""
        descriptor = self._held.pop(member, None)
        if descriptor is not None:
            with suppress(OSError):
                _file(self._folder, member).unlink()
            os.close(descriptor)
            self._tidy_up()

    def close(self) -> None:
        """Let go of all files. Members that did not leave look dead from now on, and are."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        self._tidy_up()

    def _tidy_up(self) -> None:
        with suppress(OSError):  # others are there
            self._folder.rmdir()


def is_gone(folder: Path, member: int) -> bool:
    """Say whether the process of `member` has ended for certain; its file is taken away then."""
    path = _file(folder, member)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False  # never announced, or taken away: its lease tells
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _file(folder: Path, member: int) -> Path:
    return folder / str(member)
