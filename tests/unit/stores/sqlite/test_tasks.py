"""Queued tasks are claimed once, in order, and their outcome is handed in once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.errors import FencedError
from holdfast.history import AnyEvent, TaskFailed
from holdfast.ports.bus import MAIL, TASKS
from holdfast.ports.operations import (
    BeatTasks,
    ClaimedTask,
    ClaimTasks,
    FinishOwnTask,
    FinishTask,
    Membership,
    QueueTask,
    ReleaseTasks,
    RetryTask,
)
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def queued(step: str, **changes: Any) -> QueueTask:
    """Return a task to be queued."""
    values = {"task": "fetch", "input": b"1", "pool": "default", "priority": 0, "options": b"o"}
    return QueueTask(step=step, **{**values, **changes})


def claim(desk: Desk, member: Membership, limit: int = 10, names: tuple[str, ...] = ("fetch",)) -> list[ClaimedTask]:
    """Claim from the default pool."""
    return list(desk.do(ClaimTasks(pools=(("default", limit),), tasks=names), member))


def steps(claimed: list[ClaimedTask]) -> list[str]:
    """Return the steps of claims."""
    return [each.step for each in claimed]


def test_claims_take_the_highest_priority_and_then_the_oldest(desk: Desk) -> None:
    """A claim is in order, within its limit."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, queue=(queued("a"), queued("b", priority=1), queued("c"), queued("d", priority=1)))
    assert steps(claim(desk, member, 3)) == ["b", "d", "a"]
    assert steps(claim(desk, member, 3)) == ["c"]
    assert claim(desk, member, 3) == []


def test_a_claim_takes_only_what_its_member_serves_and_knows(desk: Desk) -> None:
    """Other pools' rows and unknown tasks stay for somebody else."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, queue=(queued("a", pool="gpu"), queued("b", task="new"), queued("c")))
    assert steps(claim(desk, member)) == ["c"]
    assert steps(claim(desk, member, names=("fetch", "new"))) == ["b"]
    assert steps(desk.do(ClaimTasks(pools=(("gpu", 1), ("none", 1)), tasks=("fetch",)), member)) == ["a"]


def test_a_claim_says_everything_about_the_attempt(desk: Desk) -> None:
    """What was queued comes out as it was, with run, execution and a new token."""
    run, member = desk.run("r"), desk.join()
    item = queued("a", input=b"in", options=b"op", failures=b"fa", attempt=2, queued_at=5.0, traceparent="tp")
    desk.append(run, queue=(item,))
    assert TASKS in desk.rings
    (found,) = claim(desk, member)
    assert (found.execution_id, found.run_id, found.execution) == (run, "r", "r")
    assert (found.step, found.task, found.input, found.pool) == ("a", "fetch", b"in", "default")
    assert (found.options, found.failures, found.attempt, found.queued_at) == (b"op", b"fa", 2, 5.0)
    assert found.traceparent == "tp"
    assert (found.progress, found.recoveries, found.token) == (b"", 0, desk.rows("SELECT token FROM meta")[0][0])


def test_a_delayed_row_is_claimed_when_its_time_has_come(desk: Desk) -> None:
    """Not before, and the store knows when that is."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, queue=(queued("a", visible_at=desk.now + 5), queued("b", visible_at=desk.now + 2)))
    assert claim(desk, member) == []
    assert desk.due() == desk.now + 2
    desk.now += 2
    assert desk.due() == desk.now + 3
    assert steps(claim(desk, member)) == ["b"]
    desk.now += 3
    assert steps(claim(desk, member)) == ["a"]
    assert desk.due() is None


def test_looking_in_vain_writes_nothing(desk: Desk) -> None:
    """A claim that finds nothing changes no row and takes no token."""
    member = desk.join()
    before = desk.connection.total_changes()
    assert claim(desk, member) == []
    assert desk.connection.total_changes() == before


