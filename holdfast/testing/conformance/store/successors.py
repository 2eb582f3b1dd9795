"""What a store has to do when a run is started that exists: what each policy says.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from holdfast.errors import FencedError, RunClosedError, RunConflictError
from holdfast.ports.operations import (
    ALLOW_DUPLICATE,
    ALLOW_DUPLICATE_FAILED_ONLY,
    COMPLETED,
    FAIL,
    FAILED,
    REJECT_DUPLICATE,
    RUNNING,
    TERMINATE_EXISTING,
    TERMINATED,
    USE_EXISTING,
    Append,
    Closing,
    IdPolicy,
    Overtaken,
    Started,
    StartNext,
    StartSignal,
)
from holdfast.testing.conformance.store.harness import (
    Check,
    History,
    StoreHarness,
    claim,
    do,
    expect,
    join,
    own,
    refused,
    signal,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store


def following(number: int = 1, *, digest: bytes = b"i", reuse: str = "", conflict: str = "") -> StartNext:
    """Return a start of run `r` whose page is made for its execution `number`."""
    default = IdPolicy()
    policy = IdPolicy(reuse or default.reuse, conflict or default.conflict)
    return StartNext("r", "W", digest, History().page(), number=number, policy=policy)


async def close(store: Store, member: Membership, execution: int, history: History, status: str) -> None:
    """Append the last page of an execution."""
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=Closing(status, b"end")), member)


async def found(store: Store, operation: StartNext) -> Started:
    """Start, and expect that a run is found."""
    result: Any = await do(store, operation)
    expect(isinstance(result, Started) and not result.created, f"the run there is is found, not {result!r}")
    assert isinstance(result, Started)
    return result


async def a_new_id_is_started_by_any_policy(harness: StoreHarness) -> None:
    """As the first execution, ready to be claimed, and then it is there."""
    store = await harness.open()
    member = await join(store)
    result = await do(store, following(reuse=REJECT_DUPLICATE, conflict=FAIL))
    expect(result == Started(result.execution_id, "r", created=True), "it is created")
    expect([each.execution for each in await claim(store, member)] == ["r"], "it can be claimed")
    expect((await found(store, following())).execution_id == result.execution_id, "the same work is the same run")
    await refused(RunConflictError, store, following(digest=b"other"))


async def an_open_run_is_refused_or_used(harness: StoreHarness) -> None:
    """`fail` refuses even the same work, `use_existing` gives the run whatever its work is."""
    store = await harness.open()
    member = await join(store)
    execution, _ = await own(store, member, "r")
    await refused(RunConflictError, store, following(conflict=FAIL))
    await refused(RunConflictError, store, following(digest=b"other", reuse=ALLOW_DUPLICATE))
    used = await found(store, following(digest=b"other", conflict=USE_EXISTING))
    expect(used == Started(execution, "r", created=False), "it is the run there is")


async def a_run_of_somebody_elses_workflow_is_left_alone(harness: StoreHarness) -> None:
    """A start whose author has to do with other workflows only neither gets it, nor signals it, nor ends it."""
    store = await harness.open()
    member = await join(store)
    await own(store, member, "r")
    told = StartSignal("go", b"1", "op-1")
    for number, conflict in ((1, USE_EXISTING), (2, TERMINATE_EXISTING)):
        other = replace(
            following(number), workflow="V", policy=IdPolicy(conflict=conflict, only=("V", "X")), signal=told
        )
        await refused(RunConflictError, store, other)
    record = await store.run("r")
    assert record is not None
    expect((record.execution, record.status) == ("r", RUNNING), "nothing has become of it")
    expect(not await store.execution_inbox(record.execution_id), "nobody has told it anything")
    mine = replace(following(), policy=IdPolicy(conflict=USE_EXISTING, only=("V", "W")))
    expect((await found(store, mine)).execution_id == record.execution_id, "one of theirs they get")


async def an_open_run_makes_place(harness: StoreHarness) -> None:
    """`terminate_existing` ends it and begins the next in one commit, whoever owns it; its owner hears of it."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    await do(store, signal("r"))
    start = following(conflict=TERMINATE_EXISTING, digest=b"other")
    expect(await do(store, start) == Overtaken(2), "a page that was made for another execution begins nothing")
    expect((await store.run("r")).status == RUNNING, "and ends nothing")  # type: ignore[union-attr]  # it is there
    result = await do(store, following(2, conflict=TERMINATE_EXISTING, digest=b"other"))
    expect(result.created and result.execution == "r@2", "the next execution begins")
    before = await store.execution(execution)
    assert before is not None
    expect((before.status, before.owner) == (TERMINATED, ""), "the one before has ended")
    expect(not await store.execution_inbox(execution), "with its mail")
    expect(not await store.execution_inbox(result.execution_id), "which is not the next one's")
    await refused(FencedError, store, Append(execution, history.page()), member)
    expect([each.kind for each in await store.inbox(member)] == ["taken"], "its owner hears of it")
    newest = await store.run("r")
    assert newest is not None
    expect((newest.execution, newest.status) == ("r@2", RUNNING), "the run is its newest execution")
    records, _ = await store.runs()
    expect([each.execution for each in records] == ["r@2"], "and is listed once")
    expect([each.execution for each in await claim(store, member)] == ["r@2"], "it can be claimed")
    expect(len(await store.pages(result.execution_id)) == 1, "it has its first page")


