"""The books of a store.

Owns: writing in them from any event loop.
Must not know: what is written, which `holdfast.ports.operations.model_calls` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.ports.served import on_loop

if TYPE_CHECKING:
    import asyncio

    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import (
        FreezeRate,
        KeepModelAnswer,
        NotePrefix,
        OpenStream,
        Operation,
        PrefixWarmth,
        Reservation,
        ReserveModelCall,
        Say,
        SettleModelCall,
        WarmPrefix,
    )
    from holdfast.ports.store import Store


class StoreBooks:
    """Kept in a store. Implements `holdfast.ports.books.Books`."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        """Write into `store`, which belongs to `loop`, and whose time `clock` keeps."""
        self._store = store
        self._clock = clock
        self._loop = loop

    async def reserve(self, operation: ReserveModelCall) -> Reservation:
        """Set aside what a request may cost, durably. Raises StoreError."""
        found: Reservation = await self._write(operation)
        return found

    async def settle(self, operation: SettleModelCall) -> None:
        """Write down what a request cost. Raises StoreError."""
        await self._write(operation)

    async def recall(self, digest: str) -> bytes | None:
        """Return the answer that is kept under a digest, as JSON text; None for none. Raises StoreError."""
        found = await on_loop(self._loop, lambda: self._store.model_answer(digest))
        return found.body if found is not None and found.until > self._clock.now() else None

    async def keep(self, operation: KeepModelAnswer) -> None:
        """Keep an answer. Raises StoreError."""
        await self._write(operation)

    async def open_stream(self, operation: OpenStream) -> int:
        """Begin to say something; return the epoch, 0 where nothing is to be said. Raises StoreError."""
        epoch: int = await self._write(operation)
        return epoch

    async def say(self, operation: Say) -> bool:
        """Say something; return whether more is wanted. Raises StoreError."""
        wanted: bool = await self._write(operation)
        return wanted

    async def freeze(self, operation: FreezeRate) -> float:
        """Let nobody take of a rate for some time; return for how many seconds nobody may. Raises StoreError."""
        until: float = await self._write(operation)
        return until - self._clock.now()

    async def warm(self, operation: WarmPrefix) -> PrefixWarmth:
        """Ask how a prefix is found, and whether to warm it. Raises StoreError."""
        found: PrefixWarmth = await self._write(operation)
        return found

    async def note(self, operation: NotePrefix) -> None:
        """Say what came of warming a prefix. Raises StoreError."""
        await self._write(operation)

    async def _write(self, operation: Operation) -> Any:
        (result,) = await on_loop(self._loop, lambda: self._store.write([operation]))
        if isinstance(result, BaseException):
            raise result
        return result
