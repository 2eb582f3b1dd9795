"""What a store has to do with runs that have to do with other runs: children, messages, continuations.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import FencedError, RunClosedError, RunNotFoundError
from holdfast.ports.answers import decode_answer
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    RUNNING,
    TERMINATED,
    TIMED_OUT,
    Append,
    Ask,
    ChildCancel,
    Closing,
    Continuation,
    Deliver,
    NewChild,
    Outgoing,
    OutgoingMessage,
    Reap,
    ReleaseRuns,
    TakeRequests,
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
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store


def child(run_id: str, *, step: str = "", parent_close: str = "terminate", digest: bytes = b"i") -> NewChild:
    """Return a child that begins; its step has the name of its run."""
    return NewChild(step or run_id, run_id, "W", digest, History().page(), parent_close)


async def begin(
    store: Store, member: Membership, execution: int, history: History, *children: NewChild
) -> dict[str, int]:
    """Append a page that starts children; return the children's executions by run id, claimed by `member`."""
    outgoing = Outgoing(children=children)
    await do(store, Append(execution, history.keep(history.page()), outgoing=outgoing), member)
    return {each.run_id: each.execution_id for each in await claim(store, member)}


async def end(
    store: Store, member: Membership, execution: int, history: History, status: str, read: int = 1 << 60
) -> None:
    """Append the last page of an execution, all mail read."""
    closing = Closing(status, f"{status} outcome".encode())
    await do(
        store, Append(execution, history.keep(history.page(closing=True)), closing=closing, inbox_read=read), member
    )


async def mail_of(store: Store, execution: int) -> list[tuple[str, str, bytes]]:
    """Return the kinds, names and bodies of an execution's unread messages."""
    return [(each.kind, each.name, each.body) for each in await store.execution_inbox(execution)]


async def status_of(store: Store, run_id: str) -> str:
    """Return how a run stands."""
    record = await store.run(run_id)
    assert record is not None
    return record.status


async def a_child_begins_with_its_parents_page(harness: StoreHarness) -> None:
    """A child is a run that can be claimed, and its parent hears of it. A page that is refused starts nothing."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "p")
    outgoing = Outgoing(children=(child("c"),))
    late = History()
    late.last = 7
    await refused(FencedError, store, Append(parent, late.page(), outgoing=outgoing), member)
    expect(await store.run("c") is None, "a refused page starts no child")
    executions = await begin(store, member, parent, history, child("c"))
    expect(list(executions) == ["c"], "the child is claimed like any run")
    expect(await mail_of(store, parent) == [("child_started", "c", b"c")], "its parent hears that it exists")
    expect(len(await store.pages(executions["c"])) == 1, "it has its first page")


async def a_childs_end_reaches_its_parent(harness: StoreHarness) -> None:
    """In the commit that closes the child, whichever way it ends, and once."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "p")
    executions = await begin(store, member, parent, history, child("done"), child("failed"), child("killed"))
    read = (await store.execution_inbox(parent))[-1].inbox_id
    await do(store, Append(parent, history.keep(history.page()), inbox_read=read), member)
    for run_id, status in (("done", COMPLETED), ("failed", FAILED)):
        page = History()
        page.keep(page.page())
        await end(store, member, executions[run_id], page, status)
    await do(store, ReleaseRuns((executions["killed"],)), member)
    await do(store, Deliver("killed", "terminate", "", b"enough", "op"))
    found = await mail_of(store, parent)
    expect(
        found[:2] == [("child", "done", b"COMPLETED outcome"), ("child", "failed", b"FAILED outcome")],
        "its outcome is its parent's message",
    )
    expect([each[:2] for each in found[2:]] == [("child", "killed")], "also when nobody owned it")


async def a_child_that_ended_wakes_its_parent(harness: StoreHarness) -> None:
    """A parent that nobody owns is ready to be claimed when its child ends."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "p")
    executions = await begin(store, member, parent, history, child("c"))
    read = (await store.execution_inbox(parent))[-1].inbox_id
    await do(store, Append(parent, history.keep(history.page()), inbox_read=read), member)
    await do(store, ReleaseRuns((parent,)), member)
    expect(not await claim(store, member), "it waits")
    page = History()
    page.keep(page.page())
    await end(store, member, executions["c"], page, COMPLETED)
    expect([each.run_id for each in await claim(store, member)] == ["p"], "its child's end wakes it")


async def the_same_work_is_found_as_a_child(harness: StoreHarness) -> None:
    """A run with the child's id, workflow and input is the child, open or ended; other work is refused."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "p")
    open_one, open_history = await own(store, member, "open")
    closed_one, closed_history = await own(store, member, "closed")
    await end(store, member, closed_one, closed_history, COMPLETED)
    children = (child("open"), child("closed"), child("open", step="other", digest=b"another"))
    await begin(store, member, parent, history, *children)
    found = await mail_of(store, parent)
    expect(("child_started", "open", b"open") in found, "an open run is found")
    expect(("child", "closed", b"COMPLETED outcome") in found, "a closed one gives its outcome at once")
    expect(("child_refused", "other", b"input") in found, "other work is refused")
    await end(store, member, open_one, open_history, COMPLETED)
    expect(("child", "open", b"COMPLETED outcome") in await mail_of(store, parent), "its end is heard of")


