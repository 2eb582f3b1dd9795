"""A fan-out runs every item, keeps each outcome once, and says so once."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.errors import FencedError
from holdfast.history import HASH_BYTES
from holdfast.ports.bus import MAIL, TASKS
from holdfast.ports.operations import (
    PARKED,
    ChunkState,
    ClaimChunks,
    ClaimedChunk,
    FanOutSummary,
    ItemOutcome,
    Membership,
    QueueFanOut,
    RecordItems,
    Resume,
)
from holdfast.stores.sql import chunks, outcomes
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def fan_out(count: int, chunk_items: int = 4, failures_max: int = -1, **changes: Any) -> QueueFanOut:
    """Return a fan-out over `count` items, each of which is its index."""
    values = {"step": "map#1", "task": "fetch", "pool": "default", "priority": 0, "options": b"o"}
    return QueueFanOut(
        **{**values, **changes},
        failures_max=failures_max,
        items=tuple(b"%d" % index for index in range(count)),
        chunk_items=chunk_items,
    )


def claim(desk: Desk, member: Membership, limit: int = 1) -> list[ClaimedChunk]:
    """Claim from the default pool."""
    return list(desk.do(ClaimChunks(pools=(("default", limit),), tasks=("fetch",)), member))


def indexes(chunk: ClaimedChunk) -> list[int]:
    """Return the indexes of a chunk's items."""
    assert all(item == b"%d" % index for index, item in chunk.items)
    return [index for index, _ in chunk.items]


def record(
    desk: Desk,
    member: Membership,
    chunk: ClaimedChunk,
    ok: Iterable[int] = (),
    failed: Iterable[int] = (),
    **changes: Any,
) -> Any:
    """Record outcomes whose bodies tell index and claim."""
    found = [ItemOutcome(index, True, b"r%d" % index) for index in ok]
    found += [ItemOutcome(index, False, b"f%d" % index) for index in failed]
    operation = RecordItems(chunk_id=chunk.chunk_id, token=chunk.token, outcomes=tuple(found), **changes)
    return desk.do(operation, member)


def digest(found: Iterable[ItemOutcome]) -> bytes:
    """Return the digest as it is specified, by other means than the store's."""
    parts = [bytes([each.ok]) + len(each.body).to_bytes(8, "big") + each.body for each in found]
    return blake2b(b"".join(parts), digest_size=HASH_BYTES).digest()


def summary(desk: Desk, run: int) -> FanOutSummary | None:
    """Return what a run was told, None for nothing so far."""
    mail = desk.mail(run, "fan_out")
    assert len(mail) <= 1
    if not mail:
        return None
    found = msgspec.msgpack.decode(mail[0][1], type=FanOutSummary)
    assert mail[0][0] == found.step
    return found


def test_items_are_claimed_in_chunks_and_their_outcomes_add_up(desk: Desk) -> None:
    """Every item once, in order; the last outcome brings the message, and nothing is left to claim."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(10),))
    assert TASKS in desk.rings
    found = claim(desk, member, 5)
    assert [indexes(each) for each in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    first = found[0]
    assert (first.execution_id, first.run_id, first.execution, first.step) == (run, "r", "r", "map#1")
    assert (first.task, first.pool, first.options, first.attempt, first.recoveries) == ("fetch", "default", b"o", 1, 0)
    assert claim(desk, member) == []
    for each in reversed(found):
        assert summary(desk, run) is None
        state = record(desk, member, each, indexes(each))
    assert state == ChunkState(wanted=True, finished=True)
    assert MAIL in desk.rings
    everything = desk.ask(desk.store.outcomes(first.fan_out_id, 0, 10))
    assert everything == [ItemOutcome(index, True, b"r%d" % index) for index in range(10)]
    assert summary(desk, run) == FanOutSummary("map#1", digest(everything), 10, 0)
    (figures,) = desk.ask(desk.store.fan_outs(run))
    assert (figures.step, figures.count, figures.done, figures.failed, figures.closed) == ("map#1", 10, 10, 0, True)
    assert desk.rows("SELECT count(*) FROM chunks UNION ALL SELECT count(*) FROM slices") == [(0,), (0,)]


def test_a_fan_out_over_nothing_is_over_at_once(desk: Desk) -> None:
    """There is a message, and no chunk."""
    run = desk.run("r")
    desk.append(run, fan_out=(fan_out(0),))
    assert summary(desk, run) == FanOutSummary("map#1", digest(()), 0, 0)
    assert claim(desk, desk.join()) == []


def test_failures_are_told_by_index(desk: Desk) -> None:
    """The first failure is the one with the lowest index, whenever it came."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(6, chunk_items=3),))
    first, second = claim(desk, member, 2)
    record(desk, member, second, [3], [5, 4])
    record(desk, member, first, [0, 2], [1])
    found = summary(desk, run)
    assert found is not None
    assert (found.failed, found.first_failed_index, found.first_failure) == (3, 1, b"f1")


