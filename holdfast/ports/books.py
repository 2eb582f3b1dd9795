"""Where the tasks of a process write down what requests to language models cost.

Owns: the shape of it; which one the code of a task finds.
Must not know: stores, models, prices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from holdfast.ports.operations import Reservation, ReserveModelCall, SettleModelCall
from holdfast.ports.task import current_task


class Books(Protocol):
    """Written in from any event loop."""

    async def reserve(self, operation: ReserveModelCall) -> Reservation:
        """Set aside what a request may cost, durably. Raises StoreError."""

    async def settle(self, operation: SettleModelCall) -> None:
        """Write down what a request cost. Raises StoreError."""


_served: Final[list[Callable[[], Books]]] = []
"""What the tasks of this process find, newest last."""


def serve_books(find: Callable[[], Books]) -> Callable[[], None]:
    """Have the tasks of this process find what `find` returns; return what ends that."""
    _served.append(find)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _served.remove(find)

    return end


def books_here() -> Books | None:
    """Return what the running task writes in; None outside of tasks, and where no store is behind them."""
    return _served[-1]() if _served and current_task.get(None) is not None else None
