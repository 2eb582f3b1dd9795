"""What came of the items of fan-outs, which is kept beside a history.

Owns: reading all of it, for whoever takes a history elsewhere.
Must not know: what becomes of it.
"""

from __future__ import annotations

from functools import cache

import msgspec

from holdfast.history import Failure
from holdfast.ports.store import Store


async def read_outcomes(store: Store, execution_id: int) -> dict[str, list[bytes | Failure]]:
    """Return the outcomes of an execution's fan-outs that are over, by step."""
    outcomes: dict[str, list[bytes | Failure]] = {}
    for each in await store.fan_outs(execution_id):
        if each.closed:
            recorded = await store.outcomes(each.fan_out_id, 0, each.count)
            outcomes[each.step] = [one.body if one.ok else _failures().decode(one.body) for one in recorded]
    return outcomes


@cache
def _failures() -> msgspec.msgpack.Decoder[Failure]:
    return msgspec.msgpack.Decoder(Failure)
