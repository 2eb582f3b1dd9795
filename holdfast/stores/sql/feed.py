"""How runs change, read in order: beginnings and ends from the histories, and what `changes` has between them.

Owns: where a reader of both stands, and how they are put into one order.
Must not know: who reads.

Both logs grow at their ends only, in the order of commits, so two numbers say how far somebody has read, for ever: no
change is passed over, and none is told twice to whoever says where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdfast.ports.operations import RUNNING, Change, Changes, Position
from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Reader
READ_MAX: Final = 2_000
"""How many pages one read looks at, at most."""

_END: Final = 2**63 - 1

_Found: TypeAlias = tuple[int, int, Sequence[Any]]
"""Page, number of the change (0 for what a page tells), and what is told: run id, number, workflow, status, time."""


def newest(reader: Reader) -> Position:
    """Return where a reader stands who has read everything."""
    row: tuple[Any, ...] = reader.rows("newest_position")[0]
    return Position(*row)


def read(reader: Reader, after: Position, limit: int) -> Changes:
    """Return the changes after a position that are in the next `limit` pages."""
    limit = max(1, min(limit, READ_MAX))
    pages: list[tuple[Any, ...]] = reader.rows("read_pages_as_changes", (after.page, limit))
    more = len(pages) == limit
    others: list[tuple[Any, ...]] = reader.rows("read_changes", (after.change, pages[-1][0] if more else _END, limit))
    if len(others) == limit:
        more = True  # changes that were not read come before the pages beyond the last one that was
        pages = [each for each in pages if each[0] <= others[-1][1]]
    found: list[_Found] = []
    for seq, run_id, number, workflow, begins, ends, created_at, closed_at, status in pages:
        if begins:
            found.append((seq, 0, (run_id, number, workflow, RUNNING, created_at)))
        if ends:
            found.append((seq, 0, (run_id, number, workflow, status, closed_at)))
    found += [(page, number, what) for number, page, *what in others]
    found.sort(key=lambda each: each[:2])  # stable: the beginning of an execution stays before its end
    return _in_order(found, after, pages[-1][0] if pages else after.page, more)


def _in_order(
    found: list[_Found],
    after: Position,
    last_page: int,
    more: bool,  # noqa: FBT001 - handed on
) -> Changes:
    changes = []
    page, change = after.page, after.change
    for index, (seq, number, (run_id, execution, workflow, status, at)) in enumerate(found):
        if number:
            change = number
        elif index + 1 == len(found) or found[index + 1][:2] != (seq, 0):
            page = seq  # a page that holds two changes is read when the second one is
        place = Position(page, change)
        changes.append(Change(place, run_id, executions.name_of(run_id, execution), workflow, status, at))
    return Changes(tuple(changes), Position(max(page, last_page), change), more)
