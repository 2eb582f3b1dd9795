"""Members that died, and that their runs and tasks find others.

Owns: how often they are looked for.
Must not know: which lease has run out: the store's clock decides that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from holdfast.errors import FencedError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.orchestrator.looks import Looks
from holdfast.orchestrator.standing import Standing
from holdfast.orchestrator.unserved import UnservedPools
from holdfast.ports.bus import RUNS, TASKS, Bus
from holdfast.ports.operations import Reap, Reaped
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")


class Reaper:
    """Takes what dead members owned from them."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        standing: Standing,
        looks: Looks,
        jitter: Callable[[], float],
        *,
        reap_seconds: float,
        recoveries_max: int,
    ) -> None:
        """Reap about every `reap_seconds`; see `OrchestratorSettings`. `jitter` is uniform in [0, 1)."""
        self._store = store
        self._bus = bus
        self._standing = standing
        self._looks = looks
        self._jitter = jitter
        self._reap_seconds = reap_seconds
        self._recoveries_max = recoveries_max
        self._unserved = UnservedPools(store)

    async def run(self) -> None:
        """Reap until cancelled, or until this member turns out to be dead itself."""
        while True:
            await asyncio.sleep(self._reap_seconds * (0.75 + 0.5 * self._jitter()))
            try:
                (reaped,) = await self._store.write([Reap(self._recoveries_max)], self._standing.membership)
            except FencedError:
                self._standing.lose()
                return
            except StoreError as error:
                warn_of(log, "could not look for dead members", error)
                continue
            if isinstance(reaped, Reaped) and reaped.members:
                log.warning("members died", members=reaped.members, runs=reaped.runs, tasks=reaped.tasks)
                self._looks.want_runs()
                self._bus.ring([RUNS, TASKS])
            self._looks.want_pools()
            await self._unserved.look()
