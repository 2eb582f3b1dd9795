"""Metrics for whoever asks.

Owns: that a store that cannot be read costs the numbers about it, and no others; that the library is loaded late.
Must not know: who asks, and how.
"""

from __future__ import annotations

import contextlib

from holdfast.errors import StoreError
from holdfast.observe.fleet import Fleet, FleetReader
from holdfast.observe.meters import Meters
from holdfast.ports.store import Store


class Publisher:
    """Puts what this process counted, and what its store says, into words."""

    def __init__(self, meters: Meters, store: Store | None = None) -> None:
        """Publish `meters`, and what `store` says when there is one to speak for."""
        self.meters = meters
        self._reader = None if store is None else FleetReader(store)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, of those that the Accept header `accept` names."""
        fleet: Fleet | None = None
        if self._reader is not None:
            with contextlib.suppress(StoreError):  # `holdfast_store_up` says so
                fleet = await self._reader.read()
        return _render(self.meters, fleet, accept, has_store=self._reader is not None)

    async def fleet(self) -> Fleet:
        """Return how the store says the fleet is, a while old at most. Raises StoreError."""
        if self._reader is None:
            raise LookupError("this process has no store to speak for")
        return await self._reader.read()

    def own_page(self, accept: str) -> tuple[bytes, str]:
        """As `page`, of what this process counted alone; from any thread."""
        return _render(self.meters, None, accept, has_store=False)


def _render(meters: Meters, fleet: Fleet | None, accept: str, *, has_store: bool) -> tuple[bytes, str]:
    from holdfast.observe.metrics import render  # here: a script that starts a run asks for no metrics

    return render(meters, fleet, accept, has_store=has_store)