async def a_parents_end_is_its_childrens(harness: StoreHarness) -> None:
    """As each was started to be: terminated, asked to stop, or left alone. One that was cancelled only asks."""
    for status, expected in ((FAILED, "terminate"), (CANCELLED, "cancel"), (TERMINATED, "terminate")):
        store = await harness.open()
        member = await join(store)
        names = {each: f"{each} {status}" for each in ("terminate", "cancel", "abandon")}
        parent, history = await own(store, member, f"p {status}")
        children = [child(name, parent_close=each) for each, name in names.items()]
        executions = await begin(store, member, parent, history, *children)
        if status == TERMINATED:
            await do(store, ReleaseRuns((parent,)), member)
            await do(store, Deliver(f"p {status}", "terminate", "", b"", "op"))
        else:
            await end(store, member, parent, history, status)
        expect(await status_of(store, f"p {status}") == status, "the parent has ended")
        told = {each: [row[0] for row in await mail_of(store, executions[name])] for each, name in names.items()}
        expect(told == {"terminate": [expected], "cancel": ["cancel"], "abandon": []}, f"of {status}: {told}")


async def a_tree_ends_although_nobody_owns_it(harness: StoreHarness) -> None:
    """A parent, its child and the child's child are terminated in one commit where nobody owns them."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "a")
    executions = await begin(store, member, parent, history, child("b"))
    middle = History()
    middle.keep(middle.page())
    executions |= await begin(store, member, executions["b"], middle, child("c"))
    await do(store, ReleaseRuns((parent, executions["b"], executions["c"])), member)
    await do(store, Deliver("a", "terminate", "", b"enough", "op"))
    expect([await status_of(store, each) for each in "abc"] == [TERMINATED] * 3, "all of them have ended")


async def a_child_is_asked_to_stop_once(harness: StoreHarness) -> None:
    """By its parent, whatever the reason: a second cancellation would interrupt its clean-up."""
    store = await harness.open()
    member = await join(store)
    parent, history = await own(store, member, "p")
    executions = await begin(store, member, parent, history, child("c"))
    stop = Outgoing(stop=(ChildCancel("c", "enough"), ChildCancel("nobody", "")))
    await do(store, Append(parent, history.keep(history.page()), outgoing=stop), member)
    await end(store, member, parent, history, CANCELLED)
    expect(await mail_of(store, executions["c"]) == [("cancel", "", b"enough")], "it is asked once")


async def a_message_goes_out_with_its_page(harness: StoreHarness) -> None:
    """Into the inbox of another run, with an answer for the sender; once, also with the sender's last page."""
    store = await harness.open()
    member = await join(store)
    sender, history = await own(store, member, "s")
    other, _ = await own(store, member, "other")
    gone, gone_history = await own(store, member, "gone")
    await end(store, member, gone, gone_history, COMPLETED)
    messages = tuple(
        OutgoingMessage(f"to {each}", each, "signal", "go", b"1", f"s/{each}", "s")
        for each in ("other", "gone", "nobody")
    )
    await do(store, Append(sender, history.keep(history.page()), outgoing=Outgoing(messages=messages)), member)
    expect(await mail_of(store, other) == [("signal", "go", b"1")], "it is in the other's inbox")
    expect((await store.execution_inbox(other))[0].sender == "s", "and says who sent it")
    answers = {name: body for _, name, body in await mail_of(store, sender)}
    expect(decode_answer(answers["to other"]) == b"", "the sender hears that it was delivered")
    for name, kind in (("to gone", RunClosedError), ("to nobody", RunNotFoundError)):
        try:
            decode_answer(answers[name])
        except kind:
            continue
        expect(False, f"the sender hears {kind.__name__}")
    last = OutgoingMessage("last", "other", "signal", "bye", b"2", "s/last", "s")
    closing = Closing(COMPLETED, b"")
    page = history.keep(history.page(closing=True))
    await do(
        store,
        Append(sender, page, closing=closing, inbox_read=1 << 60, outgoing=Outgoing(messages=(last,))),
        member,
    )
    expect(("signal", "bye", b"2") in await mail_of(store, other), "a last page sends, too")
    expect(not await mail_of(store, sender), "who has ended is told nothing")


