"""A real store on a file, with somebody at the desk: one call, one write, at a time the test sets.

Owns: the store, its clock and its bus; shorthand for what tests do all the time.
Must not know: what any test is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from holdfast.errors import FencedError, HoldfastError
from holdfast.history import ROOT, CancelRequested, Page, seal
from holdfast.ports.operations import (
    COMPLETED,
    Append,
    Beat,
    Closing,
    Join,
    Leave,
    LockRequest,
    Membership,
    QueueFanOut,
    QueueTask,
    Reap,
    Reaped,
    StartRun,
)
from holdfast.stores.sql.statements import load
from holdfast.stores.sqlite.session import FileReader
from holdfast.stores.sqlite.store import SQLiteStore


class DeskClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        """Return the time set."""
        return self.time


class DeskBus:
    """A bus nobody listens to; it remembers what was rung."""

    def __init__(self) -> None:
        self.rung: set[str] = set()

    def ring(self, topics: Iterable[str]) -> None:
        """Remember `topics`."""
        self.rung |= set(topics)

    def listen(self, _listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Do nothing."""
        return lambda: None

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class Desk:
    """Carries out operations one by one. Runs are owned by `host`, which never leaves."""

    def __init__(self, runner: asyncio.Runner, path: Path) -> None:
        self._runner = runner
        self._clock = DeskClock()
        self._bus = DeskBus()
        self.store = SQLiteStore(path, clock=self._clock, bus=self._bus, synchronous="NORMAL")
        runner.run(self.store.open())
        self.rings: set[str] = set()
        self.host = self.join("host")

    def close(self) -> None:
        """Close the store."""
        self._runner.run(self.store.close())

    @property
    def now(self) -> float:
        """The store's time."""
        return self._clock.time

    @now.setter
    def now(self, time: float) -> None:
        self._clock.time = time

    @property
    def connection(self) -> apsw.Connection:
        """The connection that writes: a test may look at it, and at what it has changed."""
        connection = self.store._connection
        assert connection is not None
        return connection

    @property
    def reader(self) -> FileReader:
        """Runs the store's statements, on the connection that writes."""
        return FileReader(self.connection, load("holdfast.stores.sqlite"))

    def due(self) -> float | None:
        """Return when the next timer, delayed task or chunk, or place in a line is due; members have longer leases."""
        row = self.reader.row("next_wake", (self.now,))
        assert row is not None
        timer, _lease, *others, _has_prefixes = row
        return min((time for time in (timer, *others) if time is not None), default=None)

    def do(self, operation: Any, member: Membership | None = None) -> Any:
        """Carry out an operation; return its result, or the error that is its result.

        A refused operation must have changed nothing, but for the count of refusals.
        """
        before = self.connection.total_changes()
        self._bus.rung = set()
        try:
            (result,) = self._runner.run(self.store.write([operation], member))
        except FencedError as error:
            result = error
        self.rings = self._bus.rung
        if isinstance(result, HoldfastError):
            counted = isinstance(result, FencedError) * (2 if member else 1)
            assert self.connection.total_changes() - before == counted, "refused after it had changed something"
            assert not self.rings
        return result

    def ask(self, read: Any) -> Any:
        """Return what one of the store's reads answers."""
        return self._runner.run(read)

    def join(self, name: str = "m", pools: tuple[tuple[str, int], ...] = ()) -> Membership:
        """Make a member."""
        result = self.do(Join(name=name, kind="worker", host="here", pid=1, lease_seconds=1e6, pools=pools))
        assert isinstance(result, Membership)
        return result

    def die(self, member: Membership, recoveries_max: int = 3) -> Reaped:
        """Let a member's lease run out, and reap it."""
        self.do(Beat(member, -1.0))
        result = self.do(Reap(recoveries_max))
        assert isinstance(result, Reaped)
        assert len(result.members) == 1
        return result

    def leave(self, member: Membership) -> None:
        """Let a member leave in good order."""
        assert self.do(Leave(member)) is True

    def run(self, run_id: str, owner: Membership | None = None) -> int:
        """Start a run; return its execution."""
        started = self.do(
            StartRun(run_id=run_id, workflow="W", input_digest=b"", page=self._page(1), own=True), owner or self.host
        )
        assert started.created
        return int(started.execution_id)

    def append(
        self,
        execution_id: int,
        *,
        member: Membership | None = None,
        queue: tuple[QueueTask, ...] = (),
        unqueue: tuple[str, ...] = (),
        fan_out: tuple[QueueFanOut, ...] = (),
        lock: tuple[LockRequest, ...] = (),
        unlock: tuple[str, ...] = (),
    ) -> None:
        """Make and drop parts of an execution."""
        append = Append(
            execution_id=execution_id,
            page=None,
            queue=queue,
            unqueue=unqueue,
            fan_outs=fan_out,
            lock=lock,
            unlock=unlock,
        )
        assert self.do(append, member or self.host) is True

    def end(self, execution_id: int) -> None:
        """Close an execution, all its mail read."""
        closing = Closing(COMPLETED, b"")
        append = Append(execution_id, self._page(2), closing=closing, inbox_read=2**62)
        assert self.do(append, self.host) is True

    def mail(self, execution_id: int, kind: str) -> list[tuple[str, bytes]]:
        """Return (name, body) of an execution's messages of one kind, oldest first."""
        rows = self.ask(self.store.execution_inbox(execution_id))
        return [(row.name, row.body) for row in rows if row.kind == kind]

    def rows(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a statement."""
        return self.connection.execute(statement, bindings).fetchall()

    def _page(self, first: int) -> Page:
        # To the store one event is as good as another.
        return seal([CancelRequested(self.now, -1, "")], first, ROOT, {})


@contextmanager
def desk_at(folder: Path) -> Iterator[Desk]:
    """Open a fresh store in `folder`."""
    with asyncio.Runner() as runner:
        desk = Desk(runner, folder / "store.db")
        try:
            yield desk
        finally:
            desk.close()
