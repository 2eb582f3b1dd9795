"""A run out of a store, with all that belongs to it.

Owns: gathering events, outside payloads and the outcomes of fan-outs into one History.
Must not know: which store, what the history is for.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from holdfast.history import (
    AnyEvent,
    Exchange,
    Failure,
    FanOutCompleted,
    History,
    ItemOutcome,
    decode_exchanges,
    open_page,
    outside_payloads,
    page_place,
    verify_chain,
)
from holdfast.ports.store import Store

OUTCOMES_READ: Final = 512
"""How many outcomes of a fan-out are read at a time."""

_decode_failure: Final = msgspec.msgpack.Decoder(Failure).decode


async def read_run(store: Store, execution_id: int) -> History:
    """Return what is recorded of one execution.

    Raises:
        HistoryError: the pages are not what was written.
        StoreCorruptError: a payload is missing or damaged.
        EncryptionError: they are encrypted, and the store's codec cannot decrypt them.
        StoreError: it cannot be read.
    """
    pages = await store.pages(execution_id)
    verify_chain(pages)
    codec = store.codec
    record = None if codec is None else await store.execution(execution_id)
    events: list[AnyEvent] = []
    for page in pages:
        place = b"" if record is None else page_place(record.run_id, record.execution, page.first)
        events += open_page(page.body, codec, place)
    for event, name, reference in outside_payloads(events):
        setattr(event, name, await store.blob(reference.digest))
    finished = {each.step for each in events if isinstance(each, FanOutCompleted)}
    outcomes = await _read_outcomes(store, execution_id, finished) if finished else {}
    return History(events, outcomes, exchanges=await read_exchanges(store, execution_id))


async def read_exchanges(store: Store, execution_id: int) -> dict[str, tuple[Exchange, ...]]:
    """Return the calls of an execution's attempts that came to nothing, by step; raises as `read_run`."""
    return {each.step: decode_exchanges(each.body) for each in await store.exchanges(execution_id)}


async def _read_outcomes(store: Store, execution_id: int, steps: set[str]) -> dict[str, list[ItemOutcome]]:
    outcomes: dict[str, list[ItemOutcome]] = {}
    for record in await store.fan_outs(execution_id):
        if record.step not in steps:
            continue
        items = outcomes[record.step] = []
        for start in range(0, record.count, OUTCOMES_READ):
            found = await store.outcomes(record.fan_out_id, start, min(start + OUTCOMES_READ, record.count))
            items += [each.body if each.ok else _decode_failure(each.body) for each in found]
            await asyncio.sleep(0)  # others want the loop too
    return outcomes