def test_an_outcome_is_handed_in_once(desk: Desk) -> None:
    """The row goes, the message comes, and the same again is refused."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, queue=(queued("a"),))
    (found,) = claim(desk, member)
    finish = FinishTask(task_id=found.task_id, token=found.token, body=b"done")
    assert desk.do(finish, member) is True
    assert MAIL in desk.rings
    assert isinstance(desk.do(finish, member), FencedError)
    assert desk.mail(run, "outcome") == [("a", b"done")]
    assert desk.ask(desk.store.queue(run)) == []


def test_who_lost_a_row_changes_nothing(desk: Desk) -> None:
    """An old token is refused from anybody, a new one from anybody but its owner."""
    run, first, second = desk.run("r"), desk.join(), desk.join()
    desk.append(run, queue=(queued("a"),))
    (old,) = claim(desk, first)
    assert desk.do(ReleaseTasks(task_ids=(old.task_id,)), first) == 1
    assert TASKS in desk.rings
    (new,) = claim(desk, second)
    assert new.token > old.token
    assert (new.attempt, new.recoveries) == (1, 0)
    for token, member in ((old.token, first), (old.token, second), (new.token, first)):
        assert isinstance(desk.do(FinishTask(task_id=old.task_id, token=token, body=b"x"), member), FencedError)
        retry = RetryTask(task_id=old.task_id, token=token, visible_at=0.0, failures=b"")
        assert isinstance(desk.do(retry, member), FencedError)
        beat = BeatTasks(progress=((old.task_id, token, b"p"),))
        assert desk.do(beat, member) == (old.task_id,)
    assert desk.do(ReleaseTasks(task_ids=(old.task_id,)), first) == 0
    assert desk.ask(desk.store.queue(run))[0].progress == b""
    assert desk.mail(run, "outcome") == []
    assert desk.do(FinishTask(task_id=new.task_id, token=new.token, body=b"y"), second) is True


def test_nobody_in_particular_claims_and_finishes_nothing(desk: Desk) -> None:
    """Work is owned by members."""
    assert isinstance(desk.do(ClaimTasks(pools=(("default", 1),), tasks=("fetch",))), FencedError)


def test_a_retry_hands_attempts_and_progress_on(desk: Desk) -> None:
    """The next attempt knows its number, the failures before it, and how far the last one was."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, queue=(queued("a"),))
    (found,) = claim(desk, member)
    beat = ((found.task_id, found.token, b"half"), (999, 1, b"?"), (found.task_id, 999, b"?"))
    assert desk.do(BeatTasks(progress=beat[:2]), member) == (999,)
    assert desk.do(BeatTasks(progress=((found.task_id, found.token, b""),)), member) == ()
    retry = RetryTask(task_id=found.task_id, token=found.token, visible_at=desk.now + 1, failures=b"one")
    assert desk.do(retry, member) is True
    assert TASKS in desk.rings
    assert claim(desk, member) == []
    desk.now += 1
    (again,) = claim(desk, member)
    assert (again.attempt, again.failures, again.progress) == (2, b"one", b"half")
    assert again.token > found.token


def test_a_row_of_ones_own_is_named_by_step_and_attempt(desk: Desk) -> None:
    """It is claimed from the start, by whoever queued it, until its member is gone."""
    first, second = desk.join(), desk.join()
    run = desk.run("r", owner=first)
    desk.append(run, queue=(queued("a", own=True), queued("b", own=True)), member=first)
    assert TASKS not in desk.rings
    assert claim(desk, first) == []

    def finish(step: str, attempt: int, member: Membership) -> Any:
        return desk.do(FinishOwnTask(execution_id=run, step=step, attempt=attempt, body=b"done"), member)

    assert isinstance(finish("a", 2, first), FencedError)
    assert isinstance(finish("a", 1, second), FencedError)
    assert finish("a", 1, first) is True
    assert isinstance(finish("a", 1, first), FencedError)
    assert desk.mail(run, "outcome") == [("a", b"done")]

    assert desk.die(first).tasks == 1
    assert TASKS in desk.rings
    assert isinstance(finish("b", 1, first), FencedError)
    (found,) = claim(desk, second)
    assert (found.step, found.recoveries) == ("b", 1)
    assert isinstance(finish("b", 1, second), FencedError), "claimed from the queue, so named by its token"


def test_queueing_a_step_again_replaces_it(desk: Desk) -> None:
    """An attempt of one's own that failed becomes the row of the next attempt, and the old claim is void."""
    run, member = desk.run("r"), desk.host
    desk.append(run, queue=(queued("a", own=True),))
    desk.append(run, queue=(queued("a", attempt=2, failures=b"f", visible_at=desk.now + 1),))
    body = FinishOwnTask(execution_id=run, step="a", attempt=2, body=b"x")
    assert isinstance(desk.do(body, member), FencedError)
    assert claim(desk, member) == []
    desk.now += 1
    (found,) = claim(desk, member)
    assert (found.attempt, found.failures) == (2, b"f")


