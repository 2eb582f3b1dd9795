"""Outcomes of attempts whose execution was taken from this member meanwhile.

Owns: that each is written, or refused, whatever becomes of the store in between.
Must not know: where they come from.
"""

from __future__ import annotations

import asyncio

from holdfast.errors import FencedError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.orchestrator.aside import Aside
from holdfast.orchestrator.standing import RETRY_WRITE_SECONDS, Standing
from holdfast.ports.operations import Operation
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")


class LateOutcomes:
    """Writes outcomes to the inboxes of others' executions."""

    def __init__(self, store: Store, standing: Standing, aside: Aside) -> None:
        """Write to `store` as long as there is a `standing`."""
        self._store = store
        self._standing = standing
        self._aside = aside

    def hand_in(self, operation: Operation) -> None:
        """Write an outcome soon."""
        self._aside.spawn(self._write, operation)

    async def _write(self, operation: Operation) -> None:
        # Refused, it is about something nobody wants any more, or that somebody else does.
        standing = self._standing
        while standing.membership is not None and not standing.draining:
            try:
                await self._store.write([operation], standing.membership)
            except FencedError:
                raise
            except StoreError as error:
                warn_of(log, "outcome not written, trying again", error)
                await asyncio.sleep(RETRY_WRITE_SECONDS)
            else:
                return
