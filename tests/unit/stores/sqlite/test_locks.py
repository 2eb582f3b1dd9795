"""Locks go to who came first; holders are places in a line, and the newest token is the highest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.errors import LockLost
from holdfast.ports.bus import MAIL
from holdfast.ports.operations import AcquireLease, BreakLock, LockRecord, LockRequest, ReleaseLease, RenewLease
from holdfast.stores.sql import locks
from holdfast.stores.sql.statements import load
from holdfast.stores.sqlite.session import FileSession
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def wanted(step: str = "lock#1", name: str = "a", slots: int = 1) -> LockRequest:
    """Return a workflow's request."""
    return LockRequest(step=step, name=name, slots=slots)


def lease(desk: Desk, holder: str, name: str = "a", slots: int = 1, seconds: float = 10.0) -> int:
    """Ask for a lock from outside a workflow."""
    return int(desk.do(AcquireLease(name=name, slots=slots, holder=holder, lease_seconds=seconds)))


def grants(desk: Desk, run: int) -> list[tuple[str, int]]:
    """Return the (step, token) pairs a run was told of."""
    return [(step, msgspec.msgpack.decode(body, type=int)) for step, body in desk.mail(run, "lock")]


def line(desk: Desk, name: str = "a") -> list[tuple[str, bool]]:
    """Return the (holder, held) pairs of one lock."""
    return [(each.holder, each.held) for each in desk.ask(desk.store.locks()) if each.name == name]


def expire(desk: Desk) -> int:
    """Sweep what expired, as a reap does."""
    with desk.connection:
        token = desk.rows("SELECT token FROM meta")[0][0]
        session = FileSession(desk.connection, load("holdfast.stores.sqlite"), desk.now, token, None)
        found = locks.expire(session)
        desk.connection.execute("UPDATE meta SET token = ?", (session.token,))
    return found


def test_a_lock_goes_to_who_came_first(desk: Desk) -> None:
    """Release by release, in order, each with a higher token."""
    runs = [desk.run(f"r{number}") for number in range(3)]
    for run in runs:
        desk.append(run, lock=(wanted(),))
    assert line(desk) == [("r0/lock#1", True), ("r1/lock#1", False), ("r2/lock#1", False)]
    tokens = []
    for run in runs:
        ((step, token),) = grants(desk, run)
        assert step == "lock#1"
        tokens.append(token)
        desk.append(run, unlock=("lock#1",))
    assert MAIL not in desk.rings
    assert tokens == sorted(set(tokens))
    assert line(desk) == []


def test_a_semaphore_has_slots(desk: Desk) -> None:
    """As many hold as there are slots; who leaves the line, held or waiting, makes place."""
    runs = [desk.run(f"r{number}") for number in range(5)]
    for run in runs:
        desk.append(run, lock=(wanted(slots=2),))
    desk.append(runs[2], unlock=("lock#1",))
    assert [held for _, held in line(desk)] == [True, True, False, False]
    desk.append(runs[0], unlock=("lock#1", "never"))
    assert MAIL in desk.rings
    assert line(desk) == [("r1/lock#1", True), ("r3/lock#1", True), ("r4/lock#1", False)]
    assert grants(desk, runs[2]) == []


def test_a_closed_run_holds_nothing(desk: Desk) -> None:
    """Whatever it held goes to the next in line, in the same commit; a waiting place of its own gets nothing."""
    first, second = desk.run("r1"), desk.run("r2")
    desk.append(first, lock=(wanted(), wanted("lock#2"), wanted("lock#3", "b")))
    desk.append(second, lock=(wanted(), wanted("lock#2", "b")))
    assert grants(desk, second) == []
    desk.end(first)
    assert [step for step, _ in grants(desk, second)] == ["lock#1", "lock#2"]
    assert line(desk) == [("r2/lock#1", True)]


def test_a_runs_lock_outlives_its_member(desk: Desk) -> None:
    """It belongs to the run: no expiry, whoever dies and however late it is."""
    member = desk.join()
    run, other = desk.run("r", owner=member), desk.run("o")
    desk.append(run, member=member, lock=(wanted(),))
    desk.append(other, lock=(wanted(),))
    desk.die(member)
    desk.now += 1e5
    assert expire(desk) == 0
    assert line(desk) == [("r/lock#1", True), ("o/lock#1", False)]


def test_a_lease_is_asked_for_until_it_is_held(desk: Desk) -> None:
    """Asking again keeps the place, and gives the same token again."""
    first = lease(desk, "one")
    assert first > 0
    assert lease(desk, "one") == first
    assert lease(desk, "two") == 0
    assert lease(desk, "three") == 0
    assert lease(desk, "two") == 0
    assert desk.do(ReleaseLease("a", "one")) is True
    assert lease(desk, "three") == 0
    assert lease(desk, "two") > first