def test_poison_ends_with_a_final_failure(desk: Desk) -> None:
    """A task whose members keep dying is not tried for ever; its run hears of it."""
    run = desk.run("r")
    desk.append(run, queue=(queued("a"),))
    for recoveries in range(3):
        member = desk.join()
        (found,) = claim(desk, member)
        assert found.recoveries == recoveries
        assert desk.mail(run, "outcome") == []
        assert desk.die(member, 2).tasks == 1
    assert desk.ask(desk.store.queue(run)) == []
    ((step, body),) = desk.mail(run, "outcome")
    event = msgspec.msgpack.decode(body, type=AnyEvent)
    assert isinstance(event, TaskFailed)
    assert (step, event.step, event.time) == ("a", "a", desk.now)
    assert (event.failure.type, event.failure.retryable) == ("PoisonTaskError", False)


def test_leaving_in_good_order_is_held_against_nobody(desk: Desk) -> None:
    """The rows of a member that left are claimable, with no recovery counted."""
    run, leaver, other = desk.run("r"), desk.join(), desk.join()
    desk.append(run, queue=(queued("a"),))
    claim(desk, leaver)
    desk.leave(leaver)
    (found,) = claim(desk, other)
    assert found.recoveries == 0


def test_a_task_nobody_wants_is_gone(desk: Desk) -> None:
    """Unqueued and dropped rows are refused to whoever runs them."""
    run, other, member = desk.run("r"), desk.run("o"), desk.join()
    desk.append(run, queue=(queued("a"), queued("b"), queued("c")))
    desk.append(other, queue=(queued("a"),))
    found = {each.step: each for each in claim(desk, member) if each.execution_id == run}
    desk.append(run, unqueue=("a", "never"))
    gone = found["a"]
    assert desk.do(BeatTasks(progress=((gone.task_id, gone.token, b""),)), member) == (gone.task_id,)
    assert isinstance(desk.do(FinishTask(task_id=gone.task_id, token=gone.token, body=b""), member), FencedError)
    assert [each.step for each in desk.ask(desk.store.queue(run))] == ["b", "c"]
    desk.end(run)
    assert desk.ask(desk.store.queue(run)) == []
    assert len(desk.ask(desk.store.queue(other))) == 1


def test_pools_show_load_and_slots(desk: Desk) -> None:
    """Backlog, work in flight, the oldest waiter's age and the slots of live members, by pool."""
    run = desk.run("r")
    member, gone = desk.join("a", (("default", 4), ("idle", 2))), desk.join("b", (("default", 8),))
    desk.append(run, queue=(queued("a"), queued("b"), queued("c", pool="gpu"), queued("d", visible_at=desk.now + 60)))
    desk.leave(gone)
    claim(desk, member, 1)
    desk.now += 7
    found = {each.pool: each for each in desk.ask(desk.store.pools())}
    assert sorted(found) == ["default", "gpu", "idle"]
    default, gpu, idle = found["default"], found["gpu"], found["idle"]
    assert (default.backlog, default.in_flight, default.oldest_seconds, default.slots) == (1, 1, 7.0, 4)
    assert (gpu.backlog, gpu.in_flight, gpu.oldest_seconds, gpu.slots) == (1, 0, 7.0, 0)
    assert (idle.backlog, idle.in_flight, idle.oldest_seconds, idle.slots) == (0, 0, 0.0, 2)
    desk.now += 60
    assert {each.pool: each.backlog for each in desk.ask(desk.store.pools())}["default"] == 2


def test_the_queue_shows_who_runs_what(desk: Desk) -> None:
    """Owner's name, attempt and progress of each row of one execution."""
    run, member = desk.run("r"), desk.join("w-1")
    desk.append(run, queue=(queued("a"), queued("b", visible_at=desk.now + 1)))
    (found,) = claim(desk, member)
    desk.do(BeatTasks(progress=((found.task_id, found.token, b"7"),)), member)
    first, second = desk.ask(desk.store.queue(run))
    assert (first.step, first.owner, first.progress, first.attempt) == ("a", "w-1", b"7", 1)
    assert (second.step, second.owner, second.visible_at) == ("b", "", desk.now + 1)


