"""What a store has to do with runs that people operate: pause, resume, terminate, cancel, fork, one or many.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import FencedError, LockLost, RunClosedError, RunNotFoundError, RunStateError
from holdfast.history import ROOT, Page, WorkflowTerminated, open_page, seal, verify_chain
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import (
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    PARKED,
    PAUSED,
    RUNNING,
    TERMINATED,
    AcquireLease,
    Append,
    ClaimChunks,
    ClaimTasks,
    Closing,
    Continuation,
    Deliver,
    FinishOwnTask,
    ItemOutcome,
    LeasedPlace,
    Leave,
    LockRequest,
    MoveAway,
    ParkForFailure,
    Pause,
    QueueFanOut,
    QueueTask,
    Reap,
    RecordItems,
    ReleaseRuns,
    ReleaseTasks,
    Resume,
    RetryOwnTask,
    RetryTask,
    RunFilter,
    RunRecord,
    Started,
    StartRun,
)
from holdfast.testing.conformance.store.harness import (
    LEASE,
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
    start,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import ClaimedTask, Membership
    from holdfast.ports.store import Store


def terminate(run_id: str, reason: str = "why") -> Deliver:
    """Return the message that ends a run."""
    return Deliver(run_id, "terminate", "", reason.encode(), f"end {run_id}")


def queued(step: str, **options: Any) -> QueueTask:
    """Return a task to be queued."""
    return QueueTask(step, "t", b"1", "default", 0, b"", **options)


async def claim_tasks(store: Store, member: Membership) -> list[ClaimedTask]:
    """Claim tasks."""
    return list(await do(store, ClaimTasks((("default", 100),), ("t",)), member))


async def state_of(store: Store, run_id: str) -> RunRecord:
    """Return a run that is there."""
    record = await store.run(run_id)
    assert record is not None, f"run {run_id} is there"
    return record


async def _park(store: Store, member: Membership, execution: int, history: History) -> None:
    await do(store, Append(execution, history.keep(history.page()), park="diverged"), member)


# --- Terminate ---------------------------------------------------------------------------------------------------


async def a_run_nobody_owns_is_terminated_at_once(harness: StoreHarness) -> None:
    """New, released, parked or paused: it ends in the transaction that says so, with its last event in its history."""
    store, other = await harness.open(), await harness.open()
    member = await join(store)
    await do(store, start("new"))
    released, _ = await own(store, member, "released")
    await do(store, ReleaseRuns((released,)), member)
    parked, history = await own(store, member, "parked")
    await _park(store, member, parked, history)
    await own(store, member, "paused")
    await do(store, Pause("paused", "ada"))
    for run_id in ("new", "released", "parked", "paused"):
        before = (await state_of(store, run_id)).last_event
        await do(other, terminate(run_id))
        record = await state_of(store, run_id)
        expect(record.status == TERMINATED and record.closed_at == await store.now(), f"the {run_id} run has ended")
        outcome = msgspec.msgpack.decode(record.outcome, type=Outcome)
        expect((outcome.status, outcome.reason) == (TERMINATED, "why"), "its outcome says why")
        pages = await store.pages(record.execution_id)
        expect(verify_chain(pages)[0] == record.last_event == before + 1, "its history has one event more")
        (end,) = open_page(pages[-1].body)
        expect(isinstance(end, WorkflowTerminated) and end.reason == "why", "and that event is its end")
        await refused(RunClosedError, store, terminate(run_id, "again"))
        await refused(RunClosedError, store, signal(run_id))
    expect(not await claim(store, member), "nobody claims what has ended")


async def a_terminated_run_leaves_nothing_behind(harness: StoreHarness) -> None:
    """Its tasks, its mail and its places go; the next in line gets its locks."""
    store = await harness.open()
    member = await join(store)
    execution, _ = await own(store, member, "a")
    waiting, _ = await own(store, member, "b")
    await do(store, Append(execution, None, queue=(queued("q"),), lock=(LockRequest("l", "lock", 1),)), member)
    await do(store, Append(waiting, None, lock=(LockRequest("l", "lock", 1),)), member)
    await do(store, signal("a"))
    await do(store, ReleaseRuns((execution,)), member)
    await do(store, terminate("a"))
    expect(not await store.queue(execution), "nothing is queued for it")
    expect(not await store.execution_inbox(execution), "it has no mail")
    expect([each.holder for each in await store.locks() if each.held] == ["b/l"], "the lock went on")


async def a_pause_does_not_undo_a_termination(harness: StoreHarness) -> None:
    """A run whose owner was told to terminate it ends, also when it is paused before its owner has acted."""
    store = await harness.open()
    member = await join(store)
    await own(store, member, "a")
    results = await store.write([terminate("a", "enough"), Pause("a", "ops", "why")])
    expect(not any(isinstance(each, Exception) for each in results), "both were taken")
    expect((await state_of(store, "a")).status == TERMINATED, "it ended")


async def an_owner_is_told_to_terminate(harness: StoreHarness) -> None:
    """A run somebody owns is theirs to end; when they give it up or die instead, it ends then."""
    store = await harness.open()
    member, leaver, dead = await join(store), await join(store, "leaver"), await join(store, "dead")
    for owner, run_id in ((member, "kept"), (member, "parked"), (member, "freed"), (leaver, "left"), (dead, "lost")):
        execution, history = await own(store, owner, run_id)
        await do(store, terminate(run_id, "first"))
        await do(store, Deliver(run_id, "terminate", "", b"second", "op 2"))
        expect((await state_of(store, run_id)).status == RUNNING, "its owner has to act")
        if run_id == "parked":
            await _park(store, owner, execution, history)
        elif run_id == "freed":
            await do(store, ReleaseRuns((execution,)), owner)
    await do(store, Leave(leaver))
    harness.advance(LEASE - 1)
    reaper = await join(store, "reaper")
    harness.advance(1.0)
    await do(store, Reap(3), reaper)
    for run_id in ("kept", "parked", "freed", "left", "lost"):
        record = await state_of(store, run_id)
        expect(record.status == TERMINATED, f"the {run_id} run ended")
        expect(msgspec.msgpack.decode(record.outcome, type=Outcome).reason == "first", "for the first reason given")
        expect(verify_chain(await store.pages(record.execution_id))[0] == record.last_event, "its history is whole")


async def a_parked_run_sees_that_it_is_cancelled(harness: StoreHarness) -> None:
    """A cancellation makes it claimable, with the deaths it had; any other message does not."""
    store = await harness.open()
    execution = 0
    for deaths in range(2):
        member = await join(store, f"m{deaths}")
        if deaths:
            await claim(store, member)
        else:
            execution, _ = await own(store, member, "a")
        harness.advance(LEASE)
        await do(store, Reap(1))
    member = await join(store)
    await do(store, signal("a"))
    expect((await state_of(store, "a")).status == PARKED and not await claim(store, member), "a signal waits")
    await do(store, Deliver("a", "cancel", "", b"", "op"))
    (claimed,) = await claim(store, member)
    expect((claimed.execution_id, claimed.recoveries) == (execution, 2), "it is tried once more, nothing forgiven")
    expect([row.kind for row in await store.inbox(member)] == ["signal", "cancel"], "with all its mail")


# --- Pause and resume --------------------------------------------------------------------------------------------


async def a_paused_run_does_not_move(harness: StoreHarness) -> None:
    """Its owner writes no more, its timer and its mail wake nobody; resumed, it goes on where it was."""
    store = await harness.open()
    member, other = await join(store), await join(store, "other")
    execution, history = await own(store, member, "a")
    due = await store.now() + 5.0
    await do(store, Append(execution, history.keep(history.page()), wake_at=due, wake_changed=True), member)
    expect(await do(store, Pause("a", "ada", "a bad deploy")), "it is paused")
    record = await state_of(store, "a")
    expect((record.status, record.owner) == (PAUSED, ""), "it says so, and nobody owns it")
    expect((record.paused_by, record.paused_reason) == ("ada", "a bad deploy"), "it says who and why")
    expect(record.paused_at == await store.now(), "and since when")
    await do(store, Pause("a", "bob", "again"))
    expect((await state_of(store, "a")).paused_by == "ada", "the first pause stands")
    await refused(FencedError, store, Append(execution, history.page()), member)
    await do(store, signal("a"))
    harness.advance(6.0)
    for each in (member, other):
        expect(not await claim(store, each), "nobody claims it")
    expect(not [row for row in await store.inbox(member) if row.kind != "taken"], "its mail is nobody's")
    await do(store, Resume("a"))
    (claimed,) = await claim(store, other)
    expect(claimed.execution_id == execution, "resumed, it is claimed")
    kinds = [row.kind for row in await store.inbox(other)]
    expect(kinds == ["signal", "resume"], "with the mail that came meanwhile, and word that it was resumed")
    await do(store, Append(execution, history.keep(history.page())), other)
    record = await state_of(store, "a")
    expect((record.status, record.paused_by, record.paused_at) == (RUNNING, "", None), "nothing is left of the pause")


async def any_open_run_can_be_paused(harness: StoreHarness) -> None:
    """One nobody owns, and a parked one; not one that is not there, or has ended."""
    store = await harness.open()
    member = await join(store)
    await do(store, start("new"))
    parked, history = await own(store, member, "parked")
    await _park(store, member, parked, history)
    for run_id in ("new", "parked"):
        await do(store, Pause(run_id, "ada"))
        expect((await state_of(store, run_id)).status == PAUSED, f"the {run_id} run is paused")
        await do(store, Resume(run_id))
        expect((await state_of(store, run_id)).status == RUNNING, "and goes on")
    ended, history = await own(store, member, "ended")
    await do(store, Append(ended, history.page(closing=True), closing=Closing(COMPLETED, b"")), member)
    for operation in (Pause("ended", "ada"), Resume("ended")):
        await refused(RunClosedError, store, operation)
    await refused(RunNotFoundError, store, Pause("nobody", "ada"))
    await refused(RunStateError, store, Resume("new"))


async def a_run_that_moves_away_takes_its_mail_along(harness: StoreHarness) -> None:
    """It ends here in one commit with all that it was told; whoever has read too little of that is refused."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    other, _ = await own(store, member, "b")
    await do(store, Append(execution, history.keep(history.page())), member)
    closing = Closing(TERMINATED, msgspec.msgpack.encode(Outcome(TERMINATED, reason="it moves")))

    def move(*inbox: int, page: Page | None = None) -> MoveAway:
        return MoveAway(execution, "a", inbox, page or history.page(closing=True), closing)

    await refused(RunStateError, store, move())
    await do(store, Pause("a", "ada"))
    await do(store, Pause("b", "ada"))
    await do(store, signal("a"))
    await do(store, signal("b"))
    await refused(RunStateError, store, move())
    (mail,) = await store.execution_inbox(execution)
    (foreign,) = await store.execution_inbox(other)
    await refused(RunStateError, store, move(foreign.inbox_id))
    earlier = seal([WorkflowTerminated(1.0, "")], 1, ROOT, {})
    await refused(RunStateError, store, move(mail.inbox_id, page=earlier))
    results = await store.write([signal("a", "late"), move(mail.inbox_id), move(mail.inbox_id), signal("a", "later")])
    expect([type(each) for each in results[1:3]] == [RunStateError] * 2, f"a message came: {results}")
    inbox = [each.inbox_id for each in await store.execution_inbox(execution)]
    expect(len(inbox) == 3, "it and the next were taken")
    last = move(*inbox)
    results = await store.write([last, signal("a", "too late"), last])
    expect(results[0] is True, f"nothing else came: {results[0]!r}")
    expect([type(each) for each in results[1:]] == [RunClosedError] * 2, "from then on nobody is told anything")
    history.keep(last.page)
    record = await state_of(store, "a")
    expect((record.status, record.last_event) == (TERMINATED, history.last), "it has ended, with that page")
    verify_chain(await store.pages(execution, 0))
    expect(not await store.execution_inbox(execution), "nothing of its mail is left")
    expect(len(await store.execution_inbox(other)) == 1, "and all of another run's")
    await refused(RunNotFoundError, store, msgspec.structs.replace(last, run_id="nobody"))


