"""Two lines that take turns.

Owns: whose turn it is.
Must not know: what stands in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Row: TypeAlias = tuple[int, int]
"""Priority and id of a queued task."""


def take_turns(one: Sequence[Row], other: Sequence[Row], limit: int, *, first: bool) -> list[Row]:
    """Return `limit` rows of two lines: highest priority first, else by turns.

    Args:
        one: the one line, in its order.
        other: the other.
        limit: how many rows are wanted at most.
        first: whether `one` begins.
    """
    lines = (list(one), list(other)) if first else (list(other), list(one))
    chosen: list[Row] = []
    turn = 0
    while len(chosen) < limit and (lines[0] or lines[1]):
        line, rest = lines[turn], lines[1 - turn]
        if not line or (rest and rest[0][0] > line[0][0]):
            line = rest
        else:
            turn = 1 - turn
        chosen.append(line.pop(0))
    return chosen


def draw(token: int) -> bool:
    """Say which line begins: anybody's guess, but the same in every copy of a transaction, whose tokens may go up."""
    return bool(token * 0x9E3779B1 >> 16 & 1)
