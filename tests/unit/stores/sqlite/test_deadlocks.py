"""Executions that wait for each other are named; those that only wait are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.ports.operations import AcquireLease, LockRequest
from holdfast.stores.sql import deadlocks, locks
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def want(desk: Desk, run: int, *names: str, slots: int = 1) -> None:
    """Let a run request locks, each under its name as step."""
    desk.append(run, lock=tuple(LockRequest(step=name, name=name, slots=slots) for name in names))


def test_two_runs_that_hold_what_the_other_wants_are_a_cycle(desk: Desk) -> None:
    """Asked from either side, in the order in which they wait."""
    one, two, three = desk.run("one"), desk.run("two"), desk.run("three")
    want(desk, one, "a")
    want(desk, two, "b")
    want(desk, one, "b")
    assert locks.cycle(desk.reader, one) is None
    want(desk, two, "a")
    assert locks.cycle(desk.reader, one) == ["one", "two"]
    assert locks.cycle(desk.reader, two) == ["two", "one"]
    want(desk, three, "a")
    assert locks.cycle(desk.reader, three) == ["one", "two"], "it is not in the cycle, but waits for it"
    desk.append(two, unlock=("a",))
    assert locks.cycle(desk.reader, one) is None


def test_a_run_that_waits_for_itself_is_a_cycle(desk: Desk) -> None:
    """A lock taken twice is the shortest deadlock there is."""
    one = desk.run("one")
    want(desk, one, "a")
    desk.append(one, lock=(LockRequest("again", "a", 1),))
    assert locks.cycle(desk.reader, one) == ["one"]


def test_a_semaphore_is_stuck_only_with_all_its_holders(desk: Desk) -> None:
    """One holder that can go on will give its slot back."""
    one, two, three = desk.run("one"), desk.run("two"), desk.run("three")
    want(desk, one, "a")
    want(desk, two, "s", slots=2)
    want(desk, three, "s", slots=2)
    want(desk, one, "s", slots=2)
    want(desk, two, "a")
    assert locks.cycle(desk.reader, one) is None
    want(desk, three, "a")
    assert locks.cycle(desk.reader, one) == ["one", "two"]


def test_a_lease_is_no_part_of_a_deadlock(desk: Desk) -> None:
    """It expires when its holder is stuck."""
    one, two = desk.run("one"), desk.run("two")
    want(desk, one, "a")
    desk.do(AcquireLease(name="b", slots=1, holder="script", lease_seconds=10.0))
    want(desk, one, "b")
    want(desk, two, "a")
    assert locks.cycle(desk.reader, two) is None


def test_a_search_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More executions than the limit are not searched through."""
    runs = [desk.run(f"r{number}") for number in range(5)]
    for number, run in enumerate(runs):
        want(desk, run, f"l{number}")
    for number, run in enumerate(runs):
        want(desk, run, f"l{(number + 1) % 5}")
    assert locks.cycle(desk.reader, runs[2]) == ["r2", "r3", "r4", "r0", "r1"]
    monkeypatch.setattr(deadlocks, "EXECUTIONS_MAX", 4)
    assert locks.cycle(desk.reader, runs[2]) is None


@settings(max_examples=30, deadline=None)
@given(requests=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12, unique=True))
def test_with_plain_locks_a_cycle_is_found_when_there_is_one(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, int]]
) -> None:
    """What is named is a cycle in the table, and when nothing is named no walk along the table comes back."""
    with desk_at(tmp_path_factory.mktemp("store")) as desk:
        runs = [desk.run(f"r{number}") for number in range(4)]
        for run, name in requests:
            want(desk, runs[run], f"l{name}")
        holder: dict[str, str] = {}
        waits: dict[str, set[str]] = {f"r{number}": set() for number in range(4)}
        for record in desk.ask(desk.store.locks()):
            run_id = record.holder.split("/")[0]
            if record.held:
                holder[record.name] = run_id
            else:
                waits[run_id].add(holder[record.name])
        for number, run in enumerate(runs):
            reached: set[str] = set()
            unseen = [f"r{number}"]
            while unseen:
                for other in waits[unseen.pop()] - reached:
                    reached.add(other)
                    unseen.append(other)
            found = locks.cycle(desk.reader, run)
            in_cycles = {each for each in reached | {f"r{number}"} if _comes_back(waits, each)}
            assert (found is not None) == bool(in_cycles)
            if found is not None:
                assert all(second in waits[first] for first, second in zip(found, [*found[1:], found[0]], strict=True))


def _comes_back(waits: dict[str, set[str]], start: str) -> bool:
    reached: set[str] = set()
    unseen = [start]
    while unseen:
        for other in waits[unseen.pop()] - reached:
            reached.add(other)
            unseen.append(other)
    return start in reached
