"""The ledger keeps one result for each name, from whoever held the newest lease."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.errors import AlreadyProcessed, LeaseHeld, LeaseLost
from holdfast.ports.operations import CloseEntry, EntryRecord, MarkDone, OpenEntry, RenewEntry
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def test_a_live_lease_keeps_everybody_else_out(desk: Desk) -> None:
    """Also somebody who goes by the same name, and somebody without a lease."""
    token = desk.do(OpenEntry("t", "me", 10.0))
    assert token > 0
    for holder in ("me", "you"):
        refused = desk.do(OpenEntry("t", holder, 10.0))
        assert isinstance(refused, LeaseHeld)
        assert refused.holder == "me"
    assert isinstance(desk.do(MarkDone("t", b"1")), LeaseHeld)
    assert desk.do(MarkDone("t", b"1", token)) is True
    assert desk.ask(desk.store.entry("t")) == EntryRecord("t", True, b"1", desk.now, "me")


def test_done_is_final(desk: Desk) -> None:
    """No second result, no new lease; only the very same write again is no news."""
    token = desk.do(OpenEntry("t", "me", 10.0))
    desk.do(MarkDone("t", b"1", token))
    assert desk.do(MarkDone("t", b"1", token)) is True
    assert isinstance(desk.do(MarkDone("t", b"2", token)), AlreadyProcessed)
    assert isinstance(desk.do(MarkDone("t", b"1")), AlreadyProcessed)
    assert isinstance(desk.do(OpenEntry("t", "you", 10.0)), AlreadyProcessed)
    assert isinstance(desk.do(RenewEntry("t", token, 10.0)), LeaseLost)
    assert isinstance(desk.do(CloseEntry("t", token)), LeaseLost)
    desk.now += 100
    assert isinstance(desk.do(OpenEntry("t", "you", 10.0)), AlreadyProcessed)


def test_without_a_lease_the_first_writer_wins(desk: Desk) -> None:
    """An entry needs no lease to be done."""
    assert desk.ask(desk.store.entry("t")) is None
    assert desk.do(MarkDone("t", b"1")) is True
    assert isinstance(desk.do(MarkDone("t", b"2")), AlreadyProcessed)
    assert desk.ask(desk.store.entry("t")) == EntryRecord("t", True, b"1", desk.now, "")


def test_a_late_owner_is_refused(desk: Desk) -> None:
    """Whoever was silent for too long and had a successor writes nothing, also when the successor is done."""
    old = desk.do(OpenEntry("t", "me", 10.0))
    desk.now += 10
    new = desk.do(OpenEntry("t", "you", 10.0))
    assert new > old
    for write in (RenewEntry("t", old, 10.0), CloseEntry("t", old), MarkDone("t", b"old", old)):
        assert isinstance(desk.do(write), LeaseLost)
    assert desk.do(MarkDone("t", b"new", new)) is True
    assert isinstance(desk.do(MarkDone("t", b"new", old)), LeaseLost)
    assert desk.ask(desk.store.entry("t")).result == b"new"


def test_late_without_a_successor_is_not_too_late(desk: Desk) -> None:
    """The newest token counts until there is a newer one; only renewing an expired lease is refused."""
    token = desk.do(OpenEntry("t", "me", 10.0))
    desk.now += 9
    assert desk.do(RenewEntry("t", token, 10.0)) is True
    desk.now += 10
    assert isinstance(desk.do(RenewEntry("t", token, 10.0)), LeaseLost)
    assert desk.do(MarkDone("t", b"1", token)) is True


def test_a_result_without_a_lease_ends_an_expired_one(desk: Desk) -> None:
    """Its late owner is told that it lost, not that it won."""
    token = desk.do(OpenEntry("t", "me", 10.0))
    desk.now += 10
    assert desk.do(MarkDone("t", b"1")) is True
    assert isinstance(desk.do(MarkDone("t", b"1", token)), LeaseLost)


def test_a_lease_given_up_is_free(desk: Desk) -> None:
    """The next one opens it at once, and the old token is void."""
    token = desk.do(OpenEntry("t", "me", 10.0))
    assert desk.do(CloseEntry("t", token)) is True
    assert isinstance(desk.do(CloseEntry("t", token)), LeaseLost)
    assert isinstance(desk.do(MarkDone("t", b"1", token)), LeaseLost)
    assert desk.do(OpenEntry("t", "you", 10.0)) > token


class Entries(RuleBasedStateMachine):
    """However holders come, go, sleep and write, a name gets one result, never from one who was succeeded."""

    names = st.sampled_from(["t", "u"])

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.desk = self.stack.enter_context(desk_at(Path(folder)))
        self.tokens: list[int] = [0]
        self.newest: dict[str, int] = {}
        """Name to the token that counts."""
        self.until: dict[str, float] = {}
        self.results: dict[str, bytes] = {}

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    def live(self, name: str) -> bool:
        """Say whether somebody's lease is live."""
        return name in self.newest and name not in self.results and self.until[name] > self.desk.now

    @rule(name=names, seconds=st.sampled_from([2.0, 4.0]))
    def open(self, name: str, seconds: float) -> None:
        """Open an entry."""
        result = self.desk.do(OpenEntry(name, "h", seconds))
        if name in self.results:
            assert isinstance(result, AlreadyProcessed)
        elif self.live(name):
            assert isinstance(result, LeaseHeld)
        else:
            assert result > max(self.tokens)
            self.tokens.append(result)
            self.newest[name], self.until[name] = result, self.desk.now + seconds

    @rule(name=names, back=st.integers(1, 3))
    def renew(self, name: str, back: int) -> None:
        """Renew with one of the last tokens."""
        token = self.tokens[-min(back, len(self.tokens))]
        result = self.desk.do(RenewEntry(name, token, 3.0))
        if self.live(name) and self.newest[name] == token:
            assert result is True
            self.until[name] = self.desk.now + 3
        else:
            assert isinstance(result, LeaseLost)

    @rule(name=names, back=st.integers(1, 3))
    def close(self, name: str, back: int) -> None:
        """Close with one of the last tokens."""
        token = self.tokens[-min(back, len(self.tokens))]
        result = self.desk.do(CloseEntry(name, token))
        if self.newest.get(name) == token and name not in self.results:
            assert result is True
            del self.newest[name]
        else:
            assert isinstance(result, LeaseLost)

    @rule(name=names, back=st.integers(0, 3), result=st.sampled_from([b"1", b"2"]))
    def mark(self, name: str, back: int, result: bytes) -> None:
        """Hand in a result, with one of the last tokens or none."""
        token = self.tokens[-min(back, len(self.tokens))] if back else None
        answer = self.desk.do(MarkDone(name, result, token))
        if token is not None and self.newest.get(name) != token:
            assert isinstance(answer, LeaseLost)
        elif name in self.results:
            again = token is not None and result == self.results[name]
            assert answer is True if again else isinstance(answer, AlreadyProcessed)
        elif token is None and self.live(name):
            assert isinstance(answer, LeaseHeld)
        else:
            assert answer is True
            self.results[name] = result
            if token is None:
                self.newest[name] = -1

    @rule(seconds=st.sampled_from([1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.desk.now += seconds

    @invariant()
    def agrees(self) -> None:
        """See that results stand."""
        for name in ("t", "u"):
            found = self.desk.ask(self.desk.store.entry(name))
            assert (found.result if found and found.done else None) == self.results.get(name)


TestEntries = Entries.TestCase
TestEntries.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
