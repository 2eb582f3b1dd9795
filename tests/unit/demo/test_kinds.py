"""A document's type is what its name says, else what its first bytes say."""

from __future__ import annotations

import pytest

from holdfast.demo.kinds import LABELS, Family, Kind, family, kind_of


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.py", b"", Kind.PYTHON),
        ("a.pyi", b"", Kind.PYTHON),
        ("license.py", b"", Kind.PYTHON),
        ("stdio.h", b"", Kind.C),
        ("vector", b"// <vector> -*- C++ -*-\n", Kind.C),
        ("README.md", b"", Kind.MARKDOWN),
        ("CHANGES.rst", b"", Kind.CHANGELOG),
        ("changelog.Debian.gz", b"", Kind.CHANGELOG),
        ("copyright", b"", Kind.COPYRIGHT),
        ("LICENCE.txt", b"", Kind.COPYRIGHT),
        ("index.rst", b"", Kind.RST),
        ("page.html", b"", Kind.HTML),
        ("page", b"\n<!DOCTYPE html><p>", Kind.HTML),
        ("ls.1.gz", b".TH LS 1\n", Kind.MAN),
        ("perl.3perl", b'.\\" generated\n', Kind.MAN),
        ("libc.so.6", b"GROUP ( a )", Kind.TEXT),
        ("package.json", b"", Kind.JSON),
        ("data", b'{"a": 1}', Kind.JSON),
        ("pyproject.toml", b"", Kind.TOML),
        ("setup.cfg", b"", Kind.INI),
        ("run", b"#!/usr/bin/env python3\n", Kind.PYTHON),
        ("run", b"#!/bin/sh\n", Kind.SHELL),
        ("Makefile", b"", Kind.MAKE),
        ("fix.patch", b"", Kind.DIFF),
        (".py", b"", Kind.TEXT),
        ("", b"", Kind.TEXT),
        ("notes", b"words", Kind.TEXT),
    ],
)
def test_kind_of_a_file(name: str, head: bytes, kind: Kind) -> None:
    """The table of names and beginnings decides as a person would."""
    assert kind_of(f"/folder.d/{name}", head) is kind


def test_every_kind_has_a_label_and_a_family() -> None:
    """A new kind cannot be forgotten in the report."""
    assert set(LABELS) == set(Kind)
    assert {family(each) for each in Kind} == set(Family)