def test_too_many_failures_give_the_fan_out_up(desk: Desk) -> None:
    """From then on its chunks are unwanted, claimed or not."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(12, failures_max=1),))
    first, second = claim(desk, member, 2)
    assert record(desk, member, first, [1], [0]) == ChunkState(wanted=True)
    assert record(desk, member, first, (), [2]) == ChunkState(wanted=False, finished=True)
    assert record(desk, member, second, [4]) == ChunkState(wanted=False)
    assert claim(desk, member) == []
    found = summary(desk, run)
    assert found is not None
    recorded = desk.ask(desk.store.outcomes(first.fan_out_id, 0, 12))
    assert [each.index for each in recorded] == [0, 1, 2]
    assert found == FanOutSummary("map#1", digest(recorded), 12, 2, 0, b"f0")


def test_the_first_outcome_of_an_item_stands(desk: Desk) -> None:
    """A second one, one for an item moved away and one for no item at all are ignored."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(8),))
    (chunk,) = claim(desk, member)
    record(desk, member, chunk, [0], retry=(1,))
    assert record(desk, member, chunk, (), [0, 1, 4, 7, 8, 10**9]) == ChunkState(wanted=True)
    (figures,) = desk.ask(desk.store.fan_outs(run))
    assert (figures.done, figures.failed) == (1, 0)
    assert desk.ask(desk.store.outcomes(chunk.fan_out_id, 0, 100)) == [ItemOutcome(0, True, b"r0")]


def test_items_to_be_tried_again_leave_their_chunk(desk: Desk) -> None:
    """They come as a chunk of their own, at the next attempt, when their time has come."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(4),))
    (chunk,) = claim(desk, member)
    record(desk, member, chunk, [0], retry=(1, 3, 0), retry_at=desk.now + 5)
    assert TASKS in desk.rings
    assert claim(desk, member) == []
    assert desk.due() == desk.now + 5
    assert record(desk, member, chunk, [2]) == ChunkState(wanted=True)
    desk.now += 5
    (again,) = claim(desk, member)
    assert (indexes(again), again.attempt) == ([1, 3], 2)
    record(desk, member, again, [3], retry=(1,), retry_at=desk.now)
    (last,) = claim(desk, member)
    assert (indexes(last), last.attempt) == ([1], 3)
    assert record(desk, member, last, [1]) == ChunkState(wanted=True, finished=True)
    assert [each.index for each in desk.ask(desk.store.outcomes(chunk.fan_out_id, 0, 4))] == [0, 1, 2, 3]


def test_a_chunk_given_back_keeps_what_it_did(desk: Desk) -> None:
    """With `done` the rest is claimable at once, at the same attempt; the old claim is void."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(4),))
    (chunk,) = claim(desk, member)
    assert record(desk, member, chunk, [1], done=True) == ChunkState(wanted=True)
    assert TASKS in desk.rings
    (again,) = claim(desk, member)
    assert (indexes(again), again.attempt, again.recoveries) == ([0, 2, 3], 1, 0)
    assert isinstance(record(desk, member, chunk, [0]), FencedError)
    assert isinstance(record(desk, desk.join(), again, [0]), FencedError)


