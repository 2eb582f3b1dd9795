"""The form in which a store travels: a stream of tables, which says at its end that it is whole.

Owns: that form.
Must not know: databases, what tables mean.

    magic    `holdfast-store 1` and a line feed
    frame    length as 4 bytes, big endian; a msgpack array
               ["store", token, at]            first: the counter of tokens, and the store's time
               ["table", name, [column, ...]]
               ["rows", [[value, ...], ...]]   of the table before it
               ["end", rows]                   last: how many rows there were in all
    digest   BLAKE2b-256 over everything before it

A stream that was cut off has no end, and one that was changed has another digest: whoever reads it learns so before
anything it brought is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias

import msgspec

from holdfast.errors import StoreCorruptError, StoreError

MAGIC: Final = b"holdfast-store 1\n"
ROWS_MAX: Final = 500
"""How many rows are in one frame at most."""
ROWS_BYTES: Final = 4 * 1024 * 1024
"""A frame ends with the row that brings its bodies to this size."""
FRAME_BYTES_MAX: Final = 2**31
_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32

_REMEDY: Final = "Nothing was kept. Export it again; the old store still has everything."


class _Store(msgspec.Struct, tag="store", array_like=True):
    token: int
    at: float


class _Head(msgspec.Struct, tag="table", array_like=True):
    name: str
    columns: list[str]


class _Rows(msgspec.Struct, tag="rows", array_like=True):
    rows: list[Sequence[Any]]


class _End(msgspec.Struct, tag="end", array_like=True):
    rows: int


_Frame: TypeAlias = _Store | _Head | _Rows | _End

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], _Frame]] = msgspec.msgpack.Decoder(_Frame).decode


class Table(NamedTuple):
    """One table of a stream."""

    name: str
    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


class Writing:
    """A stream that is being written."""

    def __init__(self, out: BinaryIO, *, token: int, at: float) -> None:
        """Begin a stream.

        Args:
            out: where it goes.
            token: the newest number of the store's counter.
            at: the store's time.
        """
        self._out = out
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self.rows = 0
        """How many rows have been written."""
        self._put(MAGIC)
        self._frame(_Store(token, at))

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write a table; return how many rows it has."""
        self._frame(_Head(name, list(columns)))
        before = self.rows
        for found in _few(rows):
            self.rows += len(found)
            self._frame(_Rows(found))
        return self.rows - before

    def end(self) -> None:
        """Say that this was all."""
        self._frame(_End(self.rows))
        self._out.write(self._digest.digest())
        self._out.flush()

    def _frame(self, contents: _Frame) -> None:
        body = _encode(contents)
        self._put(len(body).to_bytes(_LENGTH_BYTES, "big"))
        self._put(body)

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._out.write(data)


class Reading:
    """A stream that is being read, from its head to its end."""

    def __init__(self, source: BinaryIO) -> None:
        """Begin to read.

        Raises:
            StoreError: it is no such stream.
            StoreCorruptError: it was cut off or changed.
        """
        self._source = source
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self.rows = 0
        """How many rows have been read."""
        head = source.read(len(MAGIC))
        if head != MAGIC:
            raise StoreError(
                "this is no exported store", "Give the file, or the output, of: holdfast export-store --store OLD"
            )
        self._digest.update(head)
        first = self._frame()
        if not isinstance(first, _Store):
            raise _changed()
        self.token = first.token
        """The newest number of the store's counter."""
        self.at = first.at
        """The store's time when it was exported."""

    def tables(self) -> Iterator[Table]:
        """Yield the tables in order; the rows of each have to be read before the next is asked for.

        Raises:
            StoreCorruptError: the stream was cut off or changed. Only at its end is it known that it was not.
        """
        frame = self._frame()
        while isinstance(frame, _Head):
            following: list[_Frame] = []
            yield Table(frame.name, frame.columns, self._rows(following))
            (frame,) = following
        if frame != _End(self.rows) or self._source.read(_DIGEST_BYTES) != self._digest.digest():
            raise _changed()

    def _rows(self, following: list[_Frame]) -> Iterator[Sequence[Any]]:
        while isinstance(frame := self._frame(), _Rows):
            self.rows += len(frame.rows)
            yield from frame.rows
        following.append(frame)

    def _frame(self) -> _Frame:
        length = int.from_bytes(self._take(_LENGTH_BYTES), "big")
        if length > FRAME_BYTES_MAX:
            raise _changed()
        try:
            return _decode(self._take(length))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _changed() from None

    def _take(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) != count:
            raise StoreCorruptError("an exported store ends too early", _REMEDY)
        self._digest.update(data)
        return data


def _few(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in lists that are short in every sense."""
    found: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        found.append(row)
        size += sum(len(each) for each in row if isinstance(each, bytes))
        if len(found) >= ROWS_MAX or size >= ROWS_BYTES:
            yield found
            found, size = [], 0
    if found:
        yield found


def _changed() -> StoreCorruptError:
    return StoreCorruptError("an exported store was changed on its way", _REMEDY)
