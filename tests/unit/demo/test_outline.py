"""Titles and outlines are what a person would write into a table of contents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.kinds import Kind
from holdfast.demo.outline import (
    HEADING_CHARACTERS_MAX,
    HEADINGS_MAX,
    TITLE_CHARACTERS_MAX,
    one_line,
    outline_of,
)

CASES = {
    "python": (
        Kind.PYTHON,
        (
            '#!/usr/bin/python\n"""Serve files.\n\nMore."""\n'
            "class Server:\n    def run(self): ...\nasync def main(): ...\n"
        ),
        "Serve files.",
        [(0, "class Server"), (1, "def run"), (0, "def main")],
    ),
    "python without docstring": (Kind.PYTHON, "# -*- coding: utf-8 -*-\n# Tests for x\nx = 1\n", "Tests for x", []),
    "c": (
        Kind.C,
        (
            "/* Copyright somebody */\n// Streams of bytes\n"
            "#define MAX(a, b) 1\nstruct stream {\nint open_stream(int n);\n"
        ),
        "Streams of bytes",
        [(0, "#define MAX"), (0, "struct stream"), (0, "open_stream()")],
    ),
    "markdown": (
        Kind.MARKDOWN,
        "# Tool\n\n## Use\n```\n# no heading\n```\nNotes\n---\n",
        "Tool",
        [(0, "Tool"), (1, "Use"), (1, "Notes")],
    ),
    "rst": (
        Kind.RST,
        "=====\nGuide\n=====\n\nPart\n----\n\ntext\n\nOther\n-----\n",
        "Guide",
        [(0, "Guide"), (1, "Part"), (1, "Other")],
    ),
    "html": (
        Kind.HTML,
        "<html><title>A &amp; B</title>\n<h1 id=x>One <b>bold</b></h1>\n<h3>Three</h3>",
        "A & B",
        [(0, "One bold"), (2, "Three")],
    ),
    "man": (
        Kind.MAN,
        ".TH LS 1\n.SH NAME\nls \\- list \\fIdirectory\\fP contents\n.SH DESCRIPTION\n.SS Exit status\n",
        "ls - list directory contents",
        [(0, "NAME"), (0, "DESCRIPTION"), (1, "Exit status")],
    ),
    "mdoc": (
        Kind.MAN,
        ".Dd today\n.Sh NAME\n.Nm cat\n.Nd join files\n.Sh SEE ALSO\n",
        "cat - join files",
        [(0, "NAME"), (0, "SEE ALSO")],
    ),
    "changelog": (
        Kind.CHANGELOG,
        "tool (1.2-3) unstable; urgency=low\n\n  * Fix.\n\ntool (1.2-2) unstable; urgency=low\n",
        "tool (1.2-3) unstable; urgency=low",
        [(0, "tool (1.2-3) unstable; urgency=low"), (0, "tool (1.2-2) unstable; urgency=low")],
    ),
    "copyright": (
        Kind.COPYRIGHT,
        "Format: x\nUpstream-Name: Tool\n\nFiles: *\nLicense: MIT\n",
        "Tool",
        [(0, "Files: *"), (1, "License: MIT")],
    ),
    "toml": (Kind.TOML, "# Settings\n[tool.ruff]\nx = 1\n[[item]]\n", "Settings", [(0, "tool.ruff"), (0, "item")]),
    "json": (Kind.JSON, '{\n  "name": 1,\n  "deep": {}\n}', "", [(1, "name"), (1, "deep")]),
    "shell": (Kind.SHELL, "#!/bin/sh\n# Start it\nstart() {\n}\n", "Start it", [(0, "start()")]),
    "text": (Kind.TEXT, "--- A note ---\n\nINTRODUCTION\n\n1.2 Second part\n", "INTRODUCTION", None),
}


@pytest.mark.parametrize("case", CASES)
def test_outline_of_each_kind(case: str) -> None:
    """Each kind's own way to mark a heading is understood."""
    kind, text, title, headings = CASES[case]
    outline = outline_of(kind, text)
    assert outline.title == title
    if headings is not None:
        assert [(each.depth, each.text) for each in outline.headings] == headings
        assert outline.total == len(headings)


def test_upper_levels_come_first_when_there_is_no_room_for_all() -> None:
    """Classes are kept and methods are only counted, in the order of the file."""
    text = "".join(f"class C{n}:\n    def m(self): ...\n" for n in range(HEADINGS_MAX))
    outline = outline_of(Kind.PYTHON, text)
    assert [each.text for each in outline.headings] == [f"class C{n}" for n in range(HEADINGS_MAX)]
    assert outline.total == 2 * HEADINGS_MAX


@given(st.sampled_from(Kind), st.text(max_size=600))
def test_an_outline_is_bounded_and_printable(kind: Kind, text: str) -> None:
    """Whatever the text is, what comes out is short, on one line, and can be stored and shown."""
    outline = outline_of(kind, text)
    assert len(outline.headings) <= HEADINGS_MAX
    assert len(outline.title) <= TITLE_CHARACTERS_MAX
    assert outline.title.isprintable()
    for each in outline.headings:
        assert len(each.text) <= HEADING_CHARACTERS_MAX
        assert each.text.isprintable()
        assert 0 <= each.depth <= 9


def test_one_line_cleans_and_cuts() -> None:
    """Control characters and direction marks become spaces, and a cut is shown."""
    assert one_line("a\0b\n\u202ec", 20) == "a b c"
    assert one_line("word " * 9, 10) == "word word…"
