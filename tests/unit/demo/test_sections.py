"""Sections cover a file exactly, whatever is in it, and stand where a person would cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.demo.kinds import Kind
from holdfast.demo.sections import NAME_CHARACTERS_MAX, Section, cut, merge_tail

LINES = st.sampled_from(
    [
        b"",
        b" ",
        b"def name(self):",
        b"class Name:",
        b"@decorated",
        b"# Heading",
        b"Title",
        b"=====",
        b".SH NAME",
        b"<h2>Part</h2>",
        b"[table]",
        b"key: value",
        b"\xff\xfe broken \xc3",
        b"x" * 300,
        "Überschrift".encode(),
        b"\r",
    ],
)
TEXTS = st.lists(LINES, max_size=60).map(b"\n".join) | st.binary(max_size=400)


@given(TEXTS, st.sampled_from(Kind), st.integers(1, 500))
@example(b"", Kind.PYTHON, 1)
@example(b"\n", Kind.MARKDOWN, 1)
def test_sections_cover_a_file_exactly_and_are_disjoint(data: bytes, kind: Kind, target: int) -> None:
    """Put together in order, the sections are the file again."""
    sections = cut(data, kind, target)
    assert b"".join(data[each.start : each.end] for each in sections) == data
    assert (sections[0].start, sections[-1].end) == (0, len(data))
    assert all(one.end == other.start for one, other in pairwise(sections))
    assert all(each.start < each.end for each in sections) or not data


@given(TEXTS, st.sampled_from(Kind), st.integers(1, 500))
def test_section_names_can_travel(data: bytes, kind: Kind, target: int) -> None:
    """A name is short, on one line and valid Unicode."""
    for each in cut(data, kind, target):
        assert each.name.isprintable()
        assert len(each.name.encode()) <= 4 * NAME_CHARACTERS_MAX + 40


@given(TEXTS, st.integers(1, 12))
def test_merging_the_tail_keeps_every_byte(data: bytes, count: int) -> None:
    """However few sections are wanted, together they still are the file."""
    sections = cut(data, Kind.TEXT, 8)
    merged = merge_tail(sections, count)
    assert len(merged) == min(count, len(sections))
    assert b"".join(data[each.start : each.end] for each in merged) == data


def test_python_is_cut_at_classes_and_functions_with_what_belongs_to_them() -> None:
    """Decorators and the comment above stay with their function; a method stays with its class."""
    body = b"    pass  # " + b"x" * 60 + b"\n"
    source = (
        b'"""A module."""\n' + body * 3 + b"# about one\n@cached\ndef one():\n" + body * 4 + b"class Two:\n"
        b"    def small(self):\n" + body * 3 + b"async def three():\n" + body * 4
    )
    sections = cut(source, Kind.PYTHON, 200)
    assert [each.name for each in sections] == ["beginning", "def one", "class Two", "def three"]
    assert source[sections[1].start :].startswith(b"# about one\n@cached\ndef one")


def test_text_without_headings_is_cut_at_blank_lines() -> None:
    """A block begins after a blank line and says which lines it is."""
    paragraph = b"words and more words here\n" * 8 + b"\n"
    sections = cut(paragraph * 20, Kind.TEXT, 300)
    assert len(sections) > 5
    assert sections[1].name == "beginning, lines 19-36"
    assert all((paragraph * 20)[each.start :].startswith(b"words") for each in sections)


@pytest.mark.parametrize("data", [b"x" * 5_000_000, "längere Zeile\n\n".encode("utf-16") * 900], ids=["line", "utf-16"])
def test_what_cannot_be_cut_stays_whole(data: bytes) -> None:
    """One long line has no place to cut at, and in UTF-16 a line feed is two bytes."""
    assert [(each.start, each.end) for each in cut(data, Kind.TEXT, 256)] == [(0, len(data))]


def test_a_target_below_one_byte_is_refused() -> None:
    """A wrong target is an error, not an endless list."""
    with pytest.raises(ValueError, match="at least one byte"):
        cut(b"text", Kind.TEXT, 0)


def test_asking_for_more_sections_than_there_are_changes_nothing() -> None:
    """Merging never splits."""
    sections = [Section(0, 4, "whole")]
    assert merge_tail(sections, 3) == sections