async def a_run_that_ended_is_started_again(harness: StoreHarness) -> None:
    """By `allow_duplicate` always; a start by no policy finds the newest, and knows the newest by its input."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    await close(store, member, execution, history, COMPLETED)
    await refused(RunConflictError, store, following(reuse=REJECT_DUPLICATE))
    await refused(RunConflictError, store, following(digest=b"other", conflict=TERMINATE_EXISTING))
    expect((await found(store, following(conflict=FAIL))).status == COMPLETED, "the same work is the same run")
    expect(await do(store, following(reuse=ALLOW_DUPLICATE)) == Overtaken(2), "it would be the second")
    again = await do(store, following(2, digest=b"other", reuse=ALLOW_DUPLICATE))
    expect(again.execution == "r@2" and again.created, "it is started again")
    expect((await found(store, following(digest=b"other"))).execution == "r@2", "the newest is found by its input")
    await refused(RunConflictError, store, following())
    before = await store.execution(execution)
    assert before is not None
    expect((before.status, before.outcome) == (COMPLETED, b"end"), "what ended before stays as it was")


async def only_what_failed_is_started_again(harness: StoreHarness) -> None:
    """By `allow_duplicate_failed_only` until it completes; then it is found."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    await close(store, member, execution, history, FAILED)
    again = await do(store, following(2, reuse=ALLOW_DUPLICATE_FAILED_ONLY))
    expect(again.execution == "r@2" and again.created, "what failed is started again")
    expect([each.execution for each in await claim(store, member)] == ["r@2"], "and can be claimed")
    history = History()
    history.keep(history.page())
    await close(store, member, again.execution_id, history, COMPLETED)
    done = await found(store, following(3, reuse=ALLOW_DUPLICATE_FAILED_ONLY))
    expect((done.execution, done.status) == ("r@2", COMPLETED), "what completed is not")
    await refused(RunConflictError, store, following(3, digest=b"other", reuse=ALLOW_DUPLICATE_FAILED_ONLY))


async def a_signal_comes_with_the_start(harness: StoreHarness) -> None:
    """It is in the inbox of the run that is started or found; the same operation twice is one signal and one start."""
    store = await harness.open()
    member = await join(store)
    start = replace(following(conflict=USE_EXISTING), signal=StartSignal("go", b"1", "one"))
    first = await do(store, start)
    expect((await found(store, start)).execution_id == first.execution_id, "it is started once")
    await found(store, replace(start, input_digest=b"other", signal=StartSignal("go", b"2", "two")))
    mail = await store.execution_inbox(first.execution_id)
    expect(
        [(each.kind, each.name, each.body) for each in mail] == [("signal", "go", b"1"), ("signal", "go", b"2")], "both"
    )
    fenced = replace(start, policy=IdPolicy(conflict=FAIL))
    expect((await found(store, fenced)).execution_id == first.execution_id, "what was done is not refused later")
    await refused(RunConflictError, store, replace(fenced, signal=StartSignal("go", b"3", "three")))
    expect(len(await store.execution_inbox(first.execution_id)) == 2, "what is refused signals nobody")
    expect([each.execution for each in await claim(store, member)] == ["r"], "it can be claimed")
    history = History()
    history.keep(history.page())
    page = history.keep(history.page(closing=True))
    await do(
        store, Append(first.execution_id, page, closing=Closing(FAILED, b""), inbox_read=mail[-1].inbox_id), member
    )
    await refused(RunClosedError, store, replace(start, signal=StartSignal("go", b"4", "four")))
    again = replace(start, number=2, policy=IdPolicy(ALLOW_DUPLICATE), signal=StartSignal("go", b"4", "four"))
    second = await do(store, again)
    expect(second.created and second.execution == "r@2", "one that ended may be started again for it")
    expect([each.body for each in await store.execution_inbox(second.execution_id)] == [b"4"], "and then has it")


CHECKS: Final[tuple[Check, ...]] = (
    a_new_id_is_started_by_any_policy,
    an_open_run_is_refused_or_used,
    a_run_of_somebody_elses_workflow_is_left_alone,
    an_open_run_makes_place,
    a_run_that_ended_is_started_again,
    only_what_failed_is_started_again,
    a_signal_comes_with_the_start,
)
