"""Where the tasks of a process write down what requests to language models cost.

Owns: the shape of it; which one the code of a task finds.
Must not know: stores, models, prices.
"""

from __future__ import annotations

from typing import Final, Protocol

from holdfast.ports.operations import Reservation, ReserveModelCall, SettleModelCall
from holdfast.ports.served import Served
from holdfast.ports.task import current_task


class Books(Protocol):
    """Written in from any event loop."""

    async def reserve(self, operation: ReserveModelCall) -> Reservation:
        """Set aside what a request may cost, durably. Raises StoreError."""

    async def settle(self, operation: SettleModelCall) -> None:
        """Write down what a request cost. Raises StoreError."""


books: Final[Served[Books]] = Served()


def books_here() -> Books | None:
    """Return what the running task writes in; None outside of tasks, and where no store is behind them."""
    return books.newest() if current_task.get(None) is not None else None
