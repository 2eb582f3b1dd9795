"""What a store has to do.

Owns: the checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.

Each check is an async function of a `StoreHarness` over an empty store; CHECKS lists them all. The harness is what a
test of one implementation provides:

    for check in CHECKS:
        asyncio.run(check(MyHarness(...)))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from holdfast.errors import (
    FencedError,
    HoldfastError,
    InboxUnreadError,
    RunClosedError,
    RunConflictError,
    RunNotFoundError,
    StoreCorruptError,
)
from holdfast.history import ROOT, CancelRequested, Page, WorkflowTerminated, blob_digest, seal, verify_chain
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PARKED,
    RUNNING,
    TIMED_OUT,
    Append,
    Beat,
    ClaimedRun,
    ClaimRuns,
    Closing,
    Deliver,
    Delivered,
    Join,
    Leave,
    MarkCaptured,
    Membership,
    Reap,
    Reaped,
    ReleaseRuns,
    Resume,
    Started,
    StartRun,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.ports.store import Store

LEASE: Final = 10.0
"""Seconds of every lease in these checks."""


class StoreHarness(Protocol):
    """One empty store, and its time."""

    async def open(self) -> Store:
        """Open the store once more: another object on the same data, as another process would have it."""

    def advance(self, seconds: float) -> None:
        """Let the store's time go on; a negative number sets the clock below it back."""


Check: TypeAlias = Callable[[StoreHarness], Awaitable[None]]
"""One promise, checked on an empty store."""


def expect(condition: object, what: str) -> None:
    """Fail the check unless `condition` is true.

    Raises:
        AssertionError: it is not; says `what` was promised.
    """
    if not condition:
        raise AssertionError(what)


# --- Shorthand ---------------------------------------------------------------------------------------------------


class History:
    """The pages of one execution, sealed one after another."""

    def __init__(self) -> None:
        self.last = 0
        self.pages: list[Page] = []

    def page(self, events: int = 1, *, closing: bool = False) -> Page:
        """Return the next page. It only counts once it was appended: see `keep`."""
        sealed = [WorkflowTerminated(1.0, "")] if closing else [CancelRequested(1.0, -1, "")] * events
        return seal(sealed, self.last + 1, self.pages[-1].hash if self.pages else ROOT, {})

    def keep(self, page: Page) -> Page:
        """Take `page` as appended; return it."""
        self.pages.append(page)
        self.last = page.last
        return page


async def do(store: Store, operation: Operation, membership: Membership | None = None) -> Any:
    """Carry out one operation; return its result, or raise the error that is its result."""
    (result,) = await store.write([operation], membership)
    if isinstance(result, HoldfastError):
        raise result
    return result


async def refused(
    kind: type[HoldfastError], store: Store, operation: Operation, member: Membership | None = None
) -> None:
    """Expect `operation` to be refused with an error of `kind`, as its result."""
    (result,) = await store.write([operation], member)
    expect(isinstance(result, kind), f"{type(operation).__name__} is refused with {kind.__name__}, not {result!r}")


async def join(store: Store, name: str = "m") -> Membership:
    """Make a member."""
    result = await do(store, Join(name, "stack", "here", 1, LEASE))
    assert isinstance(result, Membership), "Join returns a Membership"
    return result


def start(
    run_id: str, page: Page | None = None, *, own: bool = False, workflow: str = "W", digest: bytes = b"i"
) -> StartRun:
    """Return a StartRun."""
    return StartRun(run_id, workflow, digest, page or History().page(), own=own)


async def own(store: Store, member: Membership, run_id: str) -> tuple[int, History]:
    """Start a run that `member` owns; return its execution and history."""
    history = History()
    started: Started = await do(store, start(run_id, history.keep(history.page()), own=True), member)
    expect(started.created, "a run with a new id is created")
    return started.execution_id, history


def signal(run_id: str, operation_id: str = "", name: str = "go") -> Deliver:
    """Return a Deliver."""
    return Deliver(run_id, "signal", name, b"1", operation_id or f"{run_id}/{name}")


