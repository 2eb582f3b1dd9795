"""What a process and its sidecar share: a page of memory with the loop's progress, and one word.

Owns: the layout of the page, the word, how many beats a lease takes.
Must not know: who reads it, or what follows from it.

    0   8  a counter the loop raises while it turns
    8   4  length of the text, 0 for none
    12     where the loop's thread is, as `file.py:line` in UTF-8

One side writes and the other reads, without a lock: a counter read half-written is only another number, and the text's
length is zero while the text is being written.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from typing import Final

BEATS_PER_LEASE: Final = 3
"""A lease survives two renewals in a row going wrong."""
READY: Final = b"R"
"""What a sidecar says when it begins to renew."""
FENCED: Final = b"F"
"""What a sidecar says when the lease is lost."""
PAGE_BYTES: Final = 4096
_COUNTER: Final = struct.Struct("=Q")
_LENGTH: Final = struct.Struct("=I")
_TEXT_AT: Final = _COUNTER.size + _LENGTH.size


class Watermark:
    """One mapping of the page."""

    def __init__(self, descriptor: int) -> None:
        """Map the page behind `descriptor`, which may be closed afterwards."""
        self._page = mmap.mmap(descriptor, PAGE_BYTES)

    def rise(self) -> None:
        """Say that the loop turns."""
        _COUNTER.pack_into(self._page, 0, (self.height() + 1) & (2**64 - 1))

    def height(self) -> int:
        """Return the counter."""
        count: int = _COUNTER.unpack_from(self._page, 0)[0]
        return count

    def say_where(self, place: str) -> None:
        """Say where the loop's thread is; empty for nowhere in particular."""
        text = place.encode("utf-8", "replace")[: PAGE_BYTES - _TEXT_AT]
        _LENGTH.pack_into(self._page, _COUNTER.size, 0)
        self._page[_TEXT_AT : _TEXT_AT + len(text)] = text
        _LENGTH.pack_into(self._page, _COUNTER.size, len(text))

    def where(self) -> str:
        """Return where the loop's thread is, as far as anybody said so."""
        length = min(_LENGTH.unpack_from(self._page, _COUNTER.size)[0], PAGE_BYTES - _TEXT_AT)
        return bytes(self._page[_TEXT_AT : _TEXT_AT + length]).decode("utf-8", "replace")

    def close(self) -> None:
        """Unmap the page."""
        self._page.close()


def make_page() -> int:
    """Return the descriptor of a fresh page that no file system shows."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("holdfast-watermark")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, PAGE_BYTES)
    return descriptor
