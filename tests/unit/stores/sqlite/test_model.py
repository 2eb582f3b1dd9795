"""Whatever several members do through several store objects, the store agrees with a few dictionaries."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from holdfast.errors import (
    FencedError,
    HoldfastError,
    InboxUnreadError,
    RunClosedError,
    RunStateError,
    StoreError,
)
from holdfast.history import ROOT, CancelRequested, Page, seal, verify_chain
from holdfast.ports.operations import (
    PARKED,
    PAUSED,
    RUNNING,
    TERMINATED,
    Append,
    Beat,
    ClaimRuns,
    Closing,
    Deliver,
    Join,
    Leave,
    Membership,
    Pause,
    Reap,
    ReleaseRuns,
    Resume,
    StartRun,
)
from holdfast.stores.sql import log
from holdfast.stores.sqlite import SQLiteStore, verify

STORES, MEMBERS, RUNS = 2, 2, 3


class Clock:
    """A clock that stands."""

    def now(self) -> float:
        """Return the time."""
        return 1_000.0


@dataclass
class Run:
    """What is known about one run."""

    execution: int
    pages: list[Page]
    owner: int | None
    status: str = RUNNING
    ready: bool = False
    recoveries: int = 0
    mail: list[int] = field(default_factory=list)
    delivered: dict[str, int] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Id of the last event."""
        return self.pages[-1].last


