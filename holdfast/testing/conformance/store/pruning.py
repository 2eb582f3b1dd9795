"""What a store has to keep when it lets go of old histories.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.

A payload goes with the last execution whose history names it, whichever operation brought it in. So for each of these
operations there is a check: another execution names the same payload, closes, and is pruned; the payload stays until
its last one is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import HistoryError, StoreCorruptError
from holdfast.history import Page, blob_digest
from holdfast.ports.operations import (
    ALLOW_DUPLICATE,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    Append,
    ClaimChunks,
    Continuation,
    Deliver,
    IdPolicy,
    ItemOutcome,
    MarkCaptured,
    NewChild,
    Outgoing,
    Prune,
    Pruned,
    QueueFanOut,
    QueueTask,
    RecordItems,
    ReleaseRuns,
    StartNext,
)
from holdfast.testing.conformance.store.harness import (
    Check,
    History,
    StoreHarness,
    claim,
    do,
    end,
    expect,
    join,
    own,
    refused,
    signal,
    start,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store

CONTENT: Final = b"long ago " * 600
BLOBS: Final = ((blob_digest(CONTENT), CONTENT),)


async def prune(store: Store, *, uncaptured: bool = True) -> Pruned:
    """Let go of everything that has closed until now, in one batch."""
    before = await store.now() + 1
    result = await do(store, Prune(before, executions=1 << 40, uncaptured=uncaptured))
    assert isinstance(result, Pruned), "Prune returns a Pruned"
    return result


async def use_and_prune(store: Store, member: Membership) -> None:
    """Let another execution name the payload, close it, and prune it."""
    execution, history = await own(store, member, "other")
    await end(store, member, execution, history, blobs=BLOBS)
    expect((await prune(store)).payloads == 0, "a payload that an open execution names is not let go")
    expect(await store.blob(BLOBS[0][0]) == CONTENT, "it is there")


async def gone_with_its_last(store: Store) -> None:
    """Expect that the payload goes when nobody names it any more."""
    expect((await prune(store)).payloads == 1, "a payload goes with its last execution")
    try:
        await store.blob(BLOBS[0][0])
    except StoreCorruptError:
        return
    expect(False, "what was let go is not there")


async def what_a_start_names_is_kept(harness: StoreHarness) -> None:
    """A payload that came with the start of a run that is open stays; so does that of a closed run which is kept."""
    store = await harness.open()
    member = await join(store)
    history = History()
    first = start("a", history.keep(history.page()), own=True)
    execution = (await do(store, msgspec.structs.replace(first, blobs=BLOBS), member)).execution_id
    await use_and_prune(store, member)
    old, old_history = await own(store, member, "old")
    await end(store, member, old, old_history, blobs=BLOBS)
    harness.advance(5)
    before = await store.now()
    harness.advance(1)
    await end(store, member, execution, history)
    await do(store, Prune(before))
    expect(await store.blob(BLOBS[0][0]) == CONTENT, "a closed run whose history is kept keeps its payloads")
    await gone_with_its_last(store)


async def what_a_next_start_names_is_kept(harness: StoreHarness) -> None:
    """A payload that came with a further execution of a run stays, also after the one before was pruned."""
    store = await harness.open()
    member = await join(store)
    before, before_history = await own(store, member, "a")
    await end(store, member, before, before_history, blobs=BLOBS)
    history = History()
    page = history.keep(history.page())
    again = StartNext("a", "W", b"i", page, BLOBS, number=2, policy=IdPolicy(reuse=ALLOW_DUPLICATE))
    expect((await do(store, again)).created, "another execution begins")
    await use_and_prune(store, member)
    (claimed,) = await claim(store, member)
    await end(store, member, claimed.execution_id, history)
    await gone_with_its_last(store)


async def what_an_append_names_is_kept(harness: StoreHarness) -> None:
    """A payload that came with a page of an open run stays."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await do(store, Append(execution, history.keep(history.page()), blobs=BLOBS), member)
    await use_and_prune(store, member)
    await end(store, member, execution, history)
    await gone_with_its_last(store)


async def what_a_child_names_is_kept(harness: StoreHarness) -> None:
    """A payload that came with a child stays while the child is open, also after its parent was pruned."""
    store = await harness.open()
    member = await join(store)
    parent, parent_history = await own(store, member, "p")
    history = History()
    child = NewChild("c", "c", "W", b"i", history.keep(history.page()), "abandon", BLOBS)
    page = parent_history.keep(parent_history.page())
    await do(store, Append(parent, page, blobs=BLOBS, outgoing=Outgoing(children=(child,))), member)
    await end(store, member, parent, parent_history)
    await use_and_prune(store, member)
    (claimed,) = await claim(store, member)
    await end(store, member, claimed.execution_id, history)
    await gone_with_its_last(store)


async def what_a_continuation_names_is_kept(harness: StoreHarness) -> None:
    """A payload that came with the execution as which a run went on stays, also after the one before was pruned."""
    store = await harness.open()
    member = await join(store)
    before, before_history = await own(store, member, "a")
    await do(store, Append(before, before_history.keep(before_history.page()), blobs=BLOBS), member)
    history = History()
    continuation = Continuation(2, history.keep(history.page()), BLOBS)
    await end(store, member, before, before_history, status=CONTINUED_AS_NEW, continuation=continuation)
    await use_and_prune(store, member)
    (claimed,) = await claim(store, member)
    await end(store, member, claimed.execution_id, history)
    await gone_with_its_last(store)


