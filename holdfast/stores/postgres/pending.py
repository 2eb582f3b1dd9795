"""Statements whose results nobody needs: collected, and sent together.

Owns: which of them may be put off, and when they have to go.
Must not know: how a statement is sent, what it does.

A statement on the way to the server and back costs as much as a hundred rows of one. So those that only have to be true
at the end are collected, by name, until something is asked, and each name is one statement then.

That changes the order in which they are carried out. It may not change what comes of it: two that meet in one row of
one table stay in their order, because the second one sends the first on its way.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.stores.sql.session import Bindings


class Target(NamedTuple):
    """What a statement changes: rows that belong to what its first binding names, mostly an execution."""

    table: str
    keys: int = 1
    """How many of its first bindings name one row."""


TARGETS: Final[Mapping[str, Target]] = MappingProxyType({
    "close_execution": Target("executions"),
    "make_ready": Target("executions"),
    "schedule_execution": Target("executions"),
    "make_stable": Target("executions"),
    "set_parts": Target("executions"),
    "set_wake": Target("executions"),
    "drop_inbox": Target("inbox"),
    "drop_read_inbox": Target("inbox"),
    "put_inbox": Target("inbox", keys=2),
    "drop_delivered": Target("delivered"),
    "put_delivered": Target("delivered", keys=2),
    "drop_tasks": Target("task_queue"),
    "enqueue_task": Target("task_queue", keys=2),
    "enqueue_limited_task": Target("task_queue", keys=2),
    "touch_lines": Target("touched_lines"),
    "put_deadline": Target("deadlines"),
})  # fmt: skip
"""Statements that may be put off. Each is written for many rows."""


class Pending:
    """What was put off in one transaction."""

    __slots__ = ("_keys", "_rows", "_touched")

    def __init__(self) -> None:
        self._rows: dict[str, list[Bindings]] = {}
        self._touched: dict[tuple[str, int], str] = {}
        """(table, execution) to the statement that changes rows there."""
        self._keys: set[tuple[Any, ...]] = set()

    def meets(self, name: str, bindings: Bindings) -> bool:
        """Say whether something put off meets this statement in a row, and has to go before it is put off too."""
        table, keys = TARGETS[name]
        known = self._touched.get((table, bindings[0]))
        return known is not None and (known != name or (name, *bindings[:keys]) in self._keys)

    def add(self, name: str, bindings: Bindings) -> None:
        """Put a statement off."""
        table, keys = TARGETS[name]
        self._touched[table, bindings[0]] = name
        self._keys.add((name, *bindings[:keys]))
        self._rows.setdefault(name, []).append(bindings)

    def take(self) -> dict[str, list[Bindings]]:
        """Return everything that was put off, by name, and forget it."""
        rows, self._rows = self._rows, {}
        self._touched.clear()
        self._keys.clear()
        return rows

    def __bool__(self) -> bool:
        """Say whether anything was put off."""
        return bool(self._rows)