async def who_lost_a_run_hears_of_it(harness: StoreHarness) -> None:
    """A member whose run was paused finds that in its inbox until it releases the run, whoever has it by then."""
    store = await harness.open()
    member, other = await join(store), await join(store, "other")
    execution, history = await own(store, member, "a")
    await do(store, Pause("a", "ada"))
    await do(store, Resume("a"))
    await claim(store, other)
    rows = [(row.kind, row.execution_id) for row in await store.inbox(member)]
    expect(rows == [("taken", execution)], "it hears which one")
    expect(await do(store, ReleaseRuns((execution,)), member) == 0, "it has nothing to release any more")
    expect(not await store.inbox(member), "now it knows")
    await do(store, Append(execution, history.keep(history.page())), other)
    await do(store, Append(execution, None, park="by its own owner"), other)
    expect(not await store.inbox(other), "who parks a run need not be told")


async def tasks_of_a_paused_run_wait(harness: StoreHarness) -> None:
    """What is queued for it is not claimed, what is given back or tried again neither; what ends is in its inbox."""
    store = await harness.open()
    member, worker = await join(store), await join(store, "worker")
    execution, history = await own(store, member, "a")
    first = tuple(queued(step) for step in ("done", "again", "back", "lost"))
    await do(store, Append(execution, history.keep(history.page()), queue=first), member)
    done, again, back, _ = await claim_tasks(store, worker)
    soon = await store.now() + 1.0
    mine = (queued("own", own=True), queued("own again", own=True))
    rest = (queued("ready"), queued("delayed", visible_at=soon), *mine)
    await do(store, Append(execution, history.keep(history.page()), queue=rest), member)
    await do(store, Pause("a", "ada"))
    await do(store, RetryTask(again.task_id, again.token, 0.0, b""), worker)
    await do(store, RetryOwnTask(execution, "own again", 1, soon, b"one"), member)
    expect(await do(store, ReleaseTasks((back.task_id,)), worker) == 1, "it is given back")
    await do(store, Leave(worker))
    harness.advance(2.0)
    worker = await join(store, "worker 2")
    expect(not await claim_tasks(store, worker), "nothing of it is claimed")
    await do(store, FinishOwnTask(execution, "own", 1, b"result"), member)
    await refused(FencedError, store, RetryOwnTask(execution, "own", 1, soon, b""), member)
    expect([row.name for row in await store.execution_inbox(execution)] == ["own"], "what ends waits for it")
    await refused(FencedError, store, RetryTask(done.task_id, done.token, 0.0, b""), member)
    await do(store, Resume("a"))
    steps = {each.step: each.attempt for each in await claim_tasks(store, worker)}
    expect(
        steps == {"done": 1, "again": 2, "back": 1, "lost": 1, "ready": 1, "delayed": 1, "own again": 2},
        f"resumed, all of it is claimed, at the attempt it was at: {steps}",
    )


