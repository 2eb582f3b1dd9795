"""What a store has to do with runs and their histories: start, append, close.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import FencedError, RunClosedError, RunConflictError, StoreCorruptError
from holdfast.history import Page, blob_digest, verify_chain
from holdfast.ports.operations import CANCELLED, COMPLETED, FAILED, Append, Closing, ReleaseRuns, Started
from holdfast.testing.conformance.store.harness import (
    Check,
    StoreHarness,
    claim,
    do,
    expect,
    join,
    own,
    refused,
    signal,
    start,
)


async def a_start_is_idempotent(harness: StoreHarness) -> None:
    """The same id with the same workflow and input is the same run, in one batch and in two."""
    store = await harness.open()
    first, again = await store.write([start("a"), start("a")])
    (later,) = await store.write([start("a")])
    expect(
        (first.created, again.created, later.created) == (True, False, False), "only the first start creates the run"
    )
    expect(first.execution_id == again.execution_id == later.execution_id, "every start finds the same execution")
    expect(len(await store.pages(first.execution_id)) == 1, "the history starts once")


async def a_taken_id_conflicts(harness: StoreHarness) -> None:
    """An id that exists with another workflow or input is refused, and what was written beside it stays."""
    store = await harness.open()
    await do(store, start("a"))
    results = await store.write([start("a", workflow="V"), start("b"), start("a", digest=b"j")])
    expect(isinstance(results[0], RunConflictError), "another workflow conflicts")
    expect(isinstance(results[2], RunConflictError), "another input conflicts")
    expect(results[1].created and await store.run("b"), "a refused operation leaves the others alone")


async def a_start_finds_a_closed_run(harness: StoreHarness) -> None:
    """A start whose run has ended tells so."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await do(store, Append(execution, history.page(closing=True), closing=Closing(FAILED, b"why")), member)
    again = await do(store, start("a"))
    expect((again.created, again.status) == (False, FAILED), "the start says how the run ended")


async def pages_come_back(harness: StoreHarness) -> None:
    """What was appended is read back whole, in order, and from any event on, by every store object."""
    store, other = await harness.open(), await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    for events in (1, 3, 1, 2):
        await do(store, Append(execution, history.keep(history.page(events))), member)
    for reader in (store, other):
        pages = await reader.pages(execution)
        expect(pages == history.pages, "pages are what was appended")
        expect(verify_chain(pages) == (history.last, history.pages[-1].hash), "their chain holds")
        for after in range(history.last + 2):
            expected = [page for page in history.pages if page.last > after]
            expect(await reader.pages(execution, after) == expected, f"pages after event {after} are those")
    record = await store.run("a")
    expect(record is not None and record.last_event == history.last, "the run knows its last event")


async def an_append_needs_its_place(harness: StoreHarness) -> None:
    """A page that does not follow the last event is refused; the rest of the batch is committed."""
    store = await harness.open()
    member = await join(store)
    first, history = await own(store, member, "a")
    second, neighbour = await own(store, member, "b")
    page = history.keep(history.page())
    gap = Page(9, 9, page.body, page.hash)
    results = await store.write(
        [Append(first, gap), Append(second, neighbour.page()), Append(first, page), Append(first, page)], member
    )
    expect(isinstance(results[0], FencedError), "a gap is refused")
    expect(results[1] is True and results[2] is True, "what fits is appended")
    expect(isinstance(results[3], FencedError), "the same page twice is refused")
    expect(await store.pages(first) == history.pages, "the refused pages are not there")


async def an_append_needs_an_owner(harness: StoreHarness) -> None:
    """Only the owner appends: not another member, not to a run nobody owns, not to one that is not there."""
    store = await harness.open()
    member, other = await join(store), await join(store, "other")
    mine, history = await own(store, member, "a")
    free: Started = await do(store, start("b"))
    await refused(FencedError, store, Append(mine, history.page()), other)
    await refused(FencedError, store, Append(free.execution_id, history.page()), member)
    await refused(FencedError, store, Append(10**9, history.page()), member)
    await do(store, Append(mine, history.page()), member)


async def two_objects_may_write_for_one_member(harness: StoreHarness) -> None:
    """What one store object appended, the other one builds on, in any order."""
    stores = [await harness.open(), await harness.open()]
    member = await join(stores[0])
    execution, history = await own(stores[0], member, "a")
    for turn in (1, 0, 0, 1, 1, 0, 1, 0):
        stale = history.page()
        await do(stores[turn], Append(execution, history.keep(history.page())), member)
        await refused(FencedError, stores[1 - turn], Append(execution, stale), member)
    expect(verify_chain(await stores[1].pages(execution))[0] == history.last, "the history is one")
    await do(stores[0], Append(execution, history.keep(history.page())), member)
    await do(stores[1], ReleaseRuns((execution,)), member)
    await refused(FencedError, stores[0], Append(execution, history.page()), member)
    await do(stores[1], signal("a"))
    rival = await join(stores[1], "rival")
    await claim(stores[1], rival)
    await refused(FencedError, stores[0], Append(execution, history.page()), member)
    await do(stores[0], Append(execution, history.keep(history.page())), rival)


async def payloads_are_kept_by_hash(harness: StoreHarness) -> None:
    """A payload is stored once under its hash, and one that is not there is damage."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    content = bytes(range(256)) * 64
    digest = blob_digest(content)
    for _ in range(2):
        append = Append(execution, history.keep(history.page()), blobs=((digest, content),))
        await do(store, append, member)
    expect(await store.blob(digest) == content, "the payload comes back")
    try:
        await store.blob(bytes(16))
    except StoreCorruptError:
        return
    expect(False, "a missing payload raises StoreCorruptError")


async def a_run_ends_once(harness: StoreHarness) -> None:
    """A closed execution has its outcome, belongs to nobody, and takes no more."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=Closing(COMPLETED, b"result")), member)
    for late in (Append(execution, history.page()), Append(execution, None, closing=Closing(CANCELLED, b""))):
        await refused(FencedError, store, late, member)
    record = await store.run("a")
    assert record is not None
    expect((record.status, record.outcome, record.owner) == (COMPLETED, b"result", ""), "the first end stands")
    expect(record.closed_at == await store.now(), "it ended now")
    await refused(RunClosedError, store, signal("a"))
    expect(not await claim(store, member), "nobody claims it")


CHECKS: Final[tuple[Check, ...]] = (
    a_start_is_idempotent,
    a_taken_id_conflicts,
    a_start_finds_a_closed_run,
    pages_come_back,
    an_append_needs_its_place,
    an_append_needs_an_owner,
    two_objects_may_write_for_one_member,
    payloads_are_kept_by_hash,
    a_run_ends_once,
)