def test_runs_and_leases_stand_in_one_line(desk: Desk) -> None:
    """Whoever came first is first, of whichever kind."""
    run = desk.run("r")
    held = lease(desk, "script")
    desk.append(run, lock=(wanted(),))
    assert lease(desk, "late") == 0
    assert desk.do(ReleaseLease("a", "script")) is True
    assert MAIL in desk.rings
    ((_, token),) = grants(desk, run)
    assert token > held
    assert lease(desk, "late") == 0
    desk.append(run, unlock=("lock#1",))
    assert lease(desk, "late") > token


def test_a_silent_holder_loses_its_lease(desk: Desk) -> None:
    """Whoever asks next gets it; the old token neither renews nor releases."""
    token = lease(desk, "one")
    desk.now += 9
    assert desk.do(RenewLease("a", token, 10.0)) is True
    desk.now += 9
    assert lease(desk, "two") == 0
    desk.now += 1
    assert isinstance(desk.do(RenewLease("a", token, 10.0)), LockLost), "expired, though nobody took it yet"
    assert isinstance(desk.do(ReleaseLease("a", "one")), LockLost)
    assert lease(desk, "two") > token
    assert isinstance(desk.do(RenewLease("a", token, 10.0)), LockLost)
    assert isinstance(desk.do(ReleaseLease("a", "one")), LockLost)
    assert line(desk) == [("two", True)]


def test_a_silent_waiter_loses_its_place(desk: Desk) -> None:
    """A script that stopped asking is not granted anything."""
    lease(desk, "one", seconds=100)
    lease(desk, "two")
    run = desk.run("r")
    desk.append(run, lock=(wanted(),))
    desk.now += 10
    assert desk.do(ReleaseLease("a", "one")) is True
    assert len(grants(desk, run)) == 1
    assert line(desk) == [("r/lock#1", True)]
    assert lease(desk, "two") == 0


def test_a_sweep_grants_what_expired(desk: Desk) -> None:
    """A run that waits behind a dead script needs nobody to ask; the store knows when to look."""
    run = desk.run("r")
    lease(desk, "script")
    lease(desk, "other", name="b", seconds=20)
    desk.append(run, lock=(wanted(),))
    assert desk.due() == desk.now + 10
    assert expire(desk) == 0
    desk.now += 10
    assert expire(desk) == 1
    assert len(grants(desk, run)) == 1
    assert desk.due() == desk.now + 10


def test_a_lock_is_broken_by_force(desk: Desk) -> None:
    """The one who has held it longest loses it, by name; the next in line has a higher token."""
    run = desk.run("r")
    desk.append(run, lock=(wanted(slots=2),))
    old = lease(desk, "two", slots=2)
    assert lease(desk, "three", slots=2) == 0
    assert desk.do(BreakLock("a")) == "r/lock#1"
    assert lease(desk, "three", slots=2) > old
    assert desk.do(BreakLock("a")) == "two"
    assert isinstance(desk.do(RenewLease("a", old, 10.0)), LockLost)
    assert desk.do(BreakLock("a")) == "three"
    assert desk.do(BreakLock("a")) == ""
    desk.append(run, unlock=("lock#1",))


def test_locks_are_listed_as_they_stand(desk: Desk) -> None:
    """By name, holders first, with slots, token, times."""
    run, start = desk.run("r"), desk.now
    desk.append(run, lock=(wanted(name="b", slots=3),))
    token = lease(desk, "one")
    desk.now += 1
    lease(desk, "two")
    assert desk.ask(desk.store.locks()) == [
        LockRecord("a", 1, "one", True, token, start, start + 10),
        LockRecord("a", 1, "two", False, 0, start + 1, start + 11),
        LockRecord("b", 3, "r/lock#1", True, grants(desk, run)[0][1], start, None),
    ]


@dataclass
class Place:
    """A place in the model's line."""

    holder: str
    slots: int
    run: int | None
    token: int = 0
    expires_at: float | None = None