async def claim(store: Store, member: Membership, limit: int = 100, workflow: str = "W") -> list[ClaimedRun]:
    """Claim runs."""
    return list(await do(store, ClaimRuns((workflow,), limit), member))


# --- Starting ----------------------------------------------------------------------------------------------------


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


# --- Appending ---------------------------------------------------------------------------------------------------


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


# --- Mail --------------------------------------------------------------------------------------------------------


async def a_message_is_delivered_once(harness: StoreHarness) -> None:
    """An operation id is one message of its execution: twice at once, twice in a row, and again after it was read."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    first, again = await store.write([signal("a", "op"), signal("a", "op")])
    expect(isinstance(first, Delivered) and first.inbox_id == again.inbox_id, "the second delivery is the first")
    expect(first.owner == member.member and first.execution_id == execution, "it says who will read it")
    expect([row.operation_id for row in await store.inbox(member)] == ["op"], "there is one message")
    await do(store, Append(execution, history.keep(history.page()), inbox_read=first.inbox_id), member)
    expect(not await store.inbox(member), "a message in history is not in the inbox")
    await do(store, signal("a", "op"))
    expect(not await store.inbox(member), "a message that was read is not delivered again")


async def messages_keep_their_order(harness: StoreHarness) -> None:
    """An inbox is read oldest first, by its owner and by execution; ids are never used again."""
    store, other = await harness.open(), await harness.open()
    member = await join(store)
    first, history = await own(store, member, "a")
    second, _ = await own(store, member, "b")
    for number in range(6):
        await do((store, other)[number % 2], signal("ab"[number % 2], name=str(number)))
    rows = await other.inbox(member)
    expect([row.name for row in rows] == list("012345"), "the owner reads all its mail in order")
    expect([row.name for row in await other.execution_inbox(second)] == list("135"), "an execution's mail is its own")
    await do(store, Append(first, history.keep(history.page()), inbox_read=rows[2].inbox_id), member)
    expect(
        [row.name for row in await store.inbox(member)] == list("1345"), "what was read went, up to that id, of one run"
    )
    highest = rows[-1].inbox_id
    await do(store, Append(first, history.keep(history.page()), inbox_read=highest), member)
    new: Delivered = await do(store, signal("a", name="new"))
    expect(new.inbox_id > highest, "inbox ids only rise")


async def a_run_does_not_end_with_unread_mail(harness: StoreHarness) -> None:
    """Closing is refused while a message above `inbox_read` is there, and changes nothing."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    one: Delivered = await do(store, signal("a", "1"))
    two: Delivered = await do(store, signal("a", "2"))
    end = history.page(closing=True)
    for read in (0, one.inbox_id):
        append = Append(execution, end, closing=Closing(COMPLETED, b""), inbox_read=read)
        await refused(InboxUnreadError, store, append, member)
    expect(await store.pages(execution) == history.pages, "the refused page is not there")
    expect(len(await store.inbox(member)) == 2, "the mail still is")
    append = Append(execution, end, closing=Closing(COMPLETED, b""), inbox_read=two.inbox_id)
    await do(store, append, member)
    expect(not await store.execution_inbox(execution), "with all mail read it ends")


async def mail_needs_a_run(harness: StoreHarness) -> None:
    """A message to nobody is refused."""
    store = await harness.open()
    await refused(RunNotFoundError, store, signal("nobody"))
    await refused(RunNotFoundError, store, Resume("nobody"))


# --- Claims ------------------------------------------------------------------------------------------------------