class StoreMachine(RuleBasedStateMachine):
    """Members act, each time through any of several store objects on one file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "db"
        self.runner = asyncio.Runner()
        self.stores = [SQLiteStore(self.path, clock=Clock(), synchronous="NORMAL") for _ in range(STORES)]
        for store in self.stores:
            self.runner.run(store.open())
        self.members: list[Membership] = []
        self.runs: dict[str, Run] = {}
        self.delivered = 0

    @initialize()
    def begin(self) -> None:
        """Make the members."""
        for _ in range(MEMBERS):
            self.members.append(self._join())

    def teardown(self) -> None:
        """Check the file, and remove it."""
        for store in self.stores:
            self.runner.run(store.close())
        report = verify(self.path)
        self.runner.close()
        self.folder.cleanup()
        assert report.ok, report.problems

    # --- What may happen ---------------------------------------------------------------------------------------------

    store = st.integers(0, STORES - 1)
    member = st.integers(0, MEMBERS - 1)
    which = st.integers(0, RUNS - 1)

    @rule(store=store, member=member, which=which)
    def start(self, store: int, member: int, which: int) -> None:
        """Start a run, or find it."""
        name = f"r{which}"
        page = seal([CancelRequested(1.0, -1, "")], 1, ROOT, {})
        (started,) = self._write(store, [StartRun(name, "W", b"", page, own=True)], member)
        known = self.runs.get(name)
        assert started.created == (known is None)
        if known is None:
            self.runs[name] = Run(started.execution_id, [page], self.members[member].member)
        else:
            assert (started.execution_id, started.status) == (known.execution, known.status)

    @rule(
        store=store,
        member=member,
        steps=st.lists(
            st.tuples(which, st.sampled_from(["page", "stale", "gap", "close", "park", "stable"])), max_size=4
        ),
    )
    def append(self, store: int, member: int, steps: list[tuple[int, str]]) -> None:
        """Append to several runs in one write, some of which cannot be."""
        operations: list[Append] = []
        expected: list[type[HoldfastError] | bool] = []
        for which, how in steps:
            run = self.runs.get(f"r{which}")
            if run is None:
                continue
            first = run.last + {"stale": 0, "gap": 2}.get(how, 1)
            page = seal([CancelRequested(2.0, -1, how)], first, run.pages[-1].hash, {})
            operations.append(
                Append(
                    run.execution,
                    page,
                    closing=Closing(TERMINATED, b"end") if how == "close" else None,
                    park="a reason" if how == "park" else "",
                    stable=how == "stable",
                )
            )
            if run.owner != self.members[member].member or how in {"stale", "gap"}:
                expected.append(FencedError)
                continue
            if how == "close" and run.mail:
                expected.append(InboxUnreadError)
                continue
            expected.append(True)
            run.pages.append(page)
            if how == "close":
                run.status, run.owner, run.ready = TERMINATED, None, False
            elif how == "park":
                run.status, run.owner, run.ready = PARKED, None, False
            elif how == "stable":
                run.recoveries = 0
        results = self._write(store, operations, member)
        assert [result if result is True else type(result) for result in results] == expected

    @rule(store=store, which=which, fresh=st.booleans())
    def deliver(self, store: int, which: int, fresh: bool) -> None:
        """Send a message, or the last one again."""
        run = self.runs.get(f"r{which}")
        if run is None:
            return
        self.delivered += fresh
        operation_id = f"r{which}/{self.delivered}"
        before = set(run.delivered)
        (result,) = self._write(store, [Deliver(f"r{which}", "signal", "n", b"", operation_id)])
        if run.status == TERMINATED:
            assert isinstance(result, RunClosedError)
            return
        assert result.owner == run.owner
        known = run.delivered.setdefault(operation_id, result.inbox_id)
        assert result.inbox_id == known
        if operation_id not in before:
            run.mail.append(known)
            run.ready = run.ready or run.owner is None

    @rule(store=store, member=member, which=which)
    def read_mail(self, store: int, member: int, which: int) -> None:
        """Take all mail of a run into its history."""
        run = self.runs.get(f"r{which}")
        if run is None or run.owner != self.members[member].member or not run.mail:
            return
        page = seal([CancelRequested(2.0, -1, "mail")], run.last + 1, run.pages[-1].hash, {})
        assert self._write(store, [Append(run.execution, page, inbox_read=run.mail[-1])], member) == [True]
        run.pages.append(page)
        run.mail.clear()

    @rule(store=store, member=member, limit=st.integers(1, 3))
    def claim(self, store: int, member: int, limit: int) -> None:
        """Claim what is ready."""
        (claimed,) = self._write(store, [ClaimRuns(("W",), limit)], member)
        ready = sorted(
            (run.execution, run.recoveries)
            for run in self.runs.values()
            if run.ready and run.owner is None and run.status == RUNNING
        )
        assert [(each.execution_id, each.recoveries) for each in claimed] == ready[:limit]
        for each in claimed:
            run = self.runs[each.run_id]
            run.owner, run.ready = self.members[member].member, False

    @rule(store=store, member=member, which=st.sets(which))
    def release(self, store: int, member: int, which: set[int]) -> None:
        """Release runs, some of which are not owned."""
        runs = [run for name, run in sorted(self.runs.items()) if int(name[1:]) in which]
        owned = [run for run in runs if run.owner == self.members[member].member]
        operation = ReleaseRuns(tuple(run.execution for run in runs))
        assert self._write(store, [operation], member) == [len(owned)]
        for run in owned:
            run.owner, run.ready = None, bool(run.mail)

    @rule(store=store, which=which)
    def pause(self, store: int, which: int) -> None:
        """Pause a run, whoever owns it."""
        run = self.runs.get(f"r{which}")
        if run is not None:
            (result,) = self._write(store, [Pause(f"r{which}", "somebody")])
            if run.status == TERMINATED:
                assert isinstance(result, RunClosedError)
            else:
                run.status, run.owner, run.ready = PAUSED, None, False

    @rule(store=store, which=which)
    def resume(self, store: int, which: int) -> None:
        """Resume a run: parked, paused, or neither."""
        run = self.runs.get(f"r{which}")
        if run is not None:
            (result,) = self._write(store, [Resume(f"r{which}")])
            if run.status in {PARKED, PAUSED}:
                assert result is True
                run.status, run.ready, run.recoveries = RUNNING, True, 0
                told = self._read(store, "execution_inbox", run.execution)[-1]
                assert told.kind == "resume"
                run.mail.append(told.inbox_id)
            else:
                assert isinstance(result, RunClosedError if run.status == TERMINATED else RunStateError)

    @rule(store=store, which=which)
    def terminate(self, store: int, which: int) -> None:
        """Terminate a run that nobody owns."""
        run = self.runs.get(f"r{which}")
        if run is not None and run.owner is None and run.status != TERMINATED:
            (result,) = self._write(store, [Deliver(f"r{which}", "terminate", "", b"", "t")])
            assert result.inbox_id == 0
            pages = self._read(store, "pages", run.execution)
            assert verify_chain(pages)[0] == run.last + 1
            run.pages.append(pages[-1])
            run.status, run.ready = TERMINATED, False
            run.mail.clear()

    @rule(store=store, member=member, dies=st.booleans())
    def end(self, store: int, member: int, dies: bool) -> None:
        """Let a member die, or leave; another one takes its place."""
        gone = self.members[member]
        if dies:
            (_, reaped) = self._write(store, [Beat(gone, -1.0), Reap(2)])
            assert len(reaped.members) == 1
        else:
            assert self._write(store, [Leave(gone)]) == [True]
        parked = []
        for name, run in self.runs.items():
            if run.owner == gone.member:
                run.owner, run.ready = None, True
                run.recoveries += dies
                if run.recoveries > 2:
                    run.status, run.ready = PARKED, False
                    parked.append(name)
        if dies:
            assert sorted(reaped.parked) == sorted(parked)
        for number in range(STORES):
            try:
                self._write(number, [ClaimRuns(("W",), 1)], gone)
            except FencedError:
                continue
            raise AssertionError("who is gone still writes")
        self.members[member] = self._join(store)

    @rule(store=store, member=member)
    def fail(self, store: int, member: int) -> None:
        """Let a write fail half-way, which changes nothing."""
        operations: list[Any] = []
        for run in self.runs.values():
            page = seal([CancelRequested(2.0, -1, "lost")], run.last + 1, run.pages[-1].hash, {})
            operations.append(Append(run.execution, page, park="lost"))
        operations += [ClaimRuns(("W",), 9), ReleaseRuns(tuple(run.execution for run in self.runs.values()))]
        operations.append(Deliver("r0" if "r0" in self.runs else "none", "signal", "n", None, "x"))  # type: ignore[arg-type]  # the failure
        try:
            self._write(store, operations, member)
        except StoreError:
            return
        assert not ("r0" in self.runs and self.runs["r0"].status != TERMINATED), "the write did not fail"
        # It was no failure after all: r0 takes no messages. Whatever it did to others has to be done here too.
        member_number = self.members[member].member
        for run in self.runs.values():
            if run.owner == member_number:
                run.pages.append(seal([CancelRequested(2.0, -1, "lost")], run.last + 1, run.pages[-1].hash, {}))
                run.status, run.owner, run.ready = PARKED, None, False
            elif run.ready and run.owner is None and run.status == RUNNING:
                run.ready = bool(run.mail)

    # --- What always holds -------------------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        """Each run is what the dictionaries say, read through any store object."""
        names = {member.member for member in self.members}
        for number, (name, run) in enumerate(self.runs.items()):
            store = number % STORES
            record = self._read(store, "run", name)
            assert (record.status, record.last_event, record.recoveries) == (run.status, run.last, run.recoveries)
            assert bool(record.owner) == (run.owner is not None)
            assert run.owner is None or run.owner in names
            assert self._read(store, "pages", run.execution) == run.pages
            assert [row.inbox_id for row in self._read(store, "execution_inbox", run.execution)] == run.mail
        for member in self.members:
            mail = sorted(each for run in self.runs.values() if run.owner == member.member for each in run.mail)
            rows = self._read(0, "inbox", member)
            assert [row.inbox_id for row in rows if row.kind != "taken"] == mail

    # --- Behind them -------------------------------------------------------------------------------------------------

    def _join(self, store: int = 0) -> Membership:
        (member,) = self._write(store, [Join("m", "stack", "here", 1, 1e6)])
        assert isinstance(member, Membership)
        return member

    def _write(self, store: int, operations: list[Any], member: int | Membership | None = None) -> list[Any]:
        membership = self.members[member] if isinstance(member, int) else member
        return self.runner.run(self.stores[store].write(operations, membership))

    def _read(self, store: int, name: str, *arguments: Any) -> Any:
        return self.runner.run(getattr(self.stores[store], name)(*arguments))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, phases=[Phase.generate])


def test_the_machine_notices_a_wrong_grip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model finds a store whose memory is never told that it is wrong."""

    def never_wrong(_log: log.Log) -> None:
        """Take note of nothing."""

    monkeypatch.setattr(log.Log, "settle", never_wrong)
    planted = settings(
        max_examples=300,
        stateful_step_count=40,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        run_state_machine_as_test(StoreMachine, settings=planted)