async def a_run_is_parked_for_what_became_of_a_task(harness: StoreHarness) -> None:
    """With the reason, and with what is queued of it, until it is resumed; told twice, it is parked once."""
    store = await harness.open()
    member, worker = await join(store), await join(store, "worker")
    execution, history = await own(store, member, "a")
    await do(store, Append(execution, history.keep(history.page()), queue=(queued("again"),)), member)
    (again,) = await claim_tasks(store, worker)
    park = ParkForFailure(execution, "the card")
    retry = RetryTask(again.task_id, again.token, 0.0, b"", tried=False)
    expect(await store.write([retry, park], worker) == [True, True], "it is parked")
    expect(await do(store, park) is False, "once")
    run = await store.run("a")
    expect(run is not None and (run.status, run.parked) == (PARKED, "the card"), "with the reason")
    expect(not await claim_tasks(store, worker), "what is queued of it waits")
    (told,) = await store.write([Append(execution, history.page())], member)
    expect(isinstance(told, FencedError) and told.status == PARKED, f"its owner is told why it may not go on: {told!r}")
    await do(store, Resume("a"))
    expect([each.attempt for each in await claim_tasks(store, worker)] == [1], "resumed, the attempt is made again")


async def chunks_of_a_paused_run_wait(harness: StoreHarness) -> None:
    """A fan-out's chunks are not claimed while its run is paused, those given back neither; outcomes are kept."""
    store = await harness.open()
    member, worker = await join(store), await join(store, "worker")
    execution, history = await own(store, member, "a")
    items = tuple(b"%d" % number for number in range(6))
    fan_out = QueueFanOut("map#1", "t", "default", 0, b"", -1, items, 2)
    await do(store, Append(execution, history.keep(history.page()), fan_outs=(fan_out,)), member)
    wanted = ClaimChunks((("default", 2),), ("t",))
    first, second = await do(store, wanted, worker)
    await do(store, Pause("a", "ada"))
    whose = first.fan_out_id
    outcome = RecordItems(first.chunk_id, first.token, (ItemOutcome(0, True, b"0"),), done=True, fan_out_id=whose)
    await do(store, outcome, worker)
    retry = RecordItems(
        second.chunk_id, second.token, (ItemOutcome(2, True, b"0"),), (3,), 0.0, done=True, fan_out_id=whose
    )
    expect((await do(store, retry, worker)).wanted, "the fan-out is still wanted")
    expect(not await do(store, ClaimChunks((("default", 9),), ("t",)), worker), "nothing of it is claimed")
    await do(store, Resume("a"))
    claimed = await do(store, ClaimChunks((("default", 9),), ("t",)), worker)
    found = sorted(index for each in claimed for index, _ in each.items)
    expect(found == [1, 3, 4, 5], f"resumed, what has no outcome is claimed: {found}")


