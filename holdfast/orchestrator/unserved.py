"""Saying that tasks wait where nobody comes for them.

Owns: how often that is looked at, and that it is said once.
Must not know: what waits.
"""

from __future__ import annotations

from typing import Final

from holdfast.client import unserved
from holdfast.errors import StoreError
from holdfast.observe import logger
from holdfast.ports.store import Store

LOOK_EVERY: Final = 12
"""One reap of so many looks at all pools: about once a minute."""

log = logger("holdfast.orchestrator")


class UnservedPools:
    """Pools in which tasks wait and that no living worker serves."""

    def __init__(self, store: Store) -> None:
        """Look into `store`."""
        self._store = store
        self._said: frozenset[str] = frozenset()
        self._turn = 0

    async def look(self) -> None:
        """Look, if it is time to, and say what was not said before."""
        self._turn += 1
        if self._turn % LOOK_EVERY != 1:
            return
        try:
            found = {pool.pool: warning for pool in await self._store.pools() if (warning := unserved(pool))}
        except StoreError:
            return  # the next look finds out
        for pool in sorted(found.keys() - self._said):
            log.warning("tasks wait in a pool that nobody serves", pool=pool, remedy=found[pool])
        self._said = frozenset(found)