async def a_claim_takes_what_is_ready(harness: StoreHarness) -> None:
    """A claim owns new runs of the workflows it names, those started first, up to its limit; each is claimed once."""
    store, other = await harness.open(), await harness.open()
    member, rival = await join(store), await join(other, "rival")
    for number in range(5):
        await do(store, start(f"r{number}", workflow="W" if number % 4 else "V"))
    expect([run.run_id for run in await claim(store, member, 2)] == ["r1", "r2"], "oldest first, up to the limit")
    expect([run.run_id for run in await claim(other, rival)] == ["r3"], "what is owned is not claimed again")
    expect([run.run_id for run in await claim(other, rival, workflow="V")] == ["r0", "r4"], "by name of the workflow")
    expect(not await claim(store, member), "then there is nothing left")
    expect((await store.run("r1")).owner == "m", "the owner is known by name")  # type: ignore[union-attr]  # it is there


async def a_released_run_waits_for_a_reason(harness: StoreHarness) -> None:
    """A released run is claimed again when a message comes, or at once when one was unread."""
    store = await harness.open()
    member, other = await join(store), await join(store, "other")
    execution, history = await own(store, member, "a")
    expect(await do(store, ReleaseRuns((execution,)), other) == 0, "only the owner releases")
    expect(await do(store, ReleaseRuns((execution, 10**9)), member) == 1, "the owner does")
    await refused(FencedError, store, Append(execution, history.page()), member)
    expect(not await claim(store, other), "nothing happened: nobody claims it")
    await do(store, signal("a", "1"))
    expect([run.execution_id for run in await claim(store, other)] == [execution], "a message makes it ready")
    expect([row.operation_id for row in await store.inbox(other)] == ["1"], "its mail comes along")
    expect(not await store.inbox(member), "and is nobody else's any more")
    await do(store, ReleaseRuns((execution,)), other)
    expect(len(await claim(store, member)) == 1, "with unread mail it is ready at once")
    await do(store, Append(execution, history.keep(history.page()), inbox_read=2**62), member)
    await do(store, ReleaseRuns((execution,), ready=True), member)
    expect(len(await claim(store, other)) == 1, "without mail too, when it is said to be ready")


async def a_timer_is_never_early(harness: StoreHarness) -> None:
    """A run nobody owns is claimed when its timer is due, and not before."""
    store = await harness.open()
    member = await join(store)
    execution, _ = await own(store, member, "a")
    due = await store.now() + 5.0
    await do(store, Append(execution, None, wake_at=due, wake_changed=True), member)
    await do(store, ReleaseRuns((execution,)), member)
    expect(await store.next_wake(await store.now()) == due, "the timer is the next thing due")
    harness.advance(4.99)
    expect(not await claim(store, member), "not before its time")
    harness.advance(0.01)
    expect([run.execution_id for run in await claim(store, member)] == [execution], "at its time")
    await do(store, Append(execution, None, wake_at=None, wake_changed=True), member)
    await do(store, ReleaseRuns((execution,)), member)
    harness.advance(100.0)
    expect(not await claim(store, member), "a timer that was taken back does not wake")


# --- Members -----------------------------------------------------------------------------------------------------


async def the_dead_lose_their_runs(harness: StoreHarness) -> None:
    """A reaped member's runs are claimable with one more recovery, and its late writes are refused and counted."""
    store, zombie = await harness.open(), await harness.open()
    dead = await join(zombie, "dead")
    execution, history = await own(zombie, dead, "a")
    await do(store, signal("a"))
    harness.advance(LEASE - 1)
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "a live lease is left alone")
    harness.advance(1.0)
    expect(await do(store, Reap(3), reaper) == Reaped(("dead",), 1, 0, ()), "a lease that ran out is ended")
    expect(not await zombie.inbox(dead), "its mail is not its own any more")
    for operations in ([Append(execution, history.page())], [start("b", own=True)], [ClaimRuns(("W",), 1)]):
        try:
            await zombie.write(operations, dead)
        except FencedError:
            continue
        expect(False, f"{type(operations[0]).__name__} of a dead member is refused")
    await refused(FencedError, zombie, Beat(dead, LEASE))
    expect(await store.run("b") is None and await store.pages(execution) == history.pages, "nothing was written")
    (claimed,) = await claim(store, reaper)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 1), "the next owner has it, recovered once")
    expect([row.name for row in await store.inbox(reaper)] == ["go"], "with its mail")
    await do(store, Append(execution, history.keep(history.page())), reaper)
    records = {record.name: record for record in await store.members()}
    expect((records["dead"].state, records["dead"].refused) == ("dead", 3), "the dead one's writes were counted")
    expect((await store.totals()).refused_writes >= 3, "over the whole store too")
    expect(records["reaper"].runs == 1 and records["dead"].runs == 0, "each member's runs are counted")


