"""A reference names exactly the bytes it was made from, or says why it cannot."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.reference import (
    FILE_BYTES_MAX,
    Reference,
    UnreadableError,
    digest,
    escape_path,
    read_contents,
    read_file,
)


def whole(path: Path, data: bytes) -> Reference:
    """Return the reference to a whole file."""
    return Reference(digest(data), escape_path(path), 0, len(data))


@given(st.binary(min_size=1).filter(lambda each: b"\0" not in each))
def test_every_path_travels_as_json_and_comes_back_the_same(path: bytes) -> None:
    """Whatever bytes a path has, the reference's JSON carries them."""
    reference = Reference("0" * 16, escape_path(path), 0, 0)
    assert msgspec.json.decode(msgspec.json.encode(reference), type=Reference).file == path


def test_a_readable_path_stays_readable() -> None:
    """A path in UTF-8 is not escaped, except for the escape character itself."""
    assert escape_path("/döcs/日本 100%.txt") == "/döcs/日本 100%25.txt"


def test_a_section_reads_only_its_own_bytes(tmp_path: Path) -> None:
    """The body is the section, the head is the beginning of its file."""
    (tmp_path / "a.txt").write_bytes(b"first\nsecond\nthird\n")
    reference = Reference(digest(b"second\n"), escape_path(tmp_path / "a.txt"), 6, 13, "two")
    contents = read_contents(reference)
    assert (contents.body, contents.head[:5]) == (b"second\n", b"first")


@pytest.mark.parametrize("change", [b"first\nSECOND\nthird\n", b"first\n", b""])
def test_a_changed_file_is_noticed(tmp_path: Path, change: bytes) -> None:
    """Other bytes at the same place are never taken for the document."""
    path = tmp_path / "a.txt"
    path.write_bytes(change)
    with pytest.raises(UnreadableError, match="changed"):
        read_contents(Reference(digest(b"second\n"), escape_path(path), 6, 13, "two"))


def test_a_whole_file_that_grew_is_noticed(tmp_path: Path) -> None:
    """A file that kept its beginning and got a new end is another document."""
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    reference = whole(path, b"one\n")
    path.write_bytes(b"one\ntwo\n")
    with pytest.raises(UnreadableError, match="changed"):
        read_contents(reference)


def test_a_compressed_file_is_read_decompressed(tmp_path: Path) -> None:
    """Offsets count in the decompressed text, over all members of the file."""
    path = tmp_path / "page.1.gz"
    path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read_contents(Reference(digest(b"e two"), escape_path(path), 2, 7, "part")).body == b"e two"


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    """Decompression stops at the limit instead of filling the memory."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * (FILE_BYTES_MAX + 1)))
    with pytest.raises(UnreadableError, match="larger than"):
        read_file(os.fsencode(path))


@pytest.mark.parametrize(
    "data",
    [b"no gzip at all", gzip.compress(b"text" * 99)[:-12], gzip.compress(b"x") + b"junk"],
    ids=["no-gzip", "cut-off", "junk-behind"],
)
def test_damaged_compression_is_said(tmp_path: Path, data: bytes) -> None:
    """A broken archive is unreadable, not an empty or shortened document."""
    path = tmp_path / "broken.gz"
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match="damaged"):
        read_file(os.fsencode(path))


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The limit holds for plain files too (this one is sparse: it takes no disk)."""
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(UnreadableError, match="larger than"):
        read_file(os.fsencode(path))


def test_a_directory_and_a_missing_file_are_unreadable(tmp_path: Path) -> None:
    """Both are said in words, and no descriptor stays open (the leak fixture looks)."""
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UnreadableError):
            read_file(os.fsencode(path))


def test_a_named_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    """A pipe without a writer is refused at once."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_file(os.fsencode(path))
