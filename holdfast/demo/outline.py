"""What a document is called, and its table of contents.

Owns: how a title is chosen for each kind, and how much of the outline is kept.
Must not know: where headings stand in a kind of text; `headings` does.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

import msgspec

from holdfast.demo.headings import LINE_CHARACTERS_MAX, find_headings
from holdfast.demo.kinds import Family, Kind, family
from holdfast.demo.markup import without_roff

HEADINGS_MAX: Final = 8
"""How many headings of an outline are kept; the rest is only counted."""

TITLE_CHARACTERS_MAX: Final = 90
HEADING_CHARACTERS_MAX: Final = 48
HEADINGS_BYTES_MAX: Final = 576
"""What the headings of an outline may take as JSON together: a letter may be four bytes, a quote is two."""

TITLE_LINES: Final = 80
"""A title is looked for in this many lines from the beginning."""


@dataclass(frozen=True, slots=True)
class Heading:
    """One line of a table of contents, `depth` levels down (from 0)."""

    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    """A document's title ("" when it has none), its first headings, and how many there are in all."""

    title: str
    headings: tuple[Heading, ...]
    total: int


def outline_of(kind: Kind, text: str) -> Outline:
    """Return the title and the outline of a document of this kind."""
    lines = [each.rstrip("\r") for each in text.split("\n")]
    found = list(find_headings(kind, lines))
    # The upper levels say more than the first lines do: methods only appear when there is room left.
    chosen: dict[int, Heading] = {}
    left = HEADINGS_BYTES_MAX
    for each in sorted(found, key=lambda found: (found.depth, found.line))[:HEADINGS_MAX]:
        heading = Heading(min(each.depth, 9), _one_line(kind, each.text, HEADING_CHARACTERS_MAX))
        left -= len(msgspec.json.encode(heading.text))
        if left >= 0:
            chosen[each.line] = heading
    headings = tuple(heading for _, heading in sorted(chosen.items()))
    first = found[0].text if found and family(kind) is Family.PROSE and kind is not Kind.MAN else ""
    title = _title(kind, lines[:TITLE_LINES], first)
    return Outline(_one_line(kind, title, TITLE_CHARACTERS_MAX), headings, len(found))


def one_line(text: str, characters: int) -> str:
    """Return `text` on one line without control characters or lone surrogates, cut to `characters`."""
    cleaned = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * characters]).split())
    return cleaned if len(cleaned) <= characters else cleaned[: characters - 1].rstrip() + "…"


def _one_line(kind: Kind, text: str, characters: int) -> str:
    if kind is Kind.MAN:
        text = without_roff(text)
    elif kind is Kind.HTML:
        text = html.unescape(text)
    return one_line(text, characters)


_HTML_TITLE = re.compile(r"<title[^<>]*>([^<]{1,300})", re.IGNORECASE)
_QUOTES = re.compile(r"[rRuUbB]{0,2}(\"\"\"|'''|\"|')(.*)")
_COMMENT = re.compile(r"[ \t]*(?:#|//|/?\*+|;|--|%)+!?[ \t]*")
_SLASH_COMMENT = re.compile(r"[ \t]*(?://|/?\*)[/*!]*[ \t]*")  # where a # begins a directive, not a comment
_DECORATION: Final = " \t*/-=#"


def _title(kind: Kind, lines: list[str], first_heading: str) -> str:
    if kind is Kind.PYTHON:
        return _docstring(lines) or _first_comment(lines)
    if kind is Kind.MAN:
        return _manual_title(lines)
    if kind is Kind.HTML:
        match = _HTML_TITLE.search("\n".join(each[: 4 * LINE_CHARACTERS_MAX] for each in lines))
        return match[1] if match else first_heading
    if family(kind) is Family.PROSE:
        if kind is Kind.COPYRIGHT:
            named = (each.removeprefix("Upstream-Name:") for each in lines if each.startswith("Upstream-Name:"))
            return next(named, "") or _first_readable(lines)
        return first_heading or _first_readable(lines)
    return _first_comment(lines, _SLASH_COMMENT if kind in (Kind.C, Kind.CSS, Kind.JAVASCRIPT) else _COMMENT)


def _first_readable(lines: list[str]) -> str:
    readable = (each[:LINE_CHARACTERS_MAX].strip(_DECORATION) for each in lines)
    return next((each for each in readable if any(map(str.isalnum, each))), "")


def _docstring(lines: list[str]) -> str:
    for number, line in enumerate(lines):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _QUOTES.match(stripped)
        if match is None:
            return ""
        text = match[2].partition(match[1])[0].strip()
        following = (each.strip() for each in lines[number + 1 : number + 4])
        return text or next((each for each in following if each), "").partition(match[1])[0]
    return ""


def _first_comment(lines: list[str], comment: re.Pattern[str] = _COMMENT) -> str:
    for line in lines:
        match = comment.match(line[:LINE_CHARACTERS_MAX])
        if match is None:
            if line.strip():
                return ""
            continue
        text = line[match.end() : LINE_CHARACTERS_MAX].partition("-*-")[0].strip(_DECORATION)
        telling = any(map(str.isalpha, text)) and not line.startswith("#!")
        if telling and not any(each in text.lower() for each in ("coding:", "coding=", "copyright", "spdx-")):
            return text
    return ""


def _manual_title(lines: list[str]) -> str:
    """Return what stands in the NAME section, "ls - list directory contents", else the page's own heading."""
    in_name = False
    name = page = ""
    for line in lines:
        macro, text = line[:3], line[3:].strip()
        if macro in (".SH", ".Sh"):
            if in_name:
                break
            in_name = True
        elif macro == ".TH":
            page = text
        elif macro == ".Nm":
            name = name or text
        elif macro == ".Nd":
            return f"{name} - {text}"
        elif in_name and line.strip() and line[0] not in ".'":
            return line
    return name or page