async def a_late_member_may_go_on_until_reaped(harness: StoreHarness) -> None:
    """A lease that ran out and that nobody ended is renewed, and its holder still writes."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    harness.advance(2 * LEASE)
    expect((await store.members())[0].state == "expired", "everybody sees it")
    await do(store, Append(execution, history.keep(history.page())), member)
    expect(await do(store, Beat(member, LEASE, "blocked at x.py:1")), "the lease is renewed")
    expect((await store.members())[0].state == "blocked at x.py:1", "and the member is what it says")
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "nobody is dead")


async def a_first_lease_may_last_longer(harness: StoreHarness) -> None:
    """A member whose renewals only start is not dead before they can have; from its first renewal on it may be."""
    store = await harness.open()
    starting = await do(store, Join("starting", "stack", "here", 1, LEASE, first_seconds=1.5 * LEASE))
    assert isinstance(starting, Membership), "Join returns a Membership"
    harness.advance(1.2 * LEASE)
    reaper = await join(store, "reaper")
    expect(await do(store, Reap(3), reaper) == Reaped(), "its first lease lasts")
    await do(store, Beat(starting, LEASE))
    dead: tuple[str, ...] = ()
    for _ in range(3):
        harness.advance(LEASE / 3)
        dead += (await do(store, Reap(3), reaper)).members
    expect(dead == ("starting",), "its later ones are as long as anybody's")


async def a_reaper_that_was_away_waits(harness: StoreHarness) -> None:
    """A reaper that did not look for over half a lease waits one full lease before it declares anybody dead."""
    store = await harness.open()
    await join(store, "victim")
    reaper = await join(store, "reaper")
    harness.advance(2 * LEASE)
    for seconds in (0.0, LEASE / 3, LEASE / 3, LEASE / 3 - 0.1):
        harness.advance(seconds)
        expect(await do(store, Reap(3), reaper) == Reaped(), "it was away itself, so it waits")
    harness.advance(0.2)
    expect((await do(store, Reap(3), reaper)).members == ("victim",), "then it goes on")


async def a_slow_reaper_reaps_in_the_end(harness: StoreHarness) -> None:
    """A reaper that always looks late still gets to declare the dead dead."""
    store = await harness.open()
    await join(store, "victim")
    reaper = await join(store, "reaper")
    for _ in range(6):
        harness.advance(0.8 * LEASE)
        if (await do(store, Reap(3), reaper)).members:
            return
    expect(False, "the victim is found dead some time")


async def poison_is_parked(harness: StoreHarness) -> None:
    """A run whose members keep dying is parked, says why, and goes on when it is told to, as if nothing had been."""
    store = await harness.open()
    execution, history = 0, History()
    for deaths in range(3):
        member = await join(store, f"m{deaths}")
        if deaths:
            (claimed,) = await claim(store, member)
            expect(claimed.recoveries == deaths, "recoveries are counted")
        else:
            execution, history = await own(store, member, "a")
        harness.advance(LEASE)
        found: Reaped = await do(store, Reap(2))
        expect(found.parked == (("a",) if deaths == 2 else ()), "the third death is one too many")
    record = await store.run("a")
    assert record is not None
    expect(record.status == PARKED and record.parked, "the run says why it does not move")
    member = await join(store)
    await do(store, signal("a"))
    expect(not await claim(store, member), "nobody claims a parked run")
    await do(store, Resume("a"))
    (claimed,) = await claim(store, member)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 0), "resumed, it starts counting anew")
    kinds = [each.kind for each in await store.inbox(member)]
    expect(kinds == ["signal", "resume"], "mail that came meanwhile is there, and word that it was resumed")
    await do(store, Append(execution, history.page()), member)


async def a_stable_run_is_forgiven(harness: StoreHarness) -> None:
    """An append that got somewhere sets the recoveries back."""
    store = await harness.open()
    dead = await join(store, "dead")
    execution, history = await own(store, dead, "a")
    harness.advance(LEASE)
    await do(store, Reap(3))
    member = await join(store)
    await claim(store, member)
    await do(store, Append(execution, history.keep(history.page())), member)
    expect((await store.run("a")).recoveries == 1, "an append alone does not")  # type: ignore[union-attr]  # it is there
    await do(store, Append(execution, history.keep(history.page()), stable=True), member)
    expect((await store.run("a")).recoveries == 0, "a stable one does")  # type: ignore[union-attr]  # as above


async def a_run_parks_itself(harness: StoreHarness) -> None:
    """A parking append stores its page, gives the reason, and ends the ownership."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await do(store, Append(execution, history.keep(history.page()), park="diverged at event 2"), member)
    record = await store.run("a")
    assert record is not None
    expect((record.status, record.parked, record.owner) == (PARKED, "diverged at event 2", ""), "it is parked")
    await refused(FencedError, store, Append(execution, history.page()), member)
    expect(not await claim(store, member), "and not claimed")
    await do(store, Resume("a"))
    await claim(store, member)
    await do(store, Append(execution, history.keep(history.page())), member)
    expect((await store.run("a")).status == RUNNING, "resumed, it runs")  # type: ignore[union-attr]  # it is there


