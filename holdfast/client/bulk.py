"""One thing done to many runs.

Owns: which runs a verb means by itself, and the operations that make a part of it one write.
Must not know: who asks, and how many parts there are.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.errors import HoldfastError, UnknownNameError
from holdfast.ports.engine import BulkPage, BulkRequest
from holdfast.ports.operations import PARKED, PAUSED, RUNNING, Deliver, Pause, Resume, RunFilter
from holdfast.ports.store import Store

BULK_RUNS: Final = 200
"""How many runs one write is about, where nobody says otherwise."""
BULK_RUNS_MAX: Final = 1_000

MEANT: Final = {
    "cancel": (RUNNING, PARKED, PAUSED),
    "terminate": (RUNNING, PARKED, PAUSED),
    "pause": (RUNNING, PARKED),
    "resume": (PARKED, PAUSED),
}
"""The verbs, and the statuses for which each means something."""


def meant(verb: str, where: RunFilter) -> RunFilter:
    """Return the filter with the statuses that `verb` means, if it names none itself.

    Raises:
        UnknownNameError: there is no such verb.
    """
    if verb not in MEANT:
        raise UnknownNameError("verb for many runs", verb, tuple(MEANT))
    return where if where.statuses else msgspec.structs.replace(where, statuses=MEANT[verb])


async def operate_on_many(store: Store, request: BulkRequest, cursor: str | None, limit: int) -> BulkPage:
    """Do one thing to the next runs that a filter means, in one write."""
    where = meant(request.verb, request.where)
    records, following = await store.runs(where=where, cursor=cursor, limit=min(limit, BULK_RUNS_MAX))
    results = await store.write([_operation(request, each.run_id) for each in records]) if records else []
    outcomes = list(zip((each.run_id for each in records), results, strict=True))
    return BulkPage(
        done=tuple(run_id for run_id, result in outcomes if not isinstance(result, HoldfastError)),
        refused=tuple((run_id, result.message()) for run_id, result in outcomes if isinstance(result, HoldfastError)),
        next=following,
    )


def _operation(request: BulkRequest, run_id: str) -> Any:
    match request.verb:
        case "pause":
            return Pause(run_id, request.by, request.reason)
        case "resume":
            return Resume(run_id)
        case verb:
            return Deliver(run_id, verb, "", request.reason.encode(), f"{request.operation_id}/{run_id}")