def test_a_dead_members_chunk_goes_on_where_it_was(desk: Desk) -> None:
    """Only the items in flight are repeated, and the recovery is counted."""
    run, first, second = desk.run("r"), desk.join(), desk.join()
    desk.append(run, fan_out=(fan_out(4),))
    (chunk,) = claim(desk, first)
    record(desk, first, chunk, [0, 2])
    assert desk.die(first).tasks == 1
    assert TASKS in desk.rings
    (again,) = claim(desk, second)
    assert (indexes(again), again.attempt, again.recoveries) == ([1, 3], 1, 1)
    assert again.token > chunk.token
    assert isinstance(record(desk, first, chunk, [1]), FencedError)


def test_open_chunks_are_shown(desk: Desk) -> None:
    """How much of each is left, at which attempt, and who has it."""
    run, member = desk.run("r"), desk.join("w-1")
    desk.append(run, fan_out=(fan_out(10),))
    first, last = claim(desk, member, 2)
    record(desk, member, first, [0], retry=(1,), retry_at=desk.now + 9)
    record(desk, member, last, indexes(last))
    found = desk.ask(desk.store.chunks(first.fan_out_id))
    shown = [(each.pending, each.attempt, each.recoveries, each.owner) for each in found]
    assert shown == [(2, 1, 0, "w-1"), (2, 1, 0, ""), (1, 2, 0, "")]
    assert found[0].chunk_id == first.chunk_id


def test_poison_parks_its_run_until_it_is_resumed(desk: Desk) -> None:
    """A chunk whose members keep dying is set aside with its run, and goes on with it."""
    run = desk.run("r")
    desk.append(run, fan_out=(fan_out(4),))
    for _ in range(2):
        member = desk.join()
        assert len(claim(desk, member)) == 1
        assert desk.ask(desk.store.run("r")).status != PARKED
        assert desk.die(member, 1).tasks == 1
    assert desk.ask(desk.store.run("r")).status == PARKED
    assert "map#1" in desk.ask(desk.store.run("r")).parked
    member = desk.join()
    assert claim(desk, member) == []
    assert desk.due() is None
    assert desk.do(Resume("r")) is True
    assert TASKS in desk.rings
    (again,) = claim(desk, member)
    assert (indexes(again), again.recoveries) == ([0, 1, 2, 3], 0)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_fan_out_nobody_wants_is_gone(desk: Desk, end: str) -> None:
    """Cancelled or closed over: no message, no chunk, attempts told to stop, outcomes still there."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(8),))
    (chunk,) = claim(desk, member)
    record(desk, member, chunk, [0])
    if end == "cancel":
        desk.append(run, unqueue=("map#1", "never"))
    else:
        desk.end(run)
    assert record(desk, member, chunk, [1]) == ChunkState(wanted=False)
    assert claim(desk, member) == []
    assert summary(desk, run) is None
    (figures,) = desk.ask(desk.store.fan_outs(run))
    assert (figures.closed, figures.done) == (True, 1)
    assert desk.ask(desk.store.outcomes(chunk.fan_out_id, 0, 8)) == [ItemOutcome(0, True, b"r0")]


def test_ranges_of_outcomes_are_read_by_range(desk: Desk) -> None:
    """Any range gives just its outcomes, by index, whatever the order they came in; slices outside are not read."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(50, chunk_items=7),))
    order = random.Random(5)
    for chunk in order.sample(claim(desk, member, 10), 6):
        found = indexes(chunk)
        order.shuffle(found)
        for index in found[1:]:
            record(desk, member, chunk, [index])
    everything = desk.ask(desk.store.outcomes(chunk.fan_out_id, 0, 50))
    assert [each.index for each in everything] == sorted(each.index for each in everything)
    assert len(everything) == desk.rows("SELECT done FROM fan_outs")[0][0]
    for start in range(0, 52, 3):
        for stop in range(start, 53, 5):
            expected = [each for each in everything if start <= each.index < stop]
            assert desk.ask(desk.store.outcomes(chunk.fan_out_id, start, stop)) == expected


