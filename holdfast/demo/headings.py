"""Where a document's headings are: chapters, classes and functions, manual sections, tables, releases.

Owns: for each kind, which lines are headings, how deep they stand and what they are called.
Must not know: bytes, encodings, how many headings anybody wants, or what is done with them.

The outline reads headings from text, and the cutter from bytes decoded as Latin-1 (one byte, one character), so that
both see the same ones. Every rule looks at one line of at most LINE_CHARACTERS_MAX characters and perhaps its
neighbours: a hostile document costs no more than a friendly one of its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.demo.kinds import Kind

LINE_CHARACTERS_MAX: Final = 240
"""A longer line is never a heading."""


@dataclass(frozen=True, slots=True)
class HeadingLine:
    """A heading on line `line` (from 0), `depth` levels down (from 0)."""

    line: int
    depth: int
    text: str


def find_headings(kind: Kind, lines: list[str]) -> Iterator[HeadingLine]:
    """Yield the headings among `lines`, in order. Lines carry no line ends."""
    return _FINDERS.get(kind, _plain)(lines)


_PYTHON = re.compile(r"([ \t]*)(class|def|async[ \t]+def)[ \t]+([^\W\d]\w*)")


def _python(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        # The cheap test first: most lines fail it, and this loop is the warmest of the cutter.
        if ("def " in line or "class " in line) and len(line) <= LINE_CHARACTERS_MAX:
            match = _PYTHON.match(line)
            if match is not None:
                depth = len(match[1].expandtabs(4)) // 4
                word = "class " if match[2] == "class" else "def "
                yield HeadingLine(number, depth, word + match[3])


_C = re.compile(
    r"(?:typedef[ \t]+)?(struct|enum|union|class|namespace)[ \t]+([A-Za-z_]\w*)[^;=()]*$"
    r"|#[ \t]*define[ \t]+([A-Za-z_]\w*)\(",
)
_C_FUNCTION = re.compile(r"[A-Za-z_][\w \t*]*?\b([A-Za-z_]\w*)[ \t]*\(")


def _c(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        if not line or line[0] in " \t/*{}" or len(line) > LINE_CHARACTERS_MAX:
            continue
        match = _C.match(line)
        if match is not None:
            yield HeadingLine(number, 0, f"{match[1]} {match[2]}" if match[1] else f"#define {match[3]}")
        elif "(" in line and line[0] != "#":
            match = _C_FUNCTION.match(line)
            if match is not None:
                yield HeadingLine(number, 0, f"{match[1]}()")


_SCRIPT = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?(function|sub|proc|class)\b\*?[ \t]+([\w:$-]+)"
    r"|([A-Za-z_][\w-]*)[ \t]*\(\)[ \t]*\{?$",
)


def _script(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        if len(line) <= LINE_CHARACTERS_MAX:
            match = _SCRIPT.match(line)
            if match is not None:
                depth = (len(line) - len(line.lstrip())) // 2
                yield HeadingLine(number, depth, f"{match[1]} {match[2]}" if match[1] else f"{match[3]}()")


_TABLE = re.compile(r"\[{1,2}([^\[\]]+)\]{1,2}[ \t]*(?:[#;].*)?$")


def _tables(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        if line.startswith("[") and len(line) <= LINE_CHARACTERS_MAX:
            match = _TABLE.match(line)
            if match is not None:
                yield HeadingLine(number, 0, match[1].strip())


_KEY = re.compile(r"([ \t]{0,4})\"?([^\W\d][\w.$ -]*)\"?[ \t]*:(?:[ \t]|$)")


def _keys(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        if ":" in line and len(line) <= LINE_CHARACTERS_MAX:
            match = _KEY.match(line)
            if match is not None:
                yield HeadingLine(number, len(match[1].expandtabs(4)) // 2, match[2])


_HASH = re.compile(r"(#{1,6})[ \t]+(\S.*)")


def _markdown(lines: list[str]) -> Iterator[HeadingLine]:
    fenced = False
    for number, line in enumerate(lines):
        if line.startswith(("```", "~~~")):
            fenced = not fenced  # a comment in a code block is no heading
        elif fenced or len(line) > LINE_CHARACTERS_MAX:
            continue
        elif line.startswith("#"):
            match = _HASH.match(line)
            if match is not None:
                yield HeadingLine(number, len(match[1]) - 1, match[2].rstrip("# \t"))
        elif number and line[:3] in ("===", "---") and not line.strip("=-"):
            title = lines[number - 1].strip()
            if 0 < len(title) <= LINE_CHARACTERS_MAX and not title.startswith(("|", "-", "=", ">")):
                yield HeadingLine(number - 1, 0 if line[0] == "=" else 1, title)


_UNDERLINES: Final = frozenset("=-~^\"'#*+.:_`!$%&,;<>?@|")


def _underlined(lines: list[str]) -> Iterator[HeadingLine]:
    # Depth is the order in which underline characters first appear, as reStructuredText has it.
    depths: dict[str, int] = {}
    for number in range(1, len(lines)):
        line = lines[number].rstrip()
        if not 3 <= len(line) <= LINE_CHARACTERS_MAX or line[0] not in _UNDERLINES or line.strip(line[0]):
            continue
        title = lines[number - 1].strip()
        if not 0 < len(title) <= len(line) + 2 or not title.strip("".join(_UNDERLINES)):
            continue
        overlined = number >= 2 and lines[number - 2].rstrip() == line
        depth = depths.setdefault(line[0] * (2 if overlined else 1), len(depths))
        yield HeadingLine(number - (2 if overlined else 1), depth, title)


_TAG = re.compile(r"<h([1-6])\b[^<>]*>(.*)", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")


def _html(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        start = line.find("<h")
        start = line.find("<H") if start < 0 else start
        while start >= 0:
            match = _TAG.match(line[start : start + LINE_CHARACTERS_MAX])
            if match is None:
                start = line.find("<h", start + 2)
                continue
            text = _ANY_TAG.sub("", match[2].partition("</h")[0]).strip()
            if text:
                yield HeadingLine(number, int(match[1]) - 1, text)
            break  # one a line is enough to cut at


_MACRO = re.compile(r"\.[ \t]*(SH|SS|Sh|Ss)\b[ \t]*(.*)")


def _manual(lines: list[str]) -> Iterator[HeadingLine]:
    for number, line in enumerate(lines):
        if line.startswith(".") and len(line) <= LINE_CHARACTERS_MAX:
            match = _MACRO.match(line)
            if match is None:
                continue
            text = match[2] or (lines[number + 1] if number + 1 < len(lines) else "")
            yield HeadingLine(number, 0 if match[1].lower() == "sh" else 1, text.strip(' \t"'))


_RELEASE = re.compile(
    r"(?:[#=*]{0,4}[ \t]*)(?:"
    r"[\w.+-]+ \([^()]+\) [\w -]+;.*"  # Debian: package (1.2-3) unstable; urgency=medium
    r"|(?:version|release|changes (?:in|from|with|since)|what's new in)\b.*\d.*"
    r"|\[?v?\d+(?:\.\d+)+\]?\S*(?:[ \t]*[-(].*)?"
    r"|(?:19|20)\d\d-\d\d-\d\d\b.*"  # GNU: 2011-02-03  Name  <address>
    r")$",
    re.IGNORECASE,
)


def _releases(lines: list[str]) -> Iterator[HeadingLine]:
    found = 0
    for number, line in enumerate(lines):
        if line and line[0] not in " \t" and len(line) <= LINE_CHARACTERS_MAX and _RELEASE.match(line):
            found += 1
            yield HeadingLine(number, 0, line.strip("#=* \t"))
    if not found:
        yield from _plain(lines)


_STANZA = re.compile(r"(?:Files|License|Licence|Section|Article):[ \t]+(\S.*)")


def _stanzas(lines: list[str]) -> Iterator[HeadingLine]:
    found = 0
    for number, line in enumerate(lines):
        if line and line[0] in "FLSA" and len(line) <= LINE_CHARACTERS_MAX:
            match = _STANZA.match(line)
            if match is not None:
                found += 1
                yield HeadingLine(number, 0 if line[0] == "F" else 1, line.strip())
    if not found:
        yield from _plain(lines)


_NUMBERED = re.compile(r"(?:\d+\.?|(?:\d+\.)+\d+\.?|Chapter \d+\.?|[IVX]+\.)[ \t]+[A-Z]\S*(?:[ \t]\S+){0,9}$")


def _plain(lines: list[str]) -> Iterator[HeadingLine]:
    underlined = {each.line: each for each in _underlined(lines)}
    for number, line in enumerate(lines):
        if number in underlined:
            yield underlined[number]
        elif 4 <= len(line) <= LINE_CHARACTERS_MAX and not line[0].isspace():
            before = not number or not lines[number - 1].strip()
            capitals = line.isupper() and len(line) <= 60 and line[0].isalpha()  # longer is a shout
            if before and (capitals or _NUMBERED.match(line)):
                dots = line.split(None, 1)[0].rstrip(".").count(".")
                yield HeadingLine(number, 0 if capitals else dots, line.strip())


_FINDERS: Final[dict[Kind, Callable[[list[str]], Iterator[HeadingLine]]]] = {
    Kind.PYTHON: _python,
    Kind.C: _c,
    Kind.JAVASCRIPT: _script,
    Kind.SHELL: _script,
    Kind.PERL: _script,
    Kind.TCL: _script,
    Kind.JSON: _keys,
    Kind.YAML: _keys,
    Kind.TOML: _tables,
    Kind.INI: _tables,
    Kind.MARKDOWN: _markdown,
    Kind.RST: _underlined,
    Kind.HTML: _html,
    Kind.MAN: _manual,
    Kind.CHANGELOG: _releases,
    Kind.COPYRIGHT: _stanzas,
}