class Lines(RuleBasedStateMachine):
    """Every lock behaves as a plain list of places does."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(desk_at(Path(folder)))
        self.lines: dict[str, list[Place]] = {"a": [], "b": []}
        self.steps = 0
        self.granted: dict[int, list[str]] = {}
        self.newest = 0

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    @initialize()
    def start(self) -> None:
        """Start some runs."""
        self.titles = {f"r{number}": f"r{number}" for number in range(3)}
        self.runs = {title: self.desk.run(title) for title in self.titles}

    def settle(self, name: str) -> None:
        """Grant from the head of a line for as long as a slot is free."""
        self.lines[name] = [each for each in self.lines[name] if not self.expired(each)]
        places = self.lines[name]
        while (first := next((each for each in places if not each.token), None)) is not None:
            if sum(each.token > 0 for each in places) >= first.slots:
                break
            if first.run is not None:
                self.granted.setdefault(first.run, []).append(first.holder.split("/")[1])
            first.token = self.next_token()

    def next_token(self) -> int:
        """Return what stands for a token in the model: the order of grants."""
        self.newest += 1
        return self.newest

    def expired(self, place: Place) -> bool:
        """Say whether a place's time is over."""
        return place.expires_at is not None and place.expires_at <= self.desk.now

    names = st.sampled_from(["a", "a", "b"])
    runs_names = st.sampled_from(["r0", "r1", "r2"])
    slots = st.sampled_from([1, 1, 2, 3])
    scripts = st.sampled_from(["x", "y", "z"])

    @rule(run=runs_names, name=names, slots=slots)
    def request(self, run: str, name: str, slots: int) -> None:
        """Let a run join a line."""
        self.steps += 1
        step = f"lock#{self.steps}"
        self.desk.append(self.runs[run], lock=(wanted(step, name, slots),))
        self.lines[name].append(Place(f"{self.titles[run]}/{step}", slots, self.runs[run]))
        self.settle(name)

    @precondition(lambda self: any(each.run for line in self.lines.values() for each in line))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Let a run leave a line."""
        places = [(name, each) for name, line in self.lines.items() for each in line if each.run is not None]
        name, place = data.draw(st.sampled_from(places))
        self.desk.append(place.run, unlock=(place.holder.split("/")[1],))
        self.lines[name].remove(place)
        self.settle(name)

    @rule(run=runs_names)
    def close(self, run: str) -> None:
        """Let a run end; another one starts under another id."""
        old = self.runs[run]
        self.desk.end(old)
        self.granted.pop(old, None)
        self.steps += 1
        for name, line in self.lines.items():
            if any(each.run == old for each in line):
                self.lines[name] = [each for each in line if each.run != old]
                self.settle(name)
        self.titles[run] = f"{run}.{self.steps}"
        self.runs[run] = self.desk.run(self.titles[run])

    @rule(script=scripts, name=names, slots=slots, seconds=st.sampled_from([2.0, 5.0]))
    def acquire(self, script: str, name: str, slots: int, seconds: float) -> None:
        """Let a script ask, or ask again."""
        token = lease(self.desk, script, name, slots, seconds)
        self.lines[name] = [each for each in self.lines[name] if not self.expired(each)]
        place = self.script(name, script)
        if place is None:
            place = Place(script, slots, None)
            self.lines[name].append(place)
        place.expires_at = self.desk.now + seconds
        self.settle(name)
        assert (token > 0) == (place.token > 0)

    def script(self, name: str, script: str) -> Place | None:
        """Return a script's place."""
        return next((each for each in self.lines[name] if each.run is None and each.holder == script), None)

    @rule(script=scripts, name=names)
    def give_back(self, script: str, name: str) -> None:
        """Let a script leave a line."""
        result = self.desk.do(ReleaseLease(name, script))
        place = self.script(name, script)
        if place is None or self.expired(place):
            assert isinstance(result, LockLost)
            return
        assert result is True
        self.lines[name].remove(place)
        self.settle(name)

    @rule(script=scripts, name=names)
    def renew(self, script: str, name: str) -> None:
        """Let a script renew what it holds, or thinks it holds."""
        place = self.script(name, script)
        known = [
            each.token for each in self.desk.ask(self.desk.store.locks()) if (each.name, each.holder) == (name, script)
        ]
        token = known[0] if known else 12345
        result = self.desk.do(RenewLease(name, token, 4.0))
        if place is None or not place.token or self.expired(place):
            assert isinstance(result, LockLost)
        else:
            assert result is True
            place.expires_at = self.desk.now + 4.0

    @rule(name=names)
    def break_lock(self, name: str) -> None:
        """Break a lock."""
        result = self.desk.do(BreakLock(name))
        self.lines[name] = [each for each in self.lines[name] if not self.expired(each)]
        held = sorted((each for each in self.lines[name] if each.token), key=lambda each: each.token)
        assert result == (held[0].holder if held else "")
        if held:
            self.lines[name].remove(held[0])
        self.settle(name)

    @rule(seconds=st.sampled_from([1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.desk.now += seconds

    @rule()
    def sweep(self) -> None:
        """Sweep what expired, as a reap does."""
        expired = {name for name, line in self.lines.items() for each in line if self.expired(each)}
        expire(self.desk)
        for name in expired:
            self.settle(name)

    @invariant()
    def agrees(self) -> None:
        """See that lines, holders and messages are the model's, and that nobody waits beside a free slot."""
        records = self.desk.ask(self.desk.store.locks())
        for name, line in self.lines.items():
            found = [each for each in records if each.name == name]
            held = sorted((each for each in line if each.token), key=lambda each: each.token)
            waiting = [each for each in line if not each.token]
            assert [(each.holder, each.held, each.slots, each.expires_at) for each in found] == [
                (each.holder, each.token > 0, each.slots, each.expires_at) for each in [*held, *waiting]
            ]
            tokens = [each.token for each in found if each.held]
            assert tokens == sorted(set(tokens))
        for run in getattr(self, "runs", {}).values():
            assert sorted(step for step, _ in grants(self.desk, run)) == sorted(self.granted.get(run, []))


TestLines = Lines.TestCase
TestLines.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
