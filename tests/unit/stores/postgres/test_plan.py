"""What a batch will come to is told from its operations; nothing is done ahead that could come to something else."""

from __future__ import annotations

import pytest

from holdfast.ports.operations import (
    Append,
    BeatTasks,
    ClaimRuns,
    Closing,
    Continuation,
    Deliver,
    FinishTask,
    MarkDone,
    OpenEntry,
    Operation,
    Outgoing,
    Pause,
    RecordItems,
    ReleaseRuns,
)
from holdfast.stores.postgres.pending import Pending
from holdfast.stores.postgres.plan import Plan, decide_plan, names_of
from holdfast.testing.conformance.store.harness import History, signal, start

PAGE = History().page()
END = Closing("COMPLETED", b"")


def plan(*operations: Operation, is_member: bool = True) -> Plan:
    """Return the plan of a batch."""
    return decide_plan(operations, is_member=is_member)


def test_rows_that_change_are_locked() -> None:
    """Every execution with a row, or a row that belongs to it, that the batch changes; a page alone changes none."""
    assert plan(Append(1, PAGE)).executions == set()
    assert plan(Append(1, PAGE, closing=END), Append(2, PAGE, wake_changed=True)).executions == {1, 2}
    assert plan(FinishTask(7, 8, b"", 3, "t"), ReleaseRuns((4, 5))).executions == {3, 4, 5}
    assert plan(RecordItems(6, 1, ())).chunks == {6}
    assert names_of([OpenEntry("a", "me", 1.0), MarkDone("b", b"")]) == {"a", "b"}


@pytest.mark.parametrize(
    ("before", "is_done_ahead"),
    [
        (Append(1, PAGE), True),
        (signal("other"), True),
        (signal("r"), False),
        (Append(1, PAGE, outgoing=Outgoing()), False),
        (Pause("other", "me", "why"), False),
        (ClaimRuns(("W",), 1), False),
    ],
)
def test_runs_are_made_ahead_unless_something_before_them_could_see_that(
    before: Operation, *, is_done_ahead: bool
) -> None:
    """A message to the run, or an operation of which nothing is known, comes first."""
    assert ("r" in {each.run_id for each in plan(before, start("r"), start("s")).starts}) is is_done_ahead


def test_tasks_end_ahead_unless_their_run_was_changed_before() -> None:
    """An append may have taken the task away; then its outcome is refused in its turn."""
    finish = FinishTask(7, 8, b"", 3, "t")
    assert plan(Append(1, PAGE), finish).finished == [finish]
    assert plan(Append(3, PAGE), finish).finished == []
    assert plan(BeatTasks(((7, 8, b""),)), finish).finished == []
    assert plan(FinishTask(7, 8, b"")).finished == []
    assert plan(finish, is_member=False).finished == []


def test_what_cannot_be_made_is_not_made_ahead() -> None:
    """A start for a member that is none, one that does not begin at the beginning, one that takes over places."""
    first = start("r", own=True)
    assert plan(first, is_member=False).starts == []
    assert plan(start("r", page=replace_page())).starts == []
    assert plan(first).starts == [first]


def test_an_end_that_goes_on_asks_nothing() -> None:
    """Messages that are unread go along, so nobody has to look for them."""
    on = Closing("CONTINUED", b"", Continuation(2, PAGE, ""))
    assert plan(Append(1, PAGE, closing=END)).closing != []
    assert plan(Append(1, PAGE, closing=on)).closing == []
    assert plan(Deliver("r", "signal", "n", b"", "o", number=2)).messages == []


def replace_page() -> object:
    """Return a page that is not the first."""
    history = History()
    history.keep(history.page())
    return history.page()


def test_statements_that_meet_in_a_row_stay_in_order() -> None:
    """Another statement on the same execution's rows of a table meets; the same one on another row does not."""
    pending = Pending()
    pending.add("set_wake", (1, 5.0))
    assert pending.meets("close_execution", (1, "COMPLETED"))
    assert pending.meets("set_wake", (1, 6.0))
    assert not pending.meets("set_wake", (2, 6.0))
    assert not pending.meets("drop_inbox", (1,))
    pending.add("put_inbox", (1, 10))
    assert not pending.meets("put_inbox", (1, 11))
    assert pending.meets("put_inbox", (1, 10))
    assert pending.meets("drop_inbox", (1,))
    assert list(pending.take()) == ["set_wake", "put_inbox"]
    assert not pending
    assert not pending.meets("close_execution", (1, "COMPLETED"))