async def leaving_frees_at_once(harness: StoreHarness) -> None:
    """A member that leaves gives up its runs at once, and nothing is held against them."""
    store = await harness.open()
    leaver, member = await join(store, "leaver"), await join(store)
    execution, history = await own(store, leaver, "a")
    await do(store, Leave(leaver))
    (claimed,) = await claim(store, member)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 0), "the run is claimable, recovered from nothing")
    try:
        await store.write([Append(execution, history.page())], leaver)
        expect(False, "who left writes no more")
    except FencedError:
        pass
    await refused(FencedError, store, Leave(leaver))
    expect([record.name for record in await store.members()] == ["m"], "who left is not listed")


async def member_numbers_are_never_used_again(harness: StoreHarness) -> None:
    """Numbers and epochs of members only rise, also after all have left."""
    store = await harness.open()
    seen: list[Membership] = []
    for number in range(3):
        seen.append(await join(store, str(number)))
        await do(store, Leave(seen[-1]))
        harness.advance(1e7)
    expect(len({member.member for member in seen}) == 3, "no number twice")
    expect([member.epoch for member in seen] == sorted({member.epoch for member in seen}), "epochs rise")


# --- Reads -------------------------------------------------------------------------------------------------------


async def time_never_goes_back(harness: StoreHarness) -> None:
    """When the clock below is set back the store's time stands still, for every store object."""
    store, other = await harness.open(), await harness.open()
    await do(store, start("a"))
    before = await store.now()
    harness.advance(-1000.0)
    await do(other, start("b"))
    record = await other.run("b")
    assert record is not None
    expect(await store.now() >= before and await other.now() >= before, "the time stands")
    expect(record.created_at >= before, "writes see it too")
    harness.advance(1001.0)
    expect(await store.now() > before, "and goes on when the clock is there again")