# --- Many runs, and forks ----------------------------------------------------------------------------------------


async def runs_are_found_by_filter(harness: StoreHarness) -> None:
    """All that a filter says has to hold; it is counted up to a limit, and paged like any list."""
    store = await harness.open()
    member = await join(store)
    for number in range(3):
        await do(store, start(f"w{number}"))
    harness.advance(10.0)
    middle = await store.now() - 5.0
    await do(store, start("v", workflow="V"))
    failed, history = await own(store, member, "failed")
    outcome = Closing(FAILED, b"ConnectionError: the bank is down")
    await do(store, Append(failed, history.page(closing=True), closing=outcome), member)
    done, history = await own(store, member, "done")
    await do(store, Append(done, history.page(closing=True), closing=Closing(COMPLETED, b"the bank is down")), member)
    parked, history = await own(store, member, "parked")
    await _park(store, member, parked, history)
    for where, expected in (
        (RunFilter(), "parked done failed v w2 w1 w0"),
        (RunFilter(workflow="V"), "v"),
        (RunFilter(statuses=(FAILED,)), "failed"),
        (RunFilter(statuses=(FAILED, PARKED)), "parked failed"),
        (RunFilter(created_before=middle), "w2 w1 w0"),
        (RunFilter(created_from=middle, statuses=(RUNNING,)), "v"),
        (RunFilter(error="bank is down"), "failed"),
        (RunFilter(error="diverged"), "parked"),
        (RunFilter(workflow="V", error="diverged"), ""),
    ):
        if where.error and store.codec is not None:
            continue  # nobody searches in what is encrypted
        found, _ = await store.runs(where=where)
        expect([each.run_id for each in found] == expected.split(), f"{where} finds {expected or 'nothing'}")
        expect(await store.count(where, 100) == len(found), "as many as are counted")
    expect(await store.count(RunFilter(), 3) == 3, "no further than the limit")
    page, cursor = await store.runs(where=RunFilter(created_before=middle), limit=2)
    rest, end = await store.runs(where=RunFilter(created_before=middle), limit=2, cursor=cursor)
    expect([each.run_id for each in (*page, *rest)] == ["w2", "w1", "w0"] and end is None, "in pages")