class Queue(RuleBasedStateMachine):
    """Whatever members do and die of, a task is queued or has one outcome, and only its last claim counts."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(desk_at(Path(folder)))
        self.run_id = self.desk.run("r")
        self.count = 0
        self.members = [self.desk.join() for _ in range(3)]
        self.queued: dict[str, dict[str, Any]] = {}
        self.outcomes: list[tuple[str, bytes]] = []
        self.claims: list[tuple[ClaimedTask, Membership]] = []

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    @rule(priority=st.integers(0, 2), delay=st.sampled_from([0.0, 5.0]))
    def enqueue(self, priority: int, delay: float) -> None:
        """Queue a new step."""
        self.count += 1
        step = f"s{self.count}"
        visible_at = self.desk.now + delay
        self.desk.append(self.run_id, queue=(queued(step, priority=priority, visible_at=visible_at),))
        self.queued[step] = {
            "order": (-priority, self.count),
            "at": visible_at,
            "attempt": 1,
            "recoveries": 0,
            "claim": None,
        }

    @rule(index=st.integers(0, 2), limit=st.integers(1, 3))
    def claim(self, index: int, limit: int) -> None:
        """Claim, and see that it was the right rows."""
        member = self.members[index]
        claimable = [
            (row["order"], step)
            for step, row in self.queued.items()
            if row["claim"] is None and row["at"] <= self.desk.now
        ]
        expected = [step for _, step in sorted(claimable)[:limit]]
        found = claim(self.desk, member, limit)
        assert steps(found) == expected
        for each in found:
            row = self.queued[each.step]
            assert (each.attempt, each.recoveries) == (row["attempt"], row["recoveries"])
            assert all(each.token > old.token for old, _ in self.claims if old.step == each.step)
            row["claim"] = (each.token, member)
            self.claims.append((each, member))

    def holds(self, each: ClaimedTask, member: Membership) -> bool:
        """Say whether a claim is the newest of its row."""
        row = self.queued.get(each.step)
        return row is not None and row["claim"] == (each.token, member)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Hand in an outcome for a claim, however old."""
        each, member = data.draw(st.sampled_from(self.claims))
        body = f"{each.step}/{each.token}".encode()
        result = self.desk.do(FinishTask(task_id=each.task_id, token=each.token, body=body), member)
        if self.holds(each, member):
            assert result is True
            del self.queued[each.step]
            self.outcomes.append((each.step, body))
        else:
            assert isinstance(result, FencedError)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), delay=st.sampled_from([0.0, 3.0]))
    def retry(self, data: st.DataObject, delay: float) -> None:
        """Hand in a failed attempt for a claim, however old."""
        each, member = data.draw(st.sampled_from(self.claims))
        at = self.desk.now + delay
        result = self.desk.do(RetryTask(task_id=each.task_id, token=each.token, visible_at=at, failures=b""), member)
        if self.holds(each, member):
            assert result is True
            row = self.queued[each.step]
            row.update(at=at, attempt=row["attempt"] + 1, claim=None)
        else:
            assert isinstance(result, FencedError)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give back a claim, had or not."""
        each, member = data.draw(st.sampled_from(self.claims))
        row = self.queued.get(each.step)
        mine = row is not None and row["claim"] is not None and row["claim"][1] == member
        result = self.desk.do(ReleaseTasks(task_ids=(each.task_id,)), member)
        if member in self.members:
            assert result == mine
        if mine:
            row["claim"] = None

    @rule(index=st.integers(0, 2), dead=st.booleans())
    def end_member(self, index: int, dead: bool) -> None:
        """Let a member die or leave; another one joins."""
        member = self.members[index]
        if dead:
            self.desk.die(member, 1)
        else:
            self.desk.leave(member)
        self.members[index] = self.desk.join()
        for step, row in list(self.queued.items()):
            if row["claim"] is None or row["claim"][1] != member:
                continue
            row["claim"] = None
            row["recoveries"] += dead
            if row["recoveries"] > 1:
                del self.queued[step]
                self.outcomes.append((step, b"poison"))

    @rule(seconds=st.sampled_from([1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.desk.now += seconds

    @invariant()
    def agrees(self) -> None:
        """See that the store shows what the model says."""
        desk = self.desk
        assert {each.step for each in desk.ask(desk.store.queue(self.run_id))} == set(self.queued)
        found = [(name, b"poison" if b"Poison" in body else body) for name, body in desk.mail(self.run_id, "outcome")]
        assert sorted(found) == sorted(self.outcomes)
        claimable = [row for row in self.queued.values() if row["claim"] is None]
        loads = {each.pool: (each.backlog, each.in_flight) for each in desk.ask(desk.store.pools())}
        expected = sum(row["at"] <= desk.now for row in claimable), len(self.queued) - len(claimable)
        assert loads.get("default", (0, 0)) == expected
        later = [row["at"] for row in claimable if row["at"] > desk.now]
        assert desk.due() == min(later, default=None)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