async def runs_are_listed_by_page(harness: StoreHarness) -> None:
    """Lists are newest first, filtered, and cut into pages that miss nothing and repeat nothing."""
    store = await harness.open()
    member = await join(store)
    for number in range(7):
        execution, history = await own(store, member, f"r{number}")
        if number % 3 == 0:
            append = Append(execution, history.page(closing=True), closing=Closing(FAILED, b""))
            await do(store, append, member)
    await do(store, start("v", workflow="V"))
    found: list[str] = []
    cursor: str | None = None
    while True:
        records, cursor = await store.runs(cursor=cursor, limit=3)
        expect(len(records) <= 3, "a page is no longer than asked")
        found += [record.run_id for record in records]
        if cursor is None:
            break
    expect(found == ["v", *(f"r{number}" for number in range(6, -1, -1))], "all of them, newest first")
    failed, _ = await store.runs(status=FAILED)
    expect([record.run_id for record in failed] == ["r6", "r3", "r0"], "by status")
    running, _ = await store.runs(workflow="W", status=RUNNING)
    expect([record.run_id for record in running] == ["r5", "r4", "r2", "r1"], "by workflow and status")
    named, rest = await store.runs(workflow="V")
    expect([record.run_id for record in named] == ["v"] and rest is None, "by workflow")
    expect((await store.totals()).runs == {RUNNING: 5, FAILED: 3}, "and counted")


async def a_run_is_found_by_name(harness: StoreHarness) -> None:
    """A run is found by its id, also one that looks like an execution's name; what is not there is None."""
    store = await harness.open()
    await do(store, start("a"))
    await do(store, start("b@2"))
    expect((await store.run("a@1")).run_id == "a", "an execution by number")  # type: ignore[union-attr]  # it is there
    expect((await store.run("b@2")).run_id == "b@2", "an id with an @")  # type: ignore[union-attr]  # as above
    for name in ("b", "a@2", "a@", "@1", "", f"a@{'9' * 40}", "a@²"):
        expect(await store.run(name) is None, f"{name!r} is nothing")


async def what_went_wrong_waits_for_its_capture(harness: StoreHarness) -> None:
    """Runs that failed, timed out or are parked are listed until they are marked; nothing else ever is."""
    store, other = await harness.open(), await harness.open()
    member = await join(store)
    executions: dict[str, int] = {}
    for status in (COMPLETED, FAILED, TIMED_OUT, CANCELLED):
        execution, history = await own(store, member, status)
        executions[status] = execution
        await do(store, Append(execution, history.page(closing=True), closing=Closing(status, b"")), member)
    execution, _ = await own(store, member, PARKED)
    executions[PARKED] = execution
    await do(store, Append(execution, None, park="why"), member)
    await own(store, member, RUNNING)
    found = await other.uncaptured(10)
    expect([each.run_id for each in found] == [PARKED, TIMED_OUT, FAILED], "newest first")
    expect([each.run_id for each in await other.uncaptured(1)] == [PARKED], "as many as asked")
    await do(store, MarkCaptured(((executions[FAILED], FAILED), (executions[PARKED], PARKED))))
    expect([each.run_id for each in await other.uncaptured(10)] == [TIMED_OUT], "what is marked is not listed")
    await do(store, MarkCaptured(older_than=executions[PARKED]))
    expect(await other.uncaptured(10) == [], "nor is what is older than what is wanted")
    await do(store, Resume(PARKED))
    expect(await other.uncaptured(10) == [], "a run that goes on has nothing to show")
    await do(store, ClaimRuns(("W",), 10), member)
    await do(store, Append(executions[PARKED], None, park="again"), member)
    expect([each.parked for each in await other.uncaptured(10)] == ["again"], "parked again, it wants another capture")


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
    a_message_is_delivered_once,
    messages_keep_their_order,
    a_run_does_not_end_with_unread_mail,
    mail_needs_a_run,
    a_claim_takes_what_is_ready,
    a_released_run_waits_for_a_reason,
    a_timer_is_never_early,
    the_dead_lose_their_runs,
    a_late_member_may_go_on_until_reaped,
    a_first_lease_may_last_longer,
    a_reaper_that_was_away_waits,
    a_slow_reaper_reaps_in_the_end,
    poison_is_parked,
    a_stable_run_is_forgiven,
    a_run_parks_itself,
    leaving_frees_at_once,
    member_numbers_are_never_used_again,
    time_never_goes_back,
    runs_are_listed_by_page,
    a_run_is_found_by_name,
    what_went_wrong_waits_for_its_capture,
)
"""Every check."""