async def a_run_goes_on_as_a_new_execution(harness: StoreHarness) -> None:
    """In one commit, under the same id, with all mail that was not read; what was delivered once stays delivered."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    read = await do(store, signal("r", "read"))
    await do(store, signal("r", "unread"))
    page = history.keep(history.page(closing=True))
    continuation = Continuation(2, History().page(), code_version="v2")
    closing = Closing(CONTINUED_AS_NEW, b"", continuation)
    await do(store, Append(execution, page, closing=closing, inbox_read=read.inbox_id), member)
    before, after = await store.run("r@1"), await store.run("r")
    assert before is not None
    assert after is not None
    expect((before.status, before.execution_id) == (CONTINUED_AS_NEW, execution), "the old execution has ended")
    expect((after.status, after.execution, after.code_version) == (RUNNING, "r@2", "v2"), "the run has a new one")
    expect([each.execution for each in (await store.runs())[0]] == ["r@2"], "which is what lists show")
    await do(store, signal("r", "read"))
    rows = await store.execution_inbox(after.execution_id)
    expect([each.operation_id for each in rows] == ["unread"], "the unread message went along, once")
    expect(not await store.execution_inbox(execution), "and is nowhere else")
    again = await do(store, start("r"))
    expect((again.created, again.execution) == (False, "r@2"), "the same start finds the run as it is now")
    expect([each.execution for each in await claim(store, member)] == ["r@2"], "anybody may claim it")


async def operation_ids_go_along(harness: StoreHarness) -> None:
    """What was delivered once stays delivered, however often the run goes on since."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    first = await do(store, signal("r", "once"))
    for number in (2, 3, 4):
        closing = Closing(CONTINUED_AS_NEW, b"", Continuation(number, History().page()))
        page = history.keep(history.page(closing=True))
        await do(store, Append(execution, page, closing=closing, inbox_read=first.inbox_id), member)
        (claimed,) = await claim(store, member)
        execution, history = claimed.execution_id, History()
        history.keep(history.page())
        again = await do(store, signal("r", "once"))
        expect(again.inbox_id == first.inbox_id, f"the same message is known in execution {number}")
        expect(not await store.execution_inbox(execution), "and is not there a second time")


async def requests_follow_a_run(harness: StoreHarness) -> None:
    """What nobody has answered is asked of the next execution, and may be taken again by whoever had taken it."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    request = await do(store, Ask("r", "update", "add", b"1", "op", await store.now() + LEASE))
    taken = await do(store, TakeRequests(5), member)
    expect([each.request_id for each in taken] == [request], "it is taken once")
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    await do(store, Append(execution, history.page(closing=True), closing=closing), member)
    (claimed,) = await claim(store, member)
    taken = await do(store, TakeRequests(5), member)
    expect([(each.request_id, each.execution_id) for each in taken] == [(request, claimed.execution_id)], "and again")


async def a_message_is_for_one_execution(harness: StoreHarness) -> None:
    """A message that names the execution it is for reaches that one or none."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    first, second = (msgspec.structs.replace(signal("r", f"op{each}"), number=each) for each in (1, 2))
    await refused(RunNotFoundError, store, second)
    await do(store, first)
    expect(len(await store.execution_inbox(execution)) == 1, "the first execution has its message")
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    page = history.page(closing=True)
    await do(store, Append(execution, page, closing=closing, inbox_read=1 << 60), member)
    await refused(RunClosedError, store, msgspec.structs.replace(first, operation_id="late"))
    await do(store, second)
    newest = await store.run("r")
    assert newest is not None
    rows = await store.execution_inbox(newest.execution_id)
    expect([each.operation_id for each in rows] == ["op2"], "the second has its own")


