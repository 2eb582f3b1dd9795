"""What a transaction is called, so that every attempt of its task means the same one.

Owns: the names of transactions within a task, by their order.
Must not know: databases, drivers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

from holdfast.authoring import calling_place
from holdfast.errors import TransactionError
from holdfast.ports.runtime import current_runtime
from holdfast.ports.task import TaskContext, current_task


class _Count:
    """The transactions without a key of one attempt."""

    __slots__ = ("begun", "is_open")

    def __init__(self) -> None:
        self.begun = 0
        self.is_open = False


_counts: Final[WeakKeyDictionary[TaskContext, _Count]] = WeakKeyDictionary()


@contextmanager
def named(key: str | None) -> Iterator[str]:
    """Give a transaction its name while it lasts.

    Args:
        key: what its caller calls it, within its task where there is one.

    Raises:
        TransactionError: it has no key, and no place in an order that every attempt would have.
    """
    context = current_task.get(None)
    if context is None:
        if current_runtime.get(None) is not None:
            raise TransactionError(
                "transaction() was called in workflow code", "Call it in a task's code.", calling_place()
            )
        if not key:
            raise TransactionError(
                "transaction() outside a task has no name of its own",
                'Say what it is: transaction(connection, body, ..., key="invoice-17")',
                calling_place(),
            )
        yield key
        return
    step = context.info.idempotency_key
    if key:
        yield f"{step}/{key}"
        return
    count = _counts.setdefault(context, _Count())
    if count.is_open:
        raise TransactionError(
            "two transactions of one task go on at the same time, so that their order may be another next time",
            "Give each a key: transaction(connection, body, ..., key=...)",
            calling_place(),
        )
    count.begun += 1
    count.is_open = True
    try:
        yield f"{step}/tx#{count.begun}"
    finally:
        count.is_open = False
