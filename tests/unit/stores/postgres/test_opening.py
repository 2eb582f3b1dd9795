"""A worker's write is two journeys, and nothing is done ahead that could come to something else."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import FencedError
from holdfast.history import Limits
from holdfast.ports.operations import (
    Append,
    ClaimChunks,
    ClaimTasks,
    FinishTask,
    Membership,
    PausePool,
    QueueTask,
    ReleaseTasks,
)
from holdfast.stores.postgres import ahead, opening, session, write
from holdfast.testing.conformance.store.harness import do, own
from tests.unit.stores.postgres.test_sharing import Writer, together

CLAIM = ClaimTasks((("p", 9),), ("t",))


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of one number: how often a write waits for the server."""
    counted = [0]
    wait = session.wait

    def count(awaitable: Any) -> Any:
        counted[0] += 1
        return wait(awaitable)

    for module in (ahead, opening, session, write):
        monkeypatch.setattr(module, "wait", count)
    return counted


def queued(*steps: str, **options: Any) -> tuple[QueueTask, ...]:
    """Return tasks to be queued."""
    return tuple(QueueTask(step, "t", b"", "p", 0, b"", **options) for step in steps)


@pytest.mark.undisturbed("it counts journeys")
def test_claiming_and_handing_in_are_two_journeys_each(dsn: str, journeys: list[int]) -> None:
    """The first asks who writes, and does all there is to do; the other one is the end. So is what an owner appends."""

    async def check(owner: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        for turn in range(3):
            steps = [f"{turn}-{number}" for number in range(3)]
            counts = []
            journeys[0] = 0
            page = history.keep(history.page())
            assert await do(store, Append(execution, page, queue=queued(*steps)), member)
            counts.append(journeys[0])
            journeys[0] = 0
            claimed, _ = await store.write([CLAIM, ClaimChunks((("p", 1),), ("t",))], member)
            counts.append(journeys[0])
            assert [each.step for each in claimed] == steps
            journeys[0] = 0
            ends = [FinishTask(each.task_id, each.token, b"", execution, each.step) for each in claimed]
            assert await store.write(ends, member) == [True] * 3
            counts.append(journeys[0])
        assert counts == [2, 2, 2], "once a connection knows all statements"

    together(dsn, check, stores=1)


def test_a_member_that_lost_its_lease_neither_claims_nor_hands_in(dsn: str) -> None:
    """Its rows stay as they are."""

    async def check(owner: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        await do(store, Append(execution, history.keep(history.page()), queue=queued("a", "b")), member)
        (claimed,) = await do(store, ClaimTasks((("p", 1),), ("t",)), member)
        zombie = Membership(member.member, member.epoch + 1)
        end = FinishTask(claimed.task_id, claimed.token, b"", execution, claimed.step)
        for operations in ([CLAIM], [end], [end, CLAIM]):
            with pytest.raises(FencedError):
                await store.write(operations, zombie)
        assert [each.step for each in await store.queue(execution)] == ["a", "b"]
        assert await store.inbox(member) == []
        (result, (other,)) = await store.write([end, CLAIM], member)
        assert (result, other.step) == (True, "b")

    together(dsn, check, stores=1)


def test_an_attempt_that_was_given_back_hands_nothing_in(dsn: str) -> None:
    """Also where the same member has claimed the task again: it goes by the token, and the row stays."""

    async def check(owner: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        await do(store, Append(execution, history.keep(history.page()), queue=queued("a")), member)
        (early,) = await do(store, CLAIM, member)
        await do(store, ReleaseTasks((early.task_id,)), member)
        (late,) = await do(store, CLAIM, member)
        assert (late.task_id, late.token == early.token) == (early.task_id, False)
        ends = [FinishTask(each.task_id, each.token, b"", execution, each.step) for each in (early, late)]
        (refused,) = await store.write(ends[:1], member)
        assert isinstance(refused, FencedError)
        assert [each.step for each in await store.queue(execution)] == ["a"]
        assert await store.write(ends[1:], member) == [True]

    together(dsn, check, stores=1)


@pytest.mark.parametrize("what", ["a limit", "a rule"])
def test_what_is_not_plain_is_claimed_in_its_turn(dsn: str, what: str) -> None:
    """A place that is handed in goes to who waits for it; a pool that is paused gives nothing."""

    async def check(owner: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        limits = Limits("crm", 1) if what == "a limit" else None
        queue = queued("a", "b", limits=limits)
        await do(store, Append(execution, history.keep(history.page()), queue=queue), member)
        (first, *_) = await do(store, ClaimTasks((("p", 1),), ("t",)), member)
        if what == "a rule":
            await do(store, PausePool("p", "me", "why"))
        end = FinishTask(first.task_id, first.token, b"", execution, first.step)
        _, claimed = await store.write([end, CLAIM], member)
        assert [each.step for each in claimed] == (["b"] if what == "a limit" else [])

    together(dsn, check, stores=1)
