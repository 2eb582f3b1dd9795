"""A table as a person reads it: ids and times whole, sentences where there is room for them.

Owns: how wide columns are, and what goes beneath its row.
Must not know: where it is printed.

A name broken in two cannot be copied, and a sentence one word wide cannot be read. So no cell is broken but sentences,
in the last column; where the window has no room for them they go beneath their row, and a row that is wider than the
window goes on in its next line.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

SENTENCES: Final = frozenset(
    {"reason", "error", "details", "found", "failure", "words", "paused", "why", "first divergence", "message"}
)
"""Columns that may hold sentences, when they are the last one."""
SENTENCE_WIDTH: Final = 40
"""A sentence that has less room than this goes beneath its row."""
INDENT: Final = "  "

_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(Z|[+-]\d\d:\d\d)")

_STATUS_STYLES: Final = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "PARKED": "yellow",
    "PAUSED": "yellow",
    "CANCELLED": "dim",
    "TERMINATED": "dim",
}


def set_table(columns: Sequence[str], rows: Sequence[Mapping[str, str]], width: int) -> Text:
    """Set a table whose header is `columns`, for a window `width` wide."""
    sentences = columns[-1] if columns[-1] in SENTENCES else None
    names = [column for column in columns if column != sentences]
    kept = [
        {name: row[name] if name == sentences else row[name].replace("\n", " ") for name in columns} for row in rows
    ]
    widths = {name: max(cell_len(name), *(cell_len(row[name]) for row in kept)) for name in names}
    begin = sum(widths.values()) + len(INDENT) * len(names)
    table = [_line({name: name for name in names}, widths)]
    if sentences is None:
        table += [_line(row, widths) for row in kept]
    elif width - begin >= SENTENCE_WIDTH or all(cell_len(row[sentences]) <= width - begin for row in kept):
        table[0].append(INDENT + sentences)
        table += [_line(row, widths).append(INDENT + _fold(row[sentences], begin, width).lstrip()) for row in kept]
    else:
        for row in kept:
            table.append(_line(row, widths))
            if row[sentences] != "-":
                table.append(Text(_fold(row[sentences], 2 * len(INDENT), width), style="dim"))
    table[0].stylize("dim")
    for line in table:
        line.rstrip()
    return Text("\n").join(table)


def brief(instant: str) -> str:
    """Return a time without what is below seconds; any other text as it is."""
    found = _INSTANT.fullmatch(instant)
    return found[1] + found[2] if found else instant


def _line(row: Mapping[str, str], widths: Mapping[str, int]) -> Text:
    return Text(INDENT).join(
        Text(row[name], style=_STATUS_STYLES.get(row[name], "") if name == "status" else "").append(
            " " * (width - cell_len(row[name]))
        )
        for name, width in widths.items()
    )


def _fold(sentence: str, begin: int, width: int) -> str:
    """Return a sentence whose lines begin at a column and end with the window."""
    room = max(width - begin, SENTENCE_WIDTH)
    folded = [part for line in sentence.split("\n") for part in textwrap.wrap(line, room, break_on_hyphens=False)]
    return "\n".join(" " * begin + part for part in folded)