async def what_a_fork_has_is_kept(harness: StoreHarness) -> None:
    """A fork keeps payloads and outcomes when its source is pruned; of a source that was, no outcomes are had."""
    store = await harness.open()
    member = await join(store)
    source, history = await own(store, member, "source")
    fan_out = QueueFanOut("f", "t", "p", 0, b"", -1, (b"0",), 1)
    await do(store, Append(source, history.keep(history.page()), BLOBS, fan_outs=(fan_out,)), member)
    (chunk,) = await do(store, ClaimChunks((("p", 1),), ("t",)), member)
    outcome = ItemOutcome(0, True, b"done")
    await do(
        store, RecordItems(chunk.chunk_id, chunk.token, (outcome,), done=True, fan_out_id=chunk.fan_out_id), member
    )
    (recorded,) = await store.fan_outs(source)
    fork_history = History()
    request = msgspec.structs.replace(
        start("fork", fork_history.keep(fork_history.page()), own=True), blobs=BLOBS, fan_outs=(recorded.fan_out_id,)
    )
    fork = (await do(store, request, member)).execution_id
    await end(store, member, source, history)
    await use_and_prune(store, member)
    (copied,) = await store.fan_outs(fork)
    if store.codec is None:  # else they can only be read where they stood
        expect(await store.outcomes(copied.fan_out_id, 0, 1) == [outcome], "its outcomes are its own")
    expect(await store.outcomes(recorded.fan_out_id, 0, 1) == [], "those of the pruned run are gone")
    late = msgspec.structs.replace(request, run_id="late", fan_outs=(recorded.fan_out_id,))
    await refused(HistoryError, store, late, member)
    expect(await store.run("late") is None, "a fork that would lack outcomes does not begin")
    await end(store, member, fork, fork_history)
    await gone_with_its_last(store)


async def what_is_open_is_not_pruned(harness: StoreHarness) -> None:
    """Mail, queued tasks and fan-outs of an open run stay as they are, and so do its pages, whoever is pruned."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    task = QueueTask("q", "t", b"input", "p", 0, b"")
    fan_out = QueueFanOut("f", "t", "p", 0, b"", -1, (b"0", b"1"), 1)
    page = history.keep(history.page())
    await do(store, Append(execution, page, BLOBS, queue=(task,), fan_outs=(fan_out,)), member)
    (chunk, _) = await do(store, ClaimChunks((("p", 2),), ("t",)), member)
    outcome = ItemOutcome(chunk.items[0][0], True, b"done")
    await do(
        store, RecordItems(chunk.chunk_id, chunk.token, (outcome,), done=True, fan_out_id=chunk.fan_out_id), member
    )
    await do(store, signal("a"))
    await do(store, ReleaseRuns((execution,)), member)
    fan_out_id = (await store.fan_outs(execution))[0].fan_out_id

    async def look() -> tuple[Any, ...]:
        return (
            await store.pages(execution),
            await store.execution_inbox(execution),
            await store.queue(execution),
            await store.chunks(fan_out_id),
            await store.outcomes(fan_out_id, 0, 2),
        )

    before = await look()
    await use_and_prune(store, member)
    expect(await look() == before, "nothing of an open run changes")
    await do(store, Deliver("a", "terminate", "", b"", "op"))
    await gone_with_its_last(store)
    expect(await store.outcomes(fan_out_id, 0, 2) == [], "outcomes of a closed run go")


async def what_is_pruned_keeps_its_row(harness: StoreHarness) -> None:
    """Id, status, end and the hashes of its pages stay; a start finds the run; a second pruning finds nothing."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await end(store, member, execution, history)
    before = await store.run("a")
    expect((await prune(store)).executions == 1, "a closed run is pruned")
    expect(await store.run("a") == before, "its row stays as it is")
    emptied = [Page(page.first, page.last, b"", page.hash) for page in history.pages]
    expect(await store.pages(execution) == emptied, "its pages are empty and keep their hashes")
    again = await do(store, start("a"))
    expect((again.created, again.status) == (False, COMPLETED), "a start finds it")
    expect(await prune(store) == Pruned(0, 0, 0, None), "what was pruned is not pruned again")


async def only_what_is_old_is_pruned(harness: StoreHarness) -> None:
    """By the time at which it closed, in batches, of which each says where the next one begins."""
    store = await harness.open()
    member = await join(store)
    times = []
    for name in ("a", "b", "c"):
        execution, history = await own(store, member, name)
        await end(store, member, execution, history)
        harness.advance(1)
        times.append(await store.now())
    pruned: list[int] = []
    after: int | None = 0
    while after is not None:
        batch = await do(store, Prune(times[1], after, executions=1))
        pruned.append(batch.executions)
        after = batch.next_after
    expect(pruned == [1, 1, 0], "what closed before the time, an execution a batch")


async def what_went_wrong_is_kept_for_its_capture(harness: StoreHarness) -> None:
    """A failed run's history stays until a capture was made of it, unless none is wanted."""
    store = await harness.open()
    member = await join(store)
    for name in ("a", "b"):
        execution, history = await own(store, member, name)
        await end(store, member, execution, history, status=FAILED)
        if name == "a":
            await do(store, MarkCaptured(((execution, FAILED),)))
    expect((await prune(store, uncaptured=False)).executions == 1, "the one that was captured is pruned")
    expect([each.run_id for each in await store.uncaptured(10)] == ["b"], "the other one waits")
    expect((await prune(store)).executions == 1, "unless no captures are wanted")


CHECKS: Final[tuple[Check, ...]] = (
    what_a_start_names_is_kept,
    what_a_next_start_names_is_kept,
    what_an_append_names_is_kept,
    what_a_child_names_is_kept,
    what_a_continuation_names_is_kept,
    what_a_fork_has_is_kept,
    what_is_open_is_not_pruned,
    what_is_pruned_keeps_its_row,
    only_what_is_old_is_pruned,
    what_went_wrong_is_kept_for_its_capture,
)
