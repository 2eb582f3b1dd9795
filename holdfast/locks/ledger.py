"""The ledger's entries: what was done, and who is doing it.

Owns: opening an entry with patience, finishing it with the right token, reading it.
Must not know: how results look, who renews leases.

An entry that somebody leases looks the same whether its holder is alive or has just died: only time tells, one lease
at most. So whoever can wait may say for how long it asks again before it believes that the holder is alive.
"""

from __future__ import annotations

import asyncio
from typing import Final

from holdfast.errors import HoldfastError, LeaseHeld
from holdfast.locks.held import EntryLease
from holdfast.ports.operations import CloseEntry, MarkDone, OpenEntry
from holdfast.ports.store import Store

ASK_SECONDS_MIN: Final = 0.05
ASK_SECONDS_MAX: Final = 0.5
"""How often an entry that is held is asked for again: a tenth of a lease, within these bounds."""


class LedgerEntries:
    """The ledger in a store."""

    def __init__(self, store: Store) -> None:
        """Work on the ledger in `store`."""
        self._store = store

    async def is_done(self, name: str) -> bool:
        """Say whether an entry has its result."""
        entry = await self._store.entry(name)
        return entry is not None and entry.done

    async def result(self, name: str) -> bytes | None:
        """Return an entry's result as JSON text, None while it has none."""
        entry = await self._store.entry(name)
        return entry.result if entry is not None and entry.done else None

    async def open(self, name: str, holder: str, lease_seconds: float, *, patience_seconds: float = 0.0) -> EntryLease:
        """Lease an entry.

        Args:
            name: the entry.
            holder: how others are told who has it.
            lease_seconds: how long, until it is renewed.
            patience_seconds: how long to ask again while somebody has it.

        Raises:
            AlreadyProcessed: it is done.
            LeaseHeld: somebody has it, and kept it for longer than the patience.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_seconds
        pause = min(max(lease_seconds / 10, ASK_SECONDS_MIN), ASK_SECONDS_MAX)
        while True:
            answer = await self._ask(OpenEntry(name, holder, lease_seconds))
            match answer:
                case int():
                    return EntryLease(name, answer)
                case LeaseHeld() if loop.time() < deadline:
                    await asyncio.sleep(pause)
                case _:
                    raise answer

    async def finish(self, name: str, result: bytes, lease: EntryLease | None) -> None:
        """Record an entry's result, which is final.

        Args:
            name: the entry.
            result: JSON text.
            lease: proof that the entry is ours; without one the first writer wins.

        Raises:
            LeaseLost: somebody else leased the entry meanwhile.
            AlreadyProcessed: another result stands.
            LeaseHeld: without a lease, while somebody has one.
        """
        token = None if lease is None else lease.token
        (answer,) = await self._store.write([MarkDone(name, result, token)])
        if isinstance(answer, HoldfastError):
            raise answer

    async def close(self, lease: EntryLease) -> bool:
        """Give an entry back that was not finished; False when it was lost before."""
        (answer,) = await self._store.write([CloseEntry(lease.name, lease.token)])
        return not isinstance(answer, HoldfastError)

    async def _ask(self, operation: OpenEntry) -> int | HoldfastError:
        writing = asyncio.ensure_future(self._store.write([operation]))
        answer: int | HoldfastError
        try:
            (answer,) = await asyncio.shield(writing)
        except asyncio.CancelledError:
            # It may be in the very transaction that is under way: what nobody will use is given back.
            (answer,) = await writing
            if isinstance(answer, int):
                await self.close(EntryLease(operation.name, answer))
            raise
        return answer
