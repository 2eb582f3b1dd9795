"""The side file `<store>-head`: the number and hash of the newest commit, outside the database.

Owns: that file's form, and the lock on it.
Must not know: what the hash covers.

It is written after each commit, without waiting for the disk. A database whose newest commit is older than the side
file says has lost its tail, which nothing inside the database can show.

It is also a lock. Whoever moves pages from the write-ahead log into the database holds it; whoever copies the database
and needs it to stand still shares it with others who do.

    record = commit number as 8 bytes, head hash as 16 bytes, BLAKE2b-64 of both
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.history import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FORM: Final = struct.Struct(f">q{HASH_BYTES}s")
_CHECK_BYTES: Final = 8


class Head(NamedTuple):
    """The newest commit of a store."""

    commit_number: int
    hash: bytes


def chain(previous: bytes, commit_number: int, page_hashes: Sequence[bytes]) -> bytes:
    """Return the head after a commit that wrote pages with these hashes, in order."""
    return blake2b(
        b"".join((previous, commit_number.to_bytes(8, "big"), *page_hashes)), digest_size=HASH_BYTES
    ).digest()


def encode(commit_number: int, head: bytes) -> bytes:
    """Return the record of a commit."""
    record = _FORM.pack(commit_number, head)
    return record + blake2b(record, digest_size=_CHECK_BYTES).digest()


def decode(record: bytes) -> Head | None:
    """Return the commit that a record names, None when the record is torn or damaged."""
    body, check = record[: _FORM.size], record[_FORM.size :]
    if len(body) != _FORM.size or blake2b(body, digest_size=_CHECK_BYTES).digest() != check:
        return None
    return Head(*_FORM.unpack(body))


def read(path: Path) -> Head | None:
    """Return what the side file at `path` says, None when there is none or it is damaged."""
    with suppress(FileNotFoundError):
        return decode(path.read_bytes())
    return None


class HeadFile:
    """The side file, open for writing."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def open(self) -> None:
        """Open the file."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, commit_number: int, head: bytes) -> None:
        """Write the newest commit. Call it only while holding the turn."""
        os.pwrite(self._descriptor, encode(commit_number, head), 0)

    @contextmanager
    def moving(self) -> Iterator[bool]:
        """Move pages into the database inside, if what this yields is true: somebody may need it to stand still."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def standing_still(path: Path) -> Iterator[None]:
    """Keep pages from being moved into the database, inside. `path` is the side file; without one nobody moves any."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
