"""What a store has to do with calls of attempts that came to nothing.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.ports.operations import RecordedExchanges, RecordExchanges, Started
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, end, expect, join, own, start
from holdfast.testing.conformance.store.pruning import prune


async def calls_of_the_last_attempt_are_kept(harness: StoreHarness) -> None:
    """Step by step, in the place of those of an earlier attempt; each execution has its own."""
    store = await harness.open()
    started: list[Started] = [await do(store, start(name)) for name in ("a", "b")]
    first, second = (each.execution_id for each in started)
    for execution_id, step, body in (
        (first, "pay#1", b"one"),
        (first, "book#1", b"two"),
        (second, "pay#1", b"other"),
        (first, "pay#1", b"three"),
    ):
        await do(store, RecordExchanges(execution_id, step, body))
    kept = [RecordedExchanges("book#1", b"two"), RecordedExchanges("pay#1", b"three")]
    expect(await store.exchanges(first) == kept, "the last of each step, by step")
    expect(await store.exchanges(second) == [RecordedExchanges("pay#1", b"other")], "each execution has its own")
    expect(await store.exchanges(second + 1) == [], "others have none")


async def calls_go_with_their_history(harness: StoreHarness) -> None:
    """A pruned execution has none any more."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await do(store, RecordExchanges(execution, "pay#1", b"one"))
    await end(store, member, execution, history)
    await prune(store)
    expect(await store.exchanges(execution) == [], "they are let go")


CHECKS: Final[tuple[Check, ...]] = (calls_of_the_last_attempt_are_kept, calls_go_with_their_history)