async def answers_stay_behind(harness: StoreHarness) -> None:
    """What a step of an execution was answered never reaches the next one, whose steps have the same names."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "r")
    (kid,) = (await begin(store, member, execution, history, child("kid"))).values()
    read = (await store.execution_inbox(execution))[-1].inbox_id
    kids_history = History()
    kids_history.keep(kids_history.page())
    await end(store, member, kid, kids_history, COMPLETED)
    expect([each[0] for each in await mail_of(store, execution)][-1] == "child", "the child's end was told")
    await do(store, signal("r", "unread"))
    continuation = Continuation(2, History().page())
    closing = Closing(CONTINUED_AS_NEW, b"", continuation)
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=closing, inbox_read=read), member)
    after = await store.run("r")
    assert after is not None
    expect([each[0] for each in await mail_of(store, after.execution_id)] == ["signal"], "only the signal went along")
    expect(not await mail_of(store, execution), "and nothing is left behind")


async def the_last_word_to_oneself_is_nobodys(harness: StoreHarness) -> None:
    """A message of a run to itself in the commit that ends it leaves nothing behind."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "s")
    message = OutgoingMessage("send#1", "s", "signal", "go", b"1", "op", "s")
    closing = Closing(COMPLETED, b"")
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=closing, outgoing=Outgoing(messages=(message,))), member)
    expect(not await mail_of(store, execution), "nobody would read it")


async def a_parked_run_is_cancelled_by_another(harness: StoreHarness) -> None:
    """A cancellation that a run sends gives a parked run one more try, as one from outside does."""
    store = await harness.open()
    member = await join(store)
    parked, _ = await own(store, member, "p")
    await do(store, Append(parked, None, park="why"), member)
    sender, history = await own(store, member, "s")
    message = OutgoingMessage("send#1", "p", "cancel", "", b"stop", "op", "s")
    outgoing = Outgoing(messages=(message,))
    await do(store, Append(sender, history.keep(history.page()), outgoing=outgoing), member)
    expect([each.execution for each in await claim(store, member)] == ["p"], "its code is asked")


async def kin_follow_a_run(harness: StoreHarness) -> None:
    """Who waits for a run waits for its last execution; children belong to the run, and end with it."""
    store = await harness.open()
    member = await join(store)
    parent, parents = await own(store, member, "p")
    middle = (await begin(store, member, parent, parents, child("m")))["m"]
    middles = History()
    middles.keep(middles.page())
    kid = (await begin(store, member, middle, middles, child("k", parent_close="cancel")))["k"]
    closing = Closing(CONTINUED_AS_NEW, b"", Continuation(2, History().page()))
    page = middles.keep(middles.page(closing=True))
    await do(store, Append(middle, page, closing=closing, inbox_read=1 << 60), member)
    expect(not await mail_of(store, kid), "a child goes on")
    expect([each[0] for each in await mail_of(store, parent)] == ["child_started"], "its parent is told nothing")
    (newest,) = await claim(store, member)
    expect(newest.execution == "m@2", "the run goes on")
    lasts = History()
    lasts.keep(lasts.page())
    await end(store, member, newest.execution_id, lasts, COMPLETED)
    expect(("child", "m", b"COMPLETED outcome") in await mail_of(store, parent), "the last end is the run's end")
    expect([each[0] for each in await mail_of(store, kid)] == ["cancel"], "for its children, too")


async def a_childs_time_is_its_own(harness: StoreHarness) -> None:
    """One that nobody owns ends when its time is up, and its parent hears of it."""
    store = await harness.open()
    member, reaper = await join(store), await join(store)
    parent, history = await own(store, member, "p")
    late = msgspec.structs.replace(child("c"), deadline=await store.now() + LEASE / 2)
    outgoing = Outgoing(children=(late, child("free")))
    await do(store, Append(parent, history.keep(history.page()), outgoing=outgoing), member)
    harness.advance(LEASE / 2)
    await do(store, Reap(10), reaper)
    expect(await status_of(store, "c") == TIMED_OUT, "its time is up")
    expect(await status_of(store, "free") == RUNNING, "a child without a time-out has time")
    expect([each[:2] for each in await mail_of(store, parent)][-1] == ("child", "c"), "its parent hears how it ended")


CHECKS: Final[tuple[Check, ...]] = (
    a_child_begins_with_its_parents_page,
    a_childs_end_reaches_its_parent,
    a_child_that_ended_wakes_its_parent,
    the_same_work_is_found_as_a_child,
    a_parents_end_is_its_childrens,
    a_tree_ends_although_nobody_owns_it,
    a_child_is_asked_to_stop_once,
    a_message_goes_out_with_its_page,
    a_run_goes_on_as_a_new_execution,
    operation_ids_go_along,
    requests_follow_a_run,
    a_message_is_for_one_execution,
    answers_stay_behind,
    the_last_word_to_oneself_is_nobodys,
    a_parked_run_is_cancelled_by_another,
    kin_follow_a_run,
    a_childs_time_is_its_own,
)
