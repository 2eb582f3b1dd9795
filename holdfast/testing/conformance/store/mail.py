"""What a store has to do with messages to runs.

Owns: these checks on `holdfast.ports.store.Store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import InboxUnreadError, RunNotFoundError
from holdfast.ports.operations import COMPLETED, Append, Closing, Delivered, Resume
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, join, own, refused, signal


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


CHECKS: Final[tuple[Check, ...]] = (
    a_message_is_delivered_once,
    messages_keep_their_order,
    a_run_does_not_end_with_unread_mail,
    mail_needs_a_run,
)
