"""Deadlocks: executions that wait for each other's locks, by name.

Owns: the search for them in the lines of `lock_places`.
Must not know: how to end one; that is for people, with `holdfast locks break`.

An execution is stuck when it waits in a line all of whose holders are stuck. (A holder that is not an execution expires
or renews; it is never stuck.) Of the executions that can be reached by asking "who holds what this one waits for", all
are taken for stuck at first, and those that can go on are crossed out until none is left that can. From one that stays,
following the holders leads into a cycle.

A workflow may wait in one branch and release in another, so what stays is a suspicion, for `explain` to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.stores.sql import executions

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Reader
EXECUTIONS_MAX: Final = 1_000
"""A search that meets more executions than this finds nothing."""


def cycle(reader: Reader, execution_id: int) -> list[str] | None:
    """Return the names of executions each of which waits for the next, and the last for the first; None for no cycle.

    The execution asked about is among them, or waits for them.
    """
    waits = _reachable_waits(reader, execution_id)
    if waits is None:
        return None
    stuck = _stuck(waits)
    if execution_id not in stuck:
        return None
    path: list[int] = []
    while execution_id not in path:
        path.append(execution_id)
        execution_id = next(holders[0] for holders in waits[execution_id] if _all_stuck(holders, stuck))
    return [_name(reader, each) for each in path[path.index(execution_id) :]]


def _reachable_waits(reader: Reader, execution_id: int) -> dict[int, list[list[int]]] | None:
    """Return, for every execution that can be reached, the holders of each lock it waits for."""
    waits: dict[int, list[list[int]]] = {}
    unseen = [execution_id]
    while unseen:
        current = unseen.pop()
        if current in waits:
            continue
        if len(waits) >= EXECUTIONS_MAX:
            return None
        waits[current] = _waits_of(reader, current)
        unseen.extend(holder for holders in waits[current] for holder in holders)
    return waits


def _waits_of(reader: Reader, execution_id: int) -> list[list[int]]:
    names = reader.rows("waits_of", (execution_id,))
    found = []
    for (name,) in names:
        holders = [row[0] for row in reader.rows("holders_of", (name, EXECUTIONS_MAX + 1))]
        if holders and None not in holders:
            found.append(holders)
    return found


def _stuck(waits: dict[int, list[list[int]]]) -> set[int]:
    stuck = set(waits)
    while True:
        free = {each for each in stuck if not any(_all_stuck(holders, stuck) for holders in waits[each])}
        if not free:
            return stuck
        stuck -= free


def _all_stuck(holders: list[int], stuck: set[int]) -> bool:
    return all(holder in stuck for holder in holders)


def _name(reader: Reader, execution_id: int) -> str:
    ((run_id, number),) = reader.rows("execution_name_parts", (execution_id,))
    return executions.name_of(run_id, number)
