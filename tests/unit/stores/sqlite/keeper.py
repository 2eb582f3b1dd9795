"""A store on a file, as tests of its files and processes need it.

Owns: shorthand to open stores, to write histories, and to run a second process on the same file.
Must not know: what any test is about.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast.history import ROOT, CancelRequested, Page, SignalReceived, WorkflowTerminated, seal
from holdfast.ports.operations import Append, Closing, Join, Membership, Started, StartRun
from holdfast.stores.sqlite import SQLiteStore

HERE = Path(__file__).parent


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


@asynccontextmanager
async def opened(path: Path, **settings: Any) -> AsyncIterator[SQLiteStore]:
    """Open the store at `path`, and close it in the end."""
    store = SQLiteStore(path, clock=settings.pop("clock", WallClock()), **settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class Author:
    """A member that owns runs and adds to their histories."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store = store
        self.membership: Membership | None = None
        self.pages: dict[str, list[Page]] = {}
        self.ids: dict[str, int] = {}

    async def join(self, lease_seconds: float = 1e6) -> Membership:
        """Become a member."""
        (self.membership,) = await self.store.write([Join("author", "stack", "here", 1, lease_seconds)])
        return self.membership

    async def start(self, *run_ids: str) -> None:
        """Start runs."""
        operations = []
        for run_id in run_ids:
            self.pages[run_id] = [seal([CancelRequested(1.0, -1, run_id)], 1, ROOT, {})]
            operations.append(StartRun(run_id, "W", b"", self.pages[run_id][0], own=True))
        for started in await self.store.write(operations, self.membership):
            assert isinstance(started, Started)
            self.ids[started.execution] = started.execution_id

    def next(self, run_id: str, *, reason: str = "", closing: bool = False, payload: bytes = b"") -> Append:
        """Return the append of the next page, and take it as done."""
        last = self.pages[run_id][-1]
        blobs: dict[bytes, bytes] = {}
        event = WorkflowTerminated(2.0, reason) if closing else CancelRequested(2.0, -1, reason)
        events: list[Any] = [event]
        if payload:
            events.insert(0, SignalReceived(2.0, -1, "s", payload, "id"))
        page = seal(events, last.last + 1, last.hash, blobs)
        self.pages[run_id].append(page)
        return Append(
            self.ids[run_id],
            page,
            blobs=tuple(blobs.items()),
            closing=Closing("TERMINATED", b"outcome") if closing else None,
        )

    async def append(self, *run_ids: str, **options: Any) -> None:
        """Append a page to each run, in one write."""
        results = await self.store.write([self.next(run_id, **options) for run_id in run_ids], self.membership)
        assert results == [True] * len(run_ids)


class Process:
    """A second process that runs a function of `second.py`, and says line by line what it has done."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def line(self) -> str:
        """Return the next line it says; '' when it said its last."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def rest(self) -> list[str]:
        """Return what it says until it ends."""
        assert self._process.stdout is not None
        return (await self._process.stdout.read()).decode().split("\n")[:-1]

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()

    async def tell(self, line: str = "") -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def second(function: str, path: Path, *arguments: object) -> AsyncIterator[Process]:
    """Run `function` of `second.py` on the store at `path`; kill what is left of it in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "second.py"),
        function,
        str(path),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=HERE.parents[3],
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        # The pipe's transport is closed by a callback of its own.
        await asyncio.sleep(0)
