"""Two sequences of decisions, laid side by side.

Owns: which recorded decision stands for which attempted one, when both sides have some that the other has not.
Must not know: how either side came about.

The cheapest alignment wins (Needleman and Wunsch, "A general method applicable to the search for similarities in the
amino acid sequence of two proteins", 1970). A decision with another input is cheaper than one that is gone and one
that is new; so is one with another name; an end never becomes a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from holdfast.engine import ENDS, content_of, decide_change
from holdfast.history import AttributesSet, DecisionEvent, PatchMarked

COMPARED_MAX: Final = 300
"""How many decisions are compared, from the first that differ on. The time grows with the square."""

Pair: TypeAlias = tuple[int | None, int | None]
"""Places in the recorded and in the attempted sequence; None where the other side stands alone."""

_ALONE_KINDS: Final = (*ENDS, PatchMarked, AttributesSet)
"""Decisions that do not become others."""

_ALONE: Final = 1.0
_CHANGED: Final = 1.1
"""More than alone: two steps that changed places are one that moved, not two that changed."""
_RENAMED: Final = 1.5
_OTHER: Final = 1.9
_NEVER: Final = 9.0
_ENDED_OTHERWISE: Final = 0.5


def align(recorded: Sequence[DecisionEvent], attempted: Sequence[DecisionEvent]) -> tuple[list[Pair], float]:
    """Return both sequences side by side, and what the alignment costs: 0 when they agree."""
    left = [content_of(each) for each in recorded]
    right = [content_of(each) for each in attempted]
    start = 0
    shorter = min(len(left), len(right))
    while start < shorter and left[start] == right[start] and not isinstance(recorded[start], ENDS):
        start += 1
    stop = 0
    while (
        stop < shorter - start
        and left[-1 - stop] == right[-1 - stop]
        and not decide_change(recorded[-1 - stop], attempted[-1 - stop])
    ):
        stop += 1
    pairs: list[Pair] = [(place, place) for place in range(start)]
    middle, cost = _align(
        recorded[start : min(len(left) - stop, start + COMPARED_MAX)],
        attempted[start : min(len(right) - stop, start + COMPARED_MAX)],
    )
    pairs += [(None if one is None else one + start, None if other is None else other + start) for one, other in middle]
    pairs += [(len(left) - each, len(right) - each) for each in range(stop, 0, -1)]
    return pairs, cost


def _align(recorded: Sequence[DecisionEvent], attempted: Sequence[DecisionEvent]) -> tuple[list[Pair], float]:
    rows, columns = len(recorded) + 1, len(attempted) + 1
    costs = [[_ALONE * column for column in range(columns)]]
    for row in range(1, rows):
        above, line = costs[-1], [_ALONE * row]
        for column in range(1, columns):
            line.append(
                min(
                    above[column - 1] + _cost(recorded[row - 1], attempted[column - 1]),
                    above[column] + _ALONE,
                    line[-1] + _ALONE,
                )
            )
        costs.append(line)
    pairs: list[Pair] = []
    row, column = rows - 1, columns - 1
    while row or column:
        here = costs[row][column]
        if row and column and here == costs[row - 1][column - 1] + _cost(recorded[row - 1], attempted[column - 1]):
            row, column = row - 1, column - 1
            pairs.append((row, column))
        elif column and here == costs[row][column - 1] + _ALONE:
            column -= 1
            pairs.append((None, column))
        else:
            row -= 1
            pairs.append((row, None))
    return pairs[::-1], costs[-1][-1]


def _cost(recorded: DecisionEvent, attempted: DecisionEvent) -> float:
    if type(recorded) is not type(attempted):
        if isinstance(recorded, ENDS) and isinstance(attempted, ENDS):
            return _ENDED_OTHERWISE
        return _NEVER if isinstance(recorded, _ALONE_KINDS) or isinstance(attempted, _ALONE_KINDS) else _OTHER
    change = decide_change(recorded, attempted)
    if change is None:
        return 0.0
    if isinstance(recorded, ENDS):
        return _ENDED_OTHERWISE
    return _RENAMED if change == "RENAMED" else _CHANGED
