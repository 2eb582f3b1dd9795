"""The books of a store.

Owns: writing in them from any event loop.
Must not know: what is written, which `holdfast.ports.operations.model_calls` says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation, Reservation, ReserveModelCall, SettleModelCall
    from holdfast.ports.store import Store


class StoreBooks:
    """Kept in a store. Implements `holdfast.ports.books.Books`."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        """Write into `store`, which belongs to `loop`."""
        self._store = store
        self._loop = loop

    async def reserve(self, operation: ReserveModelCall) -> Reservation:
        """Set aside what a request may cost, durably. Raises StoreError."""
        found: Reservation = await self._write(operation)
        return found

    async def settle(self, operation: SettleModelCall) -> None:
        """Write down what a request cost. Raises StoreError."""
        await self._write(operation)

    async def _write(self, operation: Operation) -> Any:
        writing = self._store.write([operation])
        if asyncio.get_running_loop() is not self._loop:
            (result,) = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(writing, self._loop))
        else:
            (result,) = await writing
        if isinstance(result, BaseException):
            raise result
        return result
