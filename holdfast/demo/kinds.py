"""What type of document a file is.

Owns: the kinds, their labels and families, and how a name and the first bytes decide between them.
Must not know: how a kind is outlined, cut or read.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Family(StrEnum):
    """What a document is mostly made of. Only prose has a natural language."""

    CODE = "code"
    DATA = "data"
    PROSE = "prose"


class Kind(StrEnum):
    """The type of a document; the value is what results and reports carry."""

    PYTHON = "python"
    C = "c"
    JAVASCRIPT = "javascript"
    CSS = "css"
    SHELL = "shell"
    PERL = "perl"
    TCL = "tcl"
    SQL = "sql"
    MAKE = "make"
    DIFF = "diff"
    JSON = "json"
    TOML = "toml"
    INI = "ini"
    YAML = "yaml"
    XML = "xml"
    CSV = "csv"
    MARKDOWN = "markdown"
    RST = "rst"
    HTML = "html"
    MAN = "man"
    CHANGELOG = "changelog"
    COPYRIGHT = "copyright"
    TEXT = "text"


LABELS: Final[dict[Kind, str]] = {
    Kind.PYTHON: "Python",
    Kind.C: "C and C++",
    Kind.JAVASCRIPT: "JavaScript",
    Kind.CSS: "CSS",
    Kind.SHELL: "Shell",
    Kind.PERL: "Perl",
    Kind.TCL: "Tcl",
    Kind.SQL: "SQL",
    Kind.MAKE: "Makefile",
    Kind.DIFF: "Patch",
    Kind.JSON: "JSON",
    Kind.TOML: "TOML",
    Kind.INI: "INI",
    Kind.YAML: "YAML",
    Kind.XML: "XML",
    Kind.CSV: "CSV",
    Kind.MARKDOWN: "Markdown",
    Kind.RST: "reStructuredText",
    Kind.HTML: "HTML",
    Kind.MAN: "Manual page",
    Kind.CHANGELOG: "Changelog",
    Kind.COPYRIGHT: "Copyright, licence",
    Kind.TEXT: "Plain text",
}

_DATA: Final = frozenset({Kind.JSON, Kind.TOML, Kind.INI, Kind.YAML, Kind.XML, Kind.CSV})
_PROSE: Final = frozenset(
    {Kind.MARKDOWN, Kind.RST, Kind.HTML, Kind.MAN, Kind.CHANGELOG, Kind.COPYRIGHT, Kind.TEXT},
)

_BY_EXTENSION: Final[dict[str, Kind]] = {
    extension: kind
    for kind, extensions in {
        Kind.PYTHON: "py pyi pyw pyx pxd",
        Kind.C: "c h cc cpp cxx hh hpp hxx inl inc tcc cu cuh",
        Kind.JAVASCRIPT: "js mjs cjs ts jsx tsx",
        Kind.CSS: "css scss less",
        Kind.SHELL: "sh bash zsh csh fish ksh bat ps1",
        Kind.PERL: "pl pm pod t",
        Kind.TCL: "tcl tm msg",
        Kind.SQL: "sql",
        Kind.MAKE: "mk mak cmake am in",
        Kind.DIFF: "diff patch",
        Kind.JSON: "json jsonl ipynb map",
        Kind.TOML: "toml",
        Kind.INI: "ini cfg conf pc desktop service",
        Kind.YAML: "yaml yml",
        Kind.XML: "xml xsd xsl xslt svg rng dtd",
        Kind.CSV: "csv tsv",
        Kind.MARKDOWN: "md markdown mdx",
        Kind.RST: "rst",
        Kind.HTML: "html htm xhtml",
    }.items()
    for extension in extensions.split()
}

_CHANGELOG = re.compile(r"(?:change|news|history|releasenotes|release_notes|whatsnew)")
_COPYRIGHT = re.compile(r"(?:copyright|licen[cs]e|copying|notice|authors|credits)")
_MAN_NAME = re.compile(r"\.[1-9n][a-z]{0,8}$")
_MAN_BODY = re.compile(rb"^[.'](?:(?:TH|Dd|SH|Sh|so|de)\b|\\\")", re.MULTILINE)
_EDITOR_MODE = re.compile(rb"-\*-.{0,40}\bC(?:\+\+)?[ ;]", re.IGNORECASE)
_SHEBANG: Final = (
    (b"python", Kind.PYTHON),
    (b"perl", Kind.PERL),
    (b"tclsh", Kind.TCL),
    (b"wish", Kind.TCL),
    (b"node", Kind.JAVASCRIPT),
    (b"make", Kind.MAKE),
    (b"sh", Kind.SHELL),
)


def family(kind: Kind) -> Family:
    """Return what documents of this kind are mostly made of."""
    if kind in _PROSE:
        return Family.PROSE
    return Family.DATA if kind in _DATA else Family.CODE


def kind_of(path: str, head: bytes) -> Kind:
    """Return the kind of the file at `path` that begins with `head`.

    The name decides where it can; else the first bytes; a document about which neither says anything is plain text.
    """
    name = path.rpartition("/")[2].lower().removesuffix(".gz")
    stem, _, extension = name.rpartition(".")
    known = _BY_EXTENSION.get(extension) if stem else None
    if known is not None and family(known) is not Family.PROSE:
        return known
    if _CHANGELOG.match(name):
        return Kind.CHANGELOG
    if _COPYRIGHT.match(name):
        return Kind.COPYRIGHT
    if known is not None:
        return known
    if name.startswith(("makefile", "cmakelists")):
        return Kind.MAKE
    if _MAN_NAME.search(name) and _MAN_BODY.search(head):
        return Kind.MAN
    return _kind_of_head(head)


def _kind_of_head(head: bytes) -> Kind:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith(b"#!"):
        line = start.split(b"\n", 1)[0]
        return next((kind for program, kind in _SHEBANG if program in line), Kind.SHELL)
    if _EDITOR_MODE.search(start):  # the headers of the C++ library have no extension
        return Kind.C
    if start.startswith((b"<!doctype html", b"<html")):
        return Kind.HTML
    if start.startswith((b"<?xml", b"<!doctype", b"<svg")):
        return Kind.XML
    if start.startswith((b'{"', b"{\n", b'[{"', b"[\n")):
        return Kind.JSON
    if start.startswith((b"diff --git", b"--- a/", b"index: ")):
        return Kind.DIFF
    return Kind.TEXT
