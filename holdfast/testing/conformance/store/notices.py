"""What a store has to do with notices: telling somebody that a run has ended.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.ports.operations import (
    ALLOW_DUPLICATE,
    COMPLETED,
    CONTINUED_AS_NEW,
    DUE,
    SENT,
    UNSENT,
    WAITING,
    Append,
    ClaimedNotice,
    ClaimNotices,
    Closing,
    Continuation,
    Deliver,
    IdPolicy,
    NoticeRecord,
    ResendNotice,
    SettleNotice,
    Started,
    StartNext,
)
from holdfast.testing.conformance.store.harness import Check, History, StoreHarness, do, expect, join, start

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store

URL: Final = b"https://example.com/told"
SECONDS: Final = 60.0
"""Of every claim in these checks."""


async def begin(store: Store, member: Membership, run_id: str = "r", *urls: bytes) -> tuple[int, History]:
    """Start a run that `member` owns and somebody is to be told of."""
    history = History()
    operation = start(run_id, history.keep(history.page()), own=True)
    started: Started = await do(store, msgspec.structs.replace(operation, notices=urls or (URL,)), member)
    return started.execution_id, history


async def end(store: Store, member: Membership, execution: int, history: History) -> None:
    """End a run."""
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=Closing(COMPLETED, b"end")), member)


async def claimed(store: Store, limit: int = 10) -> tuple[ClaimedNotice, ...]:
    """Claim notices."""
    found: tuple[ClaimedNotice, ...] = await do(store, ClaimNotices(limit, SECONDS))
    return found


async def the_claimed(store: Store) -> ClaimedNotice:
    """Claim the one notice that is due."""
    found = await claimed(store)
    expect(len(found) == 1, f"one notice is due, not {len(found)}")
    return found[0]


async def only(store: Store, **filters: Any) -> NoticeRecord:
    """Return the one notice there is."""
    (record,) = await store.notices(**filters)
    return record


async def a_notice_is_due_when_its_run_has_ended(harness: StoreHarness) -> None:
    """Not before, and in the commit that ends it."""
    store = await harness.open()
    member = await join(store)
    execution, history = await begin(store, member, "r", URL, b"https://example.com/two")
    expect(await claimed(store) == (), "nobody is told of a run that goes on")
    expect(await store.next_notice() is None, "and none is due at any time")
    expect({each.status for each in await store.notices()} == {WAITING}, "they wait")
    await end(store, member, execution, history)
    now = await store.now()
    expect(await store.next_notice() == now, "they are due at once")
    found = await claimed(store)
    expect([each.url for each in found] == [URL, b"https://example.com/two"], "each is claimed")
    expect({(each.run_id, each.execution, each.attempt) for each in found} == {("r", "r", 1)}, "for this run")
    expect({each.closed_at for each in found} == {now}, "with the time of its end")
    expect(await claimed(store) == (), "by one only")


async def a_notice_that_is_not_settled_is_due_again(harness: StoreHarness) -> None:
    """Whoever claimed it died; what a sleeper settles afterwards does not count."""
    store = await harness.open()
    member = await join(store)
    await end(store, member, *(await begin(store, member)))
    first = await the_claimed(store)
    harness.advance(SECONDS - 1)
    expect(await claimed(store) == (), "not before the claim is over")
    harness.advance(1)
    second = await the_claimed(store)
    expect((second.notice_id, second.attempt) == (first.notice_id, 2), "it is the next try")
    expect(not await do(store, SettleNotice(first.notice_id, 1, SENT)), "the first one has lost it")
    expect(await do(store, SettleNotice(first.notice_id, 2, SENT)), "the second one has it")
    harness.advance(10 * SECONDS)
    expect(await claimed(store) == (), "what was heard is told once")
    expect((await only(store)).status == SENT, "and says so")


async def a_notice_is_tried_again_when_it_is_said(harness: StoreHarness) -> None:
    """With what was wrong; one that is given up can be sent again."""
    store = await harness.open()
    member = await join(store)
    await end(store, member, *(await begin(store, member)))
    first = await the_claimed(store)
    await do(store, SettleNotice(first.notice_id, 1, DUE, 300.0, "it answered 500"))
    record = await only(store)
    now = await store.now()
    expect((record.status, record.due, record.error) == (DUE, now + 300, "it answered 500"), "it waits")
    harness.advance(299)
    expect(await claimed(store) == (), "not early")
    harness.advance(1)
    second = await the_claimed(store)
    await do(store, SettleNotice(first.notice_id, second.attempt, UNSENT, error="gone"))
    expect(await store.next_notice() is None, "one that is given up is not due")
    expect((await only(store, status=UNSENT)).error == "gone", "and is listed so")
    expect(await do(store, ResendNotice(first.notice_id)), "it can be sent again")
    expect(not await do(store, ResendNotice(first.notice_id)), "but not twice at once")
    expect([each.attempt for each in await claimed(store)] == [3], "as the next try")


async def notices_go_along_when_a_run_goes_on(harness: StoreHarness) -> None:
    """The end of an execution is not the end of its run; the next execution by a start is another one's business."""
    store = await harness.open()
    member = await join(store)
    execution, history = await begin(store, member)
    page = history.keep(history.page(closing=True))
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    await do(store, Append(execution, page, closing=closing), member)
    expect(await claimed(store) == (), "nobody is told yet")
    expect((await only(store)).execution == "r@2", "it waits for the next execution")
    await do(store, Deliver("r", "terminate", "", b"why", "end"))
    told = await the_claimed(store)
    expect(told.execution == "r@2", "which ends without an owner")
    policy = IdPolicy(ALLOW_DUPLICATE)
    operation = StartNext("r", "W", b"i", History().page(), number=3, policy=policy, notices=(URL,))
    await do(store, operation)
    await do(store, operation)
    records = await store.notices(run_id="r")
    expect([each.execution for each in records] == ["r@3", "r@2"], "a run that is found is told to nobody more")
    expect([each.status for each in records] == [WAITING, DUE], "each belongs to its execution")


CHECKS: Final[tuple[Check, ...]] = (
    a_notice_is_due_when_its_run_has_ended,
    a_notice_that_is_not_settled_is_due_again,
    a_notice_is_tried_again_when_it_is_said,
    notices_go_along_when_a_run_goes_on,
)
"""Every check."""
