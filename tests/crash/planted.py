"""Bugs, planted to show that the checks see them.

Owns: one function for each bug, which changes the product in this process.
Must not know: the checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from holdfast.client import EmbeddedEngine
from holdfast.orchestrator.timers import Timers
from holdfast.ports.operations import Append
from holdfast.stores import GroupCommit
from holdfast.stores.sql import statements
from holdfast.worker.attempt import Attempt

LATE_SECONDS: Final = 0.05
EARLY_SECONDS: Final = 0.015
_late: set[asyncio.Task[Any]] = set()


def _soon(action: Callable[[], Any]) -> None:
    def begin() -> None:
        task = asyncio.get_running_loop().create_task(action())
        _late.add(task)
        task.add_done_callback(_late.discard)

    asyncio.get_running_loop().call_later(LATE_SECONDS, begin)


def apply_before_commit() -> None:
    """Let runs go on from what is not durable yet."""
    write = GroupCommit.write

    async def early(group: GroupCommit, operations: Any, membership: Any = None) -> list[Any]:
        if membership is None or any(type(each) is not Append for each in operations):
            return await write(group, operations, membership)
        _soon(lambda: write(group, operations, membership))
        return [True] * len(operations)

    GroupCommit.write = early  # type: ignore[method-assign]


def new_key_for_another_attempt() -> None:
    """Give second attempts another idempotency key."""
    begin = Attempt.__init__

    def init(attempt: Attempt, call: Any, *rest: Any) -> None:
        if call.attempt > 1:
            call = msgspec.structs.replace(call, idempotency_key=f"{call.idempotency_key}~{call.attempt}")
        begin(attempt, call, *rest)

    Attempt.__init__ = init  # type: ignore[method-assign]


def acknowledge_before_durable() -> None:
    """Tell who sends a signal that it was delivered, and deliver it later."""
    signal = EmbeddedEngine.signal

    async def early(engine: EmbeddedEngine, *message: Any) -> None:
        _soon(lambda: signal(engine, *message))

    EmbeddedEngine.signal = early  # type: ignore[assignment,method-assign]


def early_timers() -> None:
    """Let timers fire before they are due, and say that they were not."""
    begin = Timers.__init__

    def init(timers: Timers, now: Callable[[], float], fire: Any) -> None:
        begin(timers, lambda: now() + EARLY_SECONDS, fire)

    Timers.__init__ = init  # type: ignore[method-assign]


def write_as_a_zombie() -> None:
    """Let members that lost their lease write, and hand in tasks that others have claimed."""
    known = dict(statements.load("holdfast.stores.sqlite"))
    known["check_member"] = "SELECT grip FROM members WHERE member = ?1 AND epoch = ?2"
    known["finish_task"] = (
        "DELETE FROM task_queue WHERE id = ?1 AND ?2 > 0 AND ?3 > 0 RETURNING execution, step, place, 0"
    )
    statements.load = lambda _package: known


BUGS: Final[dict[str, Callable[[], None]]] = {
    each.__name__: each
    for each in (
        apply_before_commit,
        new_key_for_another_attempt,
        acknowledge_before_durable,
        early_timers,
        write_as_a_zombie,
    )
}
