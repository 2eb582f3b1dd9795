"""The doorbell inside one process, and between processes that share one file.

Owns: a directory of sockets beside the file, one socket for each process that listens.
Must not know: the store, what a ring is about.

Theory of operation
===================

Once per pass of the event loop everything rung here goes, as one datagram, to every other socket in the directory. A
socket that nobody reads any more refuses the datagram, and whoever finds that out removes it. A socket whose queue is
full is skipped: its process has rings to read anyway.

The directory is only listed again when its modification time changes. Where no socket can be made (a file system
without them, a path too long for one that cannot be shortened), the bell rings inside the process, and other processes
find out by looking on their own, as they do anyway.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import tempfile
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.bus.bell import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.ports.bus import Listener

PATH_BYTES_MAX: Final = 100
"""Longest name a socket may have; the smallest limit among systems is 103."""

DATAGRAMS_READ_MAX: Final = 256
"""How many rings one pass of the loop reads at most."""

_DATAGRAM_BYTES: Final = 512

_OPEN_TRIES: Final = 5
"""The last process to leave removes the directory, perhaps just as another one comes."""

_SETTLED_NANOSECONDS: Final = 100_000_000
"""A directory changed less than this ago may change again without a new modification time."""


def bell_directory(path: Path) -> Path:
    """Return where the sockets of the store at `path` are: beside it, or in a place with a shorter name."""
    path = path.absolute()
    beside = path.with_name(f"{path.name}-bell")
    if len(os.fsencode(beside)) + 20 <= PATH_BYTES_MAX:
        return beside
    name = blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"holdfast-{os.getuid()}-{name}"


class LocalBus:
    """Rings in this process, and in every other one that was given the same `path`. Implements `Bus`."""

    def __init__(self, path: Path | None = None) -> None:
        """Ring for the store at `path`; None rings in this process only."""
        self._directory = None if path is None else bell_directory(path)
        self._bell = Bell(self._pass_on)
        self._socket: socket.socket | None = None
        self._own = Path()
        self._others: tuple[str, ...] = ()
        self._listed_at = -1

    async def open(self) -> None:
        """Start listening."""
        if self._bell.is_open:
            return
        self._bell.open()
        if self._directory is not None:
            for _ in range(_OPEN_TRIES):
                try:
                    self._open_socket(self._directory)
                except FileNotFoundError:
                    continue
                except OSError:
                    pass  # no sockets here: others find out by looking
                break

    async def close(self) -> None:
        """Stop, and leave nothing behind."""
        self._bell.close()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            with suppress(OSError):
                self._own.unlink()
                self._own.parent.rmdir()  # the last one takes the directory along

    @property
    def reaches(self) -> bool:
        """Whether rings of others arrive: not always, and to look at a file on this machine costs little."""
        return False

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the topics rung, on the event loop; return what stops it."""
        return self._bell.listen(listener)

    def ring(self, topics: Iterable[str]) -> None:
        """Ring `topics`, soon and at most once each. Never blocks, never raises."""
        self._bell.ring(topics)

    # --- Ringing -----------------------------------------------------------------------------------------------------

    def _pass_on(self, topics: frozenset[str]) -> None:
        if self._socket is not None:
            self._send(self._socket, ",".join(topics).encode())

    def _send(self, bell: socket.socket, datagram: bytes) -> None:
        for other in self._list():
            try:
                bell.sendto(datagram, other)
            except (ConnectionRefusedError, FileNotFoundError):
                with suppress(OSError):
                    Path(other).unlink()
                self._listed_at = -1
            except OSError:
                pass  # its queue is full: it will look anyway

    def _list(self) -> tuple[str, ...]:
        directory = self._own.parent
        try:
            changed = directory.stat().st_mtime_ns
            if changed != self._listed_at:
                self._others = tuple(entry.path for entry in os.scandir(directory) if entry.path != str(self._own))
                self._listed_at = changed if time.time_ns() - changed > _SETTLED_NANOSECONDS else -1
        except OSError:
            self._others, self._listed_at = (), -1
        return self._others

    # --- Listening ---------------------------------------------------------------------------------------------------

    def _open_socket(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "the directory of the bell belongs to somebody else", str(directory))
        own = directory / f"{os.getpid()}-{secrets.token_hex(3)}"
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            bell.setblocking(False)
            bell.bind(str(own))
            asyncio.get_running_loop().add_reader(bell.fileno(), self._receive)
        except BaseException:
            bell.close()
            raise
        self._own, self._socket = own, bell

    def _receive(self) -> None:
        topics: set[str] = set()
        with suppress(OSError):
            for _ in range(DATAGRAMS_READ_MAX):
                if self._socket is None:
                    break
                topics.update(self._socket.recv(_DATAGRAM_BYTES).decode("ascii", "replace").split(","))
        topics.discard("")
        if topics:
            self._bell.sound(topics)
