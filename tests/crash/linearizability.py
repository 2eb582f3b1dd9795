"""Whether there is an order in which operations on one register could have happened one at a time.

Owns: the search for such an order.
Must not know: locks, processes, what the register is.

Operations are swaps: each leaves a new value and says which one it found. One takes effect at some moment between its
call and its answer; one whose caller died may have taken effect at any moment after its call, or not at all. A history
is linearizable when there are moments that explain every answer (M. Herlihy, J. Wing, "Linearizability", 1990). The
search is that of J. Wing and C. Gong ("Testing and Verifying Concurrent Objects", 1993): the next operation must be one
that was called before the first answer among those that are left, and must have found what the last one left. States
that were seen before are not looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NEVER: Final = math.inf
"""When an operation was answered whose caller died."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One operation: left `new`, found `old`."""

    called: float
    answered: float
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the search found."""

    linearizable: bool
    explained: int
    """How many operations the best attempt put into order."""
    stuck: tuple[Swap, ...] = ()
    """What could have come next there, and found something else."""


def check(swaps: Sequence[Swap], initial: int = 0) -> Verdict:
    """Look for an order of `swaps`, on a register that held `initial`."""
    history = sorted(swaps, key=lambda swap: swap.called)
    certain = sum(swap.answered < NEVER for swap in history)
    first, beyond, state, left = 0, frozenset[int](), initial, certain
    path: list[tuple[int, frozenset[int], int, int]] = []
    seen: set[tuple[int, frozenset[int], int]] = set()
    best, stuck = -1, ()
    choices = _next(history, first, beyond, state)
    options: list[list[int]] = []
    while left:
        if choices:
            path.append((first, beyond, state, left))
            index = choices.pop()
            options.append(choices)
            left -= history[index].answered < NEVER
            first, beyond = _without(first, beyond, index)
            state = history[index].new
            key = (first, beyond, state)
            choices = [] if key in seen else _next(history, first, beyond, state)
            seen.add(key)
            continue
        if len(path) > best:
            best, stuck = len(path), tuple(history[index] for index in _window(history, first, beyond))
        if not path:
            return Verdict(linearizable=False, explained=best, stuck=stuck)
        first, beyond, state, left = path.pop()
        choices = options.pop()
    return Verdict(linearizable=True, explained=len(path))


def _window(history: Sequence[Swap], first: int, beyond: frozenset[int]) -> list[int]:
    """Return the operations left that were called before the first answer among them."""
    found: list[int] = []
    answer = NEVER
    for index in range(first, len(history)):
        if history[index].called > answer:
            break
        if index not in beyond:
            found.append(index)
            answer = min(answer, history[index].answered)
    return [index for index in found if history[index].called <= answer]


def _next(history: Sequence[Swap], first: int, beyond: frozenset[int], state: int) -> list[int]:
    """Return which may come next. One that is certain is tried first, so the list ends with it."""
    fits = [index for index in _window(history, first, beyond) if history[index].old == state]
    return sorted(fits, key=lambda index: history[index].answered < NEVER)


def _without(first: int, beyond: frozenset[int], index: int) -> tuple[int, frozenset[int]]:
    """Return what is left after `index` was taken: the lowest that is left, and which above it are not."""
    if index != first:
        return first, beyond | {index}
    first += 1
    while first in beyond:
        beyond -= {first}
        first += 1
    return first, beyond