async def runs_are_found_by_attributes(harness: StoreHarness) -> None:
    """A run is found by all attributes asked for, as they look; they and the memo go along with the run."""
    store = await harness.open()
    member = await join(store)
    for run_id, attributes in (
        ("a", (("region", '"eu"'), ("total", "12"))),
        ("b", (("region", '"eu"'), ("total", "12.0"), ("paid", "true"))),
        ("c", (("region", '"us"'), ("total", '"12"'))),
        ("d", (("since", "2026-11-29T08:00:00+00:00"),)),
    ):
        plain = StartRun(run_id, "V" if run_id == "c" else "W", b"i", History().page(), own=run_id == "a")
        started: Started = await do(
            store, msgspec.structs.replace(plain, attributes=attributes, memo=b'{"note":"n"}'), member
        )
        again = msgspec.structs.replace(plain, attributes=(("region", '"no"'),))
        expect(await do(store, again, member) == msgspec.structs.replace(started, created=False), "a run is itself")
    await do(store, start("e"))
    looks: tuple[tuple[RunFilter, str], ...] = (
        (RunFilter(attributes=(("region", "eu"),)), "b a"),
        (RunFilter(attributes=(("total", "12"),)), "c b a"),
        (RunFilter(attributes=(("total", "12"), ("region", "eu"))), "b a"),
        (RunFilter(attributes=(("region", "eu"), ("paid", "true"))), "b"),
        (RunFilter(attributes=(("region", "eu"), ("paid", "false"))), ""),
        (RunFilter(attributes=(("since", "2026-11-29T09:00+01:00"),)), "d"),
        (RunFilter(attributes=(("total", "12"),), workflow="V"), "c"),
        (RunFilter(attributes=(("total", "12"),), statuses=(FAILED,)), ""),
        (RunFilter(attributes=(("no", "eu"),)), ""),
    )
    for where, expected in looks:
        found, _ = await store.runs(where=where)
        expect([each.run_id for each in found] == expected.split(), f"{where} finds {expected or 'nothing'}")
        expect(await store.count(where, 100) == len(found), "as many as are counted")
    where = RunFilter(attributes=(("total", "12"),))
    page, cursor = await store.runs(where=where, limit=2)
    rest, end = await store.runs(where=where, limit=2, cursor=cursor)
    expect([each.run_id for each in (*page, *rest)] == ["c", "b", "a"] and end is None, "in pages")
    before = await store.run("a")
    assert before is not None
    expect(before.attributes == {"region": '"eu"', "total": "12"}, "a record has them")
    expect(before.memo == b'{"note":"n"}', "and the memo")
    history = History()
    history.keep(history.page())
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    await do(store, Append(before.execution_id, history.page(closing=True), closing=closing), member)
    after = await store.run("a")
    assert after is not None
    expect((after.attributes, after.memo) == (before.attributes, before.memo), "the newest execution has both")
    found, _ = await store.runs(where=RunFilter(attributes=(("region", "eu"), ("total", "12"))))
    expect([each.execution for each in found] == ["a@2", "b"], "which is what is found")


