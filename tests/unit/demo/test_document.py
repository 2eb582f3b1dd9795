"""Analysing a document answers for every file there can be, within a bounded result."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.document import ANALYSED_BYTES_MAX, DocumentResult, analyse, analyse_contents
from holdfast.demo.kinds import Kind
from holdfast.demo.reference import HEAD_BYTES, Contents, Reference, digest, escape_path

RESULT_BYTES_MAX = 2_560
"""What a result may take as JSON at the very most; a typical one has 1,200."""


def reference_to(path: Path, data: bytes) -> Reference:
    """Write `data` to `path` and return the reference to it."""
    path.write_bytes(data)
    return Reference(digest(data), escape_path(path), 0, len(data))


def analysed(data: bytes, name: str = "/x/note.txt") -> DocumentResult:
    """Return the result for `data` as if it had been read from `name`."""
    return analyse_contents(Reference(digest(data), name, 0, len(data)), Contents(data[:HEAD_BYTES], data))


def test_a_page_is_understood(tmp_path: Path) -> None:
    """Type, encoding, language, title, outline, terms and lengths of a small document."""
    text = (
        "# Backups\n\nThe backup of the database is written to the disk that you chose for it.\n\n"
        "## Restore\n\nA backup is restored from the disk with one command.\n"
    )
    result = analyse(reference_to(tmp_path / "guide.md", text.encode()))
    assert (result.status, result.kind, result.language, result.title) == ("analysed", "markdown", "en", "Backups")
    assert (result.encoding, result.encoding_source) == ("utf-8", "utf-8")
    assert [(each.depth, each.text) for each in result.outline] == [(0, "Backups"), (1, "Restore")]
    assert result.terms["backup"] == 2
    assert (result.size_bytes, result.lines, result.words, result.truncated) == (len(text), 7, 29, False)


def test_code_has_no_natural_language() -> None:
    """A comment in English does not make a program English."""
    assert analysed(b"# the of and to in is that it for as\n" * 9, "/x/a.py").language == "code"


@given(st.binary(max_size=2_000), st.sampled_from(["a.py", "a.txt", "a.html", "a.1", "a.rst", "a.json", "changelog"]))
def test_any_bytes_give_a_result_that_travels(data: bytes, name: str) -> None:
    """Whatever a file holds, the result is valid, bounded JSON without NUL, and the same each time."""
    result = analysed(data, f"/x/{name}")
    wire = msgspec.json.encode(result)
    assert len(wire) <= RESULT_BYTES_MAX
    assert b"\\u0000" not in wire
    assert msgspec.json.decode(wire, type=DocumentResult) == result == analysed(data, f"/x/{name}")


def test_a_result_stays_small_when_everything_is_long() -> None:
    """Long words of wide letters in long headings do not break the bound."""
    words = ["".join(chr(0x10400 + (n * 7 + k) % 78) for k in range(24)) for n in range(300)]
    data = "\n".join(f"# {word * 3}\n\n{word} {word}" for word in words).encode()
    assert len(msgspec.json.encode(analysed(data, "/x/a.md"))) <= RESULT_BYTES_MAX


def test_an_empty_file_has_nothing_in_it(tmp_path: Path) -> None:
    """Nothing is an answer too: no lines, no words, no title, no fingerprint."""
    result = analyse(reference_to(tmp_path / "empty.txt", b""))
    assert (result.status, result.lines, result.words, result.title, result.terms) == ("analysed", 0, 0, "", {})
    assert result.fingerprint == ""


def test_one_line_of_five_megabytes_is_analysed_in_part(tmp_path: Path) -> None:
    """The work is bounded, and the result says how much was analysed."""
    result = analyse(reference_to(tmp_path / "line.txt", b"word " * 1_000_000))
    assert result.truncated
    assert (result.size_bytes, result.analysed_bytes, result.lines) == (5_000_000, ANALYSED_BYTES_MAX, 1)
    assert result.terms == {"word": 19_661}


def test_invalid_utf_8_is_read_as_a_guess_and_says_so() -> None:
    """One wrong byte makes the encoding a fallback, and the words around it are still found."""
    result = analysed(b"caf\xe9 catalogue catalogue")
    assert (result.encoding, result.encoding_source) == ("latin-1", "fallback")
    assert result.terms == {"catalogue": 2, "café": 1}


def test_nul_bytes_separate_words_and_never_travel() -> None:
    """NUL counts as a space, in titles too."""
    result = analysed(b"alpha\0beta gamma\0\0delta")
    assert (result.title, result.words) == ("alpha beta gamma delta", 4)
    assert set(result.terms) == {"alpha", "beta", "gamma", "delta"}


@pytest.mark.parametrize("end", ["vanished", "changed", "directory"])
def test_a_document_that_is_gone_is_an_answer(tmp_path: Path, end: str) -> None:
    """A file that vanished, changed or became a directory after it was collected is unreadable, with the reason."""
    path = tmp_path / "a.py"
    reference = reference_to(path, b"x = 1\n")
    path.unlink()
    if end == "changed":
        path.write_bytes(b"x = 2\n")
    elif end == "directory":
        path.mkdir()
    result = analyse(reference)
    reasons = {"vanished": "No such file", "changed": "changed since", "directory": "not a regular file"}
    assert (result.id, result.status, result.kind) == (reference.id, "unreadable", Kind.PYTHON)
    assert reasons[end] in result.problem
    assert msgspec.json.decode(msgspec.json.encode(result), type=DocumentResult) == result


def test_a_hostile_name_is_opened_as_it_is(tmp_path: Path) -> None:
    """Line feeds and bytes that are not UTF-8 in a name are no obstacle."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n\xff<img>.py"))
    assert analyse(reference_to(path, b"x = 1\n")).kind is Kind.PYTHON


def test_a_section_is_decoded_as_its_file_says(tmp_path: Path) -> None:
    """The coding cookie at the head of the file holds for each of its sections."""
    head, body = b"# coding: koi8-r\n", "# пример примера\n".encode("koi8-r")
    path = tmp_path / "a.py"
    path.write_bytes(head + body)
    result = analyse(Reference(digest(body), escape_path(path), len(head), len(head) + len(body), "def a"))
    assert (result.encoding, set(result.terms)) == ("koi8-r", {"пример", "примера"})
