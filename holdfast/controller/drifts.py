"""Answers of hosts that are not as code expects them.

Owns: these reports, and what people decide about them.
Must not know: HTTP, how a drift is found, how a mapping is proven.
"""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.controller.actors import store_of
from holdfast.controller.documents import Drift, DriftList, ResolvedDrift, drift_document
from holdfast.errors import InputError, UnknownNameError
from holdfast.ports.mappings import Step
from holdfast.ports.operations import DriftRecord, SettleDrift
from holdfast.ports.store import Store


class Drifts:
    """The reports of a store, as documents."""

    def __init__(self, store: Store) -> None:
        """Read `store`."""
        self._store = store

    async def newest(self) -> DriftList:
        """Return the newest reports, the newest first."""
        return DriftList(drifts=[drift_document(each) for each in await self._store.drifts()])

    async def one(self, drift: int) -> Drift:
        """Return one report of the newest. Raises UnknownNameError."""
        return drift_document(await self._record(drift))

    async def resolve(self, drift: int, limit: int, by: str = "") -> ResolvedDrift:
        """Let calls be made again, and `limit` runs go on; `by` is who does it. Raises UnknownNameError."""
        return await self._settle(drift, limit, by)

    async def accept(self, drift: int, mapping: list[dict[str, Any]], limit: int, by: str = "") -> ResolvedDrift:
        """Read answers by a mapping that is proposed and proven, and let `limit` runs go on; `by` is who does it.

        Raises:
            UnknownNameError: there is no such report.
            InputError: it is resolved, or the mapping is none of those that are proposed for it, or is not proven.
        """
        record = await self._record(drift)
        if record.settled_at is not None:
            raise InputError(f"accepting drift {drift}", (("", "it is resolved already"),))
        found = next((each for each in record.proposals if msgspec.to_builtins(list(each.steps)) == mapping), None)
        if found is None or not found.holds:
            problem = "is not proven" if found is not None else "is none of those that are proposed for it"
            raise InputError(f"accepting drift {drift}", (("/mapping", problem),))
        return await self._settle(drift, limit, by, found.steps)

    async def _settle(self, drift: int, limit: int, by: str, mapping: tuple[Step, ...] = ()) -> ResolvedDrift:
        (resumed,) = await store_of(self._store, by).write([SettleDrift(drift, by, limit, mapping)])
        if resumed is None:
            raise _no_drift(drift)
        parked = next((each.parked for each in await self._store.drifts() if each.drift == drift), 0)
        return ResolvedDrift(drift=drift, resumed=resumed, parked=parked)

    async def _record(self, drift: int) -> DriftRecord:
        found = next((each for each in await self._store.drifts() if each.drift == drift), None)
        if found is None:
            raise _no_drift(drift)
        return found


def _no_drift(drift: int) -> UnknownNameError:
    return UnknownNameError("drift", str(drift), remedy="See them: GET /v1/drifts, or holdfast drift list.")