def test_large_items_make_short_slices(desk: Desk) -> None:
    """No slice and no row of outcomes grows much over its limit, and nothing else changes."""
    run, member = desk.run("r"), desk.join()
    large = bytes(chunks.SLICE_BYTES_MAX // 2)
    items = (large, large, b"0", large, large, large)
    desk.append(run, fan_out=(msgspec.structs.replace(fan_out(0, chunk_items=100), items=items),))
    found = claim(desk, member, 10)
    assert [[index for index, _ in each.items] for each in found] == [[0, 1], [2, 3, 4], [5]]
    assert tuple(item for each in found for _, item in each.items) == items
    body = bytes(outcomes.ROW_BYTES_MAX)
    for each in found:
        recorded = tuple(ItemOutcome(index, True, body) for index, _ in each.items)
        desk.do(RecordItems(chunk_id=each.chunk_id, token=each.token, outcomes=recorded), member)
    assert desk.rows("SELECT count(*) FROM outcomes") == [(6,)]
    assert len(desk.ask(desk.store.outcomes(found[0].fan_out_id, 0, 6))) == 6


def test_a_hundred_thousand_items_take_few_rows(desk: Desk) -> None:
    """Rows grow with chunks and writes, not with items."""
    run, member = desk.run("r"), desk.join()
    desk.append(run, fan_out=(fan_out(100_000, chunk_items=500),))
    assert desk.rows("SELECT count(*) FROM chunks") == [(200,)]
    for chunk in claim(desk, member, 200):
        state = record(desk, member, chunk, indexes(chunk))
    assert state.finished
    assert desk.rows("SELECT count(*) FROM outcomes") == [(200,)]
    found = summary(desk, run)
    assert found is not None
    assert found.digest == digest(ItemOutcome(index, True, b"r%d" % index) for index in range(100_000))


class FanOut(RuleBasedStateMachine):
    """Whatever members do and die of, every item has one outcome in the end, and figures equal counts."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(desk_at(Path(folder)))
        self.run_id = self.desk.run("r")
        self.members = [self.desk.join() for _ in range(2)]
        self.outcomes: dict[int, ItemOutcome] = {}
        self.waiting: list[dict[str, Any]] = []
        """Chunks nobody has, as (indexes, attempt, recoveries, due)."""
        self.claims: list[tuple[ClaimedChunk, Membership, set[int]]] = []
        """Every claim there ever was, with the items it still holds."""
        self.closed = False
        self.cancelled = False

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    @initialize(count=st.integers(1, 16), chunk_items=st.integers(1, 6), failures_max=st.integers(-1, 3))
    def start(self, count: int, chunk_items: int, failures_max: int) -> None:
        """Start the fan-out."""
        self.count, self.failures_max = count, failures_max
        self.desk.append(self.run_id, fan_out=(fan_out(count, chunk_items, failures_max),))
        for first in range(0, count, chunk_items):
            self.wait_for_claim(set(range(first, min(first + chunk_items, count))))

    def wait_for_claim(self, items: set[int], attempt: int = 1, recoveries: int = 0, due: float = 0.0) -> None:
        """Note a chunk nobody has."""
        self.waiting.append({"items": items, "attempt": attempt, "recoveries": recoveries, "due": due})

    @rule(index=st.integers(0, 1), limit=st.integers(1, 3))
    def claim(self, index: int, limit: int) -> None:
        """Claim, and see that each chunk is one that waits."""
        member = self.members[index]
        due = sum(each["due"] <= self.desk.now for each in self.waiting)
        found = claim(self.desk, member, limit)
        assert len(found) == (0 if self.closed else min(limit, due))
        for chunk in found:
            items = set(indexes(chunk))
            (known,) = [each for each in self.waiting if each["items"] == items]
            assert (chunk.attempt, chunk.recoveries) == (known["attempt"], known["recoveries"])
            assert known["due"] <= self.desk.now
            self.waiting.remove(known)
            self.claims.append((chunk, member, items))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), done=st.sampled_from([False, False, True]), wait=st.sampled_from([0.0, 2.0]))
    def record(self, data: st.DataObject, done: bool, wait: float) -> None:
        """Record any outcomes and any retries for any claim, however old."""
        chunk, member, held = data.draw(st.sampled_from(self.claims[-5:]))
        subset = st.lists(st.integers(0, self.count - 1), max_size=2, unique=True)
        ok, failed, again = data.draw(subset), data.draw(subset), data.draw(subset)
        retry_at = self.desk.now + wait
        state = record(self.desk, member, chunk, ok, failed, retry=tuple(again), retry_at=retry_at, done=done)
        if member not in self.members:
            assert isinstance(state, FencedError)
            return
        if self.closed or not held:
            assert isinstance(state, FencedError) or not state.wanted
            return
        for index in [*ok, *failed]:
            if index in held:
                held.discard(index)
                self.outcomes[index] = ItemOutcome(index, index in ok, b"%c%d" % (b"fr"[index in ok], index))
        moved = set(again) & held
        held -= moved
        if moved:
            self.wait_for_claim(moved, chunk.attempt + 1, 0, retry_at)
        if held and done:
            self.wait_for_claim(set(held), chunk.attempt, chunk.recoveries)
            held.clear()
        failures = sum(not each.ok for each in self.outcomes.values())
        given_up = 0 <= self.failures_max < failures
        self.closed = given_up or len(self.outcomes) == self.count
        assert state == ChunkState(wanted=not given_up, finished=self.closed)

    @rule(index=st.integers(0, 1), dead=st.booleans())
    def end_member(self, index: int, dead: bool) -> None:
        """Let a member die or leave; another one joins."""
        member = self.members[index]
        if dead:
            self.desk.die(member, 1_000)
        else:
            self.desk.leave(member)
        self.members[index] = self.desk.join()
        for chunk, owner, held in self.claims:
            if owner == member and held:
                self.wait_for_claim(set(held), chunk.attempt, chunk.recoveries + dead)
                held.clear()

    @precondition(lambda self: not self.closed and len(self.outcomes) > 2)
    @rule()
    def run_dry(self) -> None:
        """Give every chunk back and record an outcome for every item that has none."""
        for index in range(len(self.members)):
            self.end_member(index, dead=False)
        self.desk.now += 10
        member = self.members[0]
        for chunk in claim(self.desk, member, 100):
            state = record(self.desk, member, chunk, indexes(chunk))
            self.outcomes |= {index: ItemOutcome(index, True, b"r%d" % index) for index in indexes(chunk)}
        assert state == ChunkState(wanted=True, finished=True)
        self.waiting.clear()
        self.closed = True

    @rule()
    def wait(self) -> None:
        """Let time pass."""
        self.desk.now += 1

    @precondition(lambda self: not self.closed and len(self.outcomes) > 6)
    @rule()
    def cancel(self) -> None:
        """Say that nobody wants the outcome."""
        self.desk.append(self.run_id, unqueue=("map#1",))
        self.closed = self.cancelled = True

    @invariant()
    def agrees(self) -> None:
        """See that figures equal counts, and that every open item is in one place."""
        desk = self.desk
        found = desk.ask(desk.store.fan_outs(self.run_id))
        if not found:
            return
        (figures,) = found
        recorded = desk.ask(desk.store.outcomes(figures.fan_out_id, 0, self.count))
        assert recorded == [self.outcomes[index] for index in sorted(self.outcomes)]
        assert figures.done == len(recorded)
        assert figures.failed == sum(not each.ok for each in recorded)
        assert figures.closed == self.closed
        pending = [
            first + place
            for first, bitmap in desk.rows("SELECT first, pending FROM chunks")
            for place in range(len(bitmap) * 8)
            if int.from_bytes(bitmap, "little") >> place & 1
        ]
        expected = [] if self.closed else sorted(set(range(self.count)) - set(self.outcomes))
        assert sorted(pending) == expected
        told = summary(desk, self.run_id)
        assert (told is not None) == (self.closed and not self.cancelled)
        if told is not None:
            assert (told.digest, told.count, told.failed) == (digest(recorded), self.count, figures.failed)
            first_failed = next((each for each in recorded if not each.ok), None)
            assert told.first_failed_index == (first_failed.index if first_failed else -1)


TestFanOut = FanOut.TestCase
TestFanOut.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
