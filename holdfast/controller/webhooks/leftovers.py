"""Deliveries that somebody began to carry out on a cluster, and did not live to say what came of it.

Owns: finding them, and having them carried out again.
Must not know: how, and how it is found that they were.

Whoever sent one was not answered, and may send it again; but may also have given up. Carried out twice at the same time
is as once: see `holdfast.ports.engine.Engine.carry_out`.
"""

from __future__ import annotations

from typing import Final

from holdfast.controller.lookout import Lookout
from holdfast.controller.webhooks.desk import Desk
from holdfast.errors import HoldfastError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.ports.bus import Bus
from holdfast.ports.operations import UNDER_WAY, DeliveryFilter, DeliveryState
from holdfast.ports.store import Store

LOOK_SECONDS: Final = 15.0
"""How often to look for some."""
LEFT_SECONDS: Final = 5.0
"""How long ago one was tried that is taken for left."""
READ_AT_ONCE: Final = 500
READ_MAX: Final = 5_000
"""How many of the newest that have failed are looked at."""

log = logger("holdfast.controller")


class Leftovers(Lookout):
    """Carries out what others left under way."""

    def __init__(self, store: Store, bus: Bus, desk: Desk, left_seconds: float = LEFT_SECONDS) -> None:
        """Look in `store`, and hand what is found to `desk`."""
        super().__init__(bus, LOOK_SECONDS, name="leftovers", what="inbox")
        self._store = store
        self._desk = desk
        self._left_seconds = left_seconds

    def _concerns(self, topics: frozenset[str]) -> bool:  # noqa: ARG002 - only time tells
        return False

    async def _look(self) -> float:
        return self._left_seconds if await self.sweep() else LOOK_SECONDS

    async def sweep(self) -> bool:
        """Carry out what was left; say whether there is some that is too young to be taken for left."""
        now, cursor, is_young = await self._store.now(), None, False
        for _ in range(0, READ_MAX, READ_AT_ONCE):
            records, cursor = await self._store.deliveries(
                DeliveryFilter(state=DeliveryState.FAILED), cursor, READ_AT_ONCE
            )
            for each in records:
                if each.reason != UNDER_WAY:
                    continue
                if now - each.decided_at < self._left_seconds:
                    is_young = True
                else:
                    await self._redeliver(each.delivery_id)
            if cursor is None:
                break
        return is_young

    async def _redeliver(self, delivery_id: int) -> None:
        record = await self._store.delivery(delivery_id)
        if record is None:
            return
        try:
            noted = await self._desk.redeliver(record)
        except StoreError:
            raise
        except HoldfastError as error:
            warn_of(log, "a delivery that was left under way cannot be carried out", error)
        else:
            log.info("a delivery that was left under way was carried out", run_id=noted.run_id)
