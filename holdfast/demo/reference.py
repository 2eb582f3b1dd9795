"""The small value that names one document, and the way back from it to the bytes.

Owns: `Reference`, its id (a digest of the bytes), how a path travels as JSON, and reading exactly the bytes it names.
Must not know: what the bytes mean, or how documents are found.

A reference travels between processes instead of the contents: some 150 bytes of JSON. The worker reads the file again
and checks the digest, so a file that vanished or changed in between is noticed and never analysed as something else.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""A larger file (after decompression) is skipped, so that one file cannot fill a worker's memory."""

HEAD_BYTES: Final = 1024
"""How much of a file's beginning a section is read with: byte order mark, shebang and coding cookie stand there."""

_ESCAPED = re.compile(rb"%|[\x80-\xff]+")


class UnreadableError(Exception):
    """The bytes a reference names cannot be read; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Names one document: a whole file, or one section of a file.

    `id` is the BLAKE2b-64 digest of the document's bytes in hex: two documents with the same bytes are one document.
    `path` is the file's absolute path, percent-escaped where it is not UTF-8 (see `escape_path`).
    `start` and `end` are byte offsets into the decompressed file. `section` is its name there, None for a whole file.
    """

    id: str
    path: str
    start: int
    end: int
    section: str | None = None

    @property
    def file(self) -> bytes:
        """Return the path as the operating system knows it."""
        return unquote_to_bytes(self.path)

    @property
    def name(self) -> str:
        """Return the file's name and, for a section, its section: for people, not for opening."""
        name = self.path.rpartition("/")[2]
        return name if self.section is None else f"{name} › {self.section}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reference names: the document's `body`, and the `head` of the file it stands in."""

    head: bytes
    body: bytes


def escape_path(path: str | bytes | Path) -> str:
    """Return `path` as text that JSON can carry: `%` and whatever is not UTF-8 are percent-escaped."""
    return _ESCAPED.sub(_escape, os.fsencode(path)).decode("utf-8")


def _escape(match: re.Match[bytes]) -> bytes:
    try:
        match[0].decode("utf-8")
    except UnicodeDecodeError:
        return quote_from_bytes(match[0], safe="").encode("ascii")
    return b"%25" if match[0] == b"%" else match[0]


def digest(data: bytes | memoryview) -> str:
    """Return the id of a document with these bytes: 16 hex digits."""
    return blake2b(data, digest_size=8).hexdigest()


def read_file(path: bytes) -> bytes:
    """Return a file's bytes, decompressed if its name ends in `.gz`.

    Raises UnreadableError when it is missing, forbidden, no regular file, damaged or larger than FILE_BYTES_MAX.
    """
    try:
        # Non-blocking, because a named pipe put where the file was would otherwise hang the worker in open().
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            data = _read_regular(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise UnreadableError(getattr(error, "strerror", None) or str(error)) from error
    return _decompress(data) if path.endswith(b".gz") else data


def _read_regular(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("not a regular file")
    if status.st_size > FILE_BYTES_MAX:
        raise UnreadableError(f"larger than {FILE_BYTES_MAX:,} bytes")
    with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
        return file.read()


def _decompress(data: bytes) -> bytes:
    parts: list[bytes] = []
    left = FILE_BYTES_MAX
    while data:  # a gzip file may be several members, one after the other
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(data, left + 1))
        except zlib.error as error:
            raise UnreadableError("damaged gzip data") from error
        left -= len(parts[-1])
        if left < 0:
            raise UnreadableError(f"larger than {FILE_BYTES_MAX:,} bytes when decompressed")
        if not member.eof:
            raise UnreadableError("damaged gzip data")
        data = member.unused_data
    return b"".join(parts)


def read_contents(reference: Reference) -> Contents:
    """Return the bytes `reference` names.

    Raises UnreadableError when the file cannot be read or no longer holds those bytes.
    """
    data = read_file(reference.file)
    body = data[reference.start : reference.end]
    if digest(body) != reference.id or (reference.section is None and len(data) != reference.end):
        raise UnreadableError("changed since it was collected")
    return Contents(head=data[:HEAD_BYTES], body=body)
