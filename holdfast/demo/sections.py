"""Cut a long file into sections that people would call documents.

Owns: where a file is cut: at headings, and where those are too far apart at blank lines between blocks.
Must not know: how many documents are wanted, which files are cut, or where they lie.

Sections are disjoint and cover the file exactly: the first starts at 0, each starts where the one before it ended,
and the last ends at the file's end. A file without line breaks, or one in UTF-16, stays in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.demo.headings import find_headings
from holdfast.demo.kinds import Kind

NAME_CHARACTERS_MAX: Final = 80
"""A section's name is cut to this length, because it travels in every reference."""

BLOCK_FACTOR: Final = 8
"""A stretch without headings this many times the target size is cut at blank lines."""

_ATTACHED: Final = ("@", "#", "//", "/*", " *", '.\\"')  # decorators and comments belong to what follows them


@dataclass(frozen=True, slots=True)
class Section:
    """The bytes from `start` to `end` of a file, and what they are called there."""

    start: int
    end: int
    name: str


def cut(data: bytes, kind: Kind, target_bytes: int) -> list[Section]:
    """Return the sections of a file, each of about `target_bytes` or more where its structure allows.

    Raises ValueError when `target_bytes` is below 1.
    """
    if target_bytes < 1:
        raise ValueError(f"a section needs at least one byte, not {target_bytes}")
    if b"\0" in data:  # UTF-16 and its like: a line feed is two bytes there
        return [Section(0, len(data), "whole")]
    # Latin-1 maps each byte to one character, so that a place in the text is a place in the file.
    lines = data.decode("latin-1").split("\n")
    starts = _starts(lines)
    sections: list[Section] = []
    for first, last, name in _stretches(kind, lines, starts, target_bytes):
        sections.extend(_blocks(lines, starts, first, last, name, target_bytes))
    return sections


def merge_tail(sections: list[Section], count: int) -> list[Section]:
    """Return `count` sections that cover the same bytes: the last one takes in whatever is left over."""
    if not 0 < count < len(sections):
        return sections
    tail = Section(sections[count - 1].start, sections[-1].end, sections[count - 1].name)
    return [*sections[: count - 1], tail]


def _starts(lines: list[str]) -> list[int]:
    """Return where each line starts; one more at the end, for where the file does."""
    starts = [0]
    place = 0
    for line in lines:
        place += len(line) + 1
        starts.append(place)
    starts[-1] -= 1  # the last line has no line feed
    return starts


def _stretches(kind: Kind, lines: list[str], starts: list[int], target: int) -> Iterator[tuple[int, int, str]]:
    """Yield (first line, line after the last, name) from heading to heading, small ones together."""
    first, depth, name, named = 0, 0, "beginning", False
    for heading in find_headings(kind, lines):
        line = _attached(lines, heading.line, first)
        size = starts[line] - starts[first]
        # A subsection stays with its section until that is long; a sibling may stand alone sooner.
        if size >= (target if heading.depth <= depth else 4 * target):
            yield first, line, name
            first, depth, name, named = line, heading.depth, _name(heading.text), True
        elif not named and size < target // 2:
            depth, name, named = heading.depth, _name(heading.text), True
    yield first, len(lines), name


def _attached(lines: list[str], line: int, floor: int) -> int:
    while line - 1 > floor and lines[line - 1].lstrip(" \t").startswith(_ATTACHED):
        line -= 1
    return line


def _blocks(lines: list[str], starts: list[int], first: int, last: int, name: str, target: int) -> Iterator[Section]:
    """Yield one stretch as sections: whole if it is short, else blocks of lines."""
    if starts[last] - starts[first] <= BLOCK_FACTOR * target:
        yield Section(starts[first], starts[last], name)
        return
    begin = first
    for line in range(first + 1, last):
        size = starts[line] - starts[begin]
        if size < target or 2 * (starts[last] - starts[line]) < target:  # no crumbs at the end
            continue
        blank = not lines[line - 1].strip() and lines[line].strip()
        if blank or size >= BLOCK_FACTOR * target:
            yield Section(starts[begin], starts[line], f"{name}, lines {begin + 1}-{line}")
            begin = line
    yield Section(starts[begin], starts[last], f"{name}, lines {begin + 1}-{last}")


def _name(text: str) -> str:
    """Return a heading as a name: read as UTF-8 again, on one line, without control characters, bounded."""
    decoded = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in decoded).strip()[:NAME_CHARACTERS_MAX] or "untitled"
