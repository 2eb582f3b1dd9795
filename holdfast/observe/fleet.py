"""What the store says about the whole fleet, for whoever watches it.

Owns: which of a store's counts are read, and how often at most.
Must not know: how the numbers are published.

Counting runs by status takes longer the more runs there are: 10 million cost a second. Whoever watches asks every few
seconds, and perhaps three of them do. So what is read is kept for READS_APART times as long as reading it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdfast.errors import EncryptionError
from holdfast.ports.operations import ContractRecord, DriftRecord, MemberRecord, PoolRecord, Totals
from holdfast.ports.store import Store

READS_APART: Final = 50
"""Of all time, one part in so many at most is spent on reading."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """One look at everything."""

    totals: Totals
    pools: tuple[PoolRecord, ...]
    members: tuple[MemberRecord, ...]
    contracts: tuple[ContractRecord, ...] = ()
    """The newest version of each; none where they cannot be decrypted here."""
    drifts: tuple[DriftRecord, ...] = ()


class FleetReader:
    """Looks at a store, but not too often."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.perf_counter) -> None:
        """Look at `store`; `clock` measures seconds."""
        self._store = store
        self._clock = clock
        self._read: Fleet | None = None
        self._again_at = 0.0

    async def read(self) -> Fleet:
        """Return how things are. Raises StoreError."""
        began = self._clock()
        if self._read is None or began >= self._again_at:
            store = self._store
            totals, pools, members = await store.totals(), await store.pools(), await store.members()
            drifts = tuple(await store.drifts())
            fleet = Fleet(totals, tuple(pools), tuple(members), await self._contracts(), drifts)
            ended = self._clock()
            self._read, self._again_at = fleet, ended + READS_APART * (ended - began)
        return self._read

    async def _contracts(self) -> tuple[ContractRecord, ...]:
        try:
            return tuple(await self._store.contracts())
        except EncryptionError:  # a controller need not have the keys of payloads
            return ()