async def a_run_changes_what_it_is_found_by(harness: StoreHarness) -> None:
    """With its page or not at all: values are set, changed and taken away by name, also in the page that goes on."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")

    async def found(name: str, text: str) -> list[str]:
        records, _ = await store.runs(where=RunFilter(attributes=((name, text),)))
        return [each.execution for each in records]

    given = (("stage", "1"), ("region", '"eu"'), ("paid", "true"))
    await do(store, Append(execution, history.keep(history.page()), attributes=given), member)
    expect(await found("stage", "1") == ["r"], "what was set is found")
    late = History()
    late.last = 7
    await refused(FencedError, store, Append(execution, late.page(), attributes=(("stage", "9"),)), member)
    expect(await found("stage", "9") == [], "a refused page sets nothing")
    page = history.page(closing=True)
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    changes = (("stage", "2"), ("region", ""), ("nothing", ""))
    await do(store, Append(execution, page, closing=closing, attributes=changes), member)
    expect(await found("stage", "1") == [], "the value before is gone")
    expect(await found("stage", "2") == ["r@2"], "the last change goes along")
    after = await store.run("r")
    assert after is not None
    expect(after.attributes == {"stage": "2", "paid": "true"}, "what was taken away is gone, the rest is there")


async def a_fork_begins_with_what_it_holds(harness: StoreHarness) -> None:
    """A run may be started as the holder of leased locks and of another's outcomes; a lost lease refuses the start."""
    store = await harness.open()
    member = await join(store)
    source, history = await own(store, member, "source")
    items = (b"1", b"2")
    fan_out = QueueFanOut("map#1", "t", "default", 0, b"", -1, items, 2)
    await do(store, Append(source, history.keep(history.page()), fan_outs=(fan_out,)), member)
    (chunk,) = await do(store, ClaimChunks((("default", 1),), ("t",)), member)
    outcomes = (ItemOutcome(0, True, b"10"), ItemOutcome(1, False, b"why"))
    record = RecordItems(chunk.chunk_id, chunk.token, outcomes, done=True, fan_out_id=chunk.fan_out_id)
    await do(store, record, member)
    (ended,) = await store.fan_outs(source)
    token = await do(store, AcquireLease("l", 1, "lease", 5.0))
    await do(store, AcquireLease("l", 1, "next", 1000.0))
    place = LeasedPlace("l", "lease", token, "lock(l)#1")
    fork = StartRun("fork", "W", b"i", History().page(), places=(place,), fan_outs=(ended.fan_out_id,))
    for wrong in (token + 1, 0):
        stale = LeasedPlace("l", "lease", wrong, "lock(l)#1")
        await refused(LockLost, store, StartRun("no", "W", b"i", History().page(), places=(stale,)))
    expect(await store.run("no") is None, "what is refused is not started")
    started: Started = await do(store, fork)
    again: Started = await do(store, fork)
    expect((again.execution_id, again.created) == (started.execution_id, False), "a repeated start finds the fork")
    harness.advance(100.0)
    await do(store, Reap(3), member)
    held = [(each.holder, each.token, each.expires_at) for each in await store.locks() if each.held]
    expect(held == [("fork/lock(l)#1", token, None)], f"the lock is the run's, and does not expire: {held}")
    (copied,) = await store.fan_outs(started.execution_id)
    expect((copied.step, copied.done, copied.failed, copied.closed) == ("map#1", 2, 1, True), "it has the fan-out")
    if store.codec is None:  # else they can only be read where they stood
        expect(await store.outcomes(copied.fan_out_id, 0, 2) == list(outcomes), "with its outcomes")
    await do(store, terminate("fork"))
    expect([each.holder for each in await store.locks() if each.held] == ["next"], "its end gives the lock back")


CHECKS: Final[tuple[Check, ...]] = (
    a_run_nobody_owns_is_terminated_at_once,
    a_terminated_run_leaves_nothing_behind,
    a_pause_does_not_undo_a_termination,
    an_owner_is_told_to_terminate,
    a_parked_run_sees_that_it_is_cancelled,
    a_paused_run_does_not_move,
    any_open_run_can_be_paused,
    a_run_that_moves_away_takes_its_mail_along,
    who_lost_a_run_hears_of_it,
    tasks_of_a_paused_run_wait,
    a_run_is_parked_for_what_became_of_a_task,
    chunks_of_a_paused_run_wait,
    runs_are_found_by_filter,
    runs_are_found_by_attributes,
    a_run_changes_what_it_is_found_by,
    a_fork_begins_with_what_it_holds,
)
"""Every check."""
