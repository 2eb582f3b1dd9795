"""A stream of tables says at its end that it is whole, and nothing else is taken for one."""

from __future__ import annotations

import io
import random

import pytest

from holdfast.errors import StoreError
from holdfast.stores.moving import Reading, Writing, form

TABLES = {
    "runs": (("id", "name"), [(number, f"run {number}") for number in range(40)]),
    "empty": (("id",), []),
    "bodies": (("id", "body", "at"), [(1, b"\x00\xff", 1.5), (2, b"", None)]),
}


@pytest.fixture(autouse=True)
def _several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "ROWS_MAX", 16)


def written() -> bytes:
    """Return a stream."""
    out = io.BytesIO()
    writing = Writing(out, token=77, at=12.5)
    for name, (columns, rows) in TABLES.items():
        assert writing.table(name, columns, rows) == len(rows)
    writing.end()
    return out.getvalue()


def read(data: bytes) -> dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    """Return what a stream says."""
    reading = Reading(io.BytesIO(data))
    found = {each.name: (tuple(each.columns), [tuple(row) for row in each.rows]) for each in reading.tables()}
    assert (reading.token, reading.at) == (77, 12.5)
    return found


def test_what_was_written_is_read() -> None:
    """Tables, columns, and rows of every type there is."""
    assert read(written()) == TABLES


def test_a_stream_that_was_cut_off_is_refused() -> None:
    """Wherever it was: there is no end but the end."""
    data = written()
    for length in range(len(data)):
        with pytest.raises(StoreError):
            read(data[:length])


def test_a_changed_bit_is_found() -> None:
    """Wherever it is, however little it changes the meaning."""
    data = written()
    draw = random.Random(7)
    for _ in range(500):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        with pytest.raises(StoreError):
            read(bytes(changed))


def test_something_else_is_refused_at_once() -> None:
    """An SQLite file, for one."""
    with pytest.raises(StoreError, match="no exported store"):
        read(b"SQLite format 3\x00" + bytes(100))
