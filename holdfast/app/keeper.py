"""The process that renews the leases of a script, beside it.

Owns: when leases are renewed, and when not any more; giving back those of a process that died.
Must not know: what they protect.

Started as `python -m holdfast.app.keeper SOCKET PARENT`. A thread of the script could not do this: code that holds the
interpreter's lock, such as one long `re.match`, silences every other thread.

Theory of operation
===================

Every third of a lease everything held is renewed in one transaction - unless the script is stopped: then somebody else
must be able to take over, so its leases run out. A script that waits, or computes, is alive. How long its work may take
is for time-outs to say.

When the script dies, the keeper learns it from the kernel, gives back at once what the script held, and ends. It must
outlive the script for that moment, so it does not ask to be killed along with it. When keeper and script die together,
the leases run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final, assert_never

from holdfast.app.keeper_messages import (
    LINE_BYTES_MAX,
    Drop,
    FromKeeper,
    Hold,
    Lost,
    Ready,
    Setup,
    ToKeeper,
    Trouble,
    decode_to_keeper,
    encode_line,
)
from holdfast.errors import StoreError
from holdfast.locks import Lease, give_back, renew
from holdfast.ports.store import Store
from holdfast.stores import SQLiteStore, SystemClock
from holdfast.worker.vitals import look

RENEWALS_PER_LEASE: Final = 3
"""A lease survives this many renewals minus one going wrong."""
LOOK_SECONDS: Final = 1.0
"""How often the parent is looked after where the kernel does not tell of its end."""
DYING_SECONDS: Final = 1.0
"""How long after its end of the line closed a process may take to be dead."""
GIVE_BACK_SECONDS: Final = 10.0
"""How long it is tried to give back what a dead process held."""

STOPPED: Final = frozenset("Tt")


class Parent:
    """The process whose leases these are."""

    def __init__(self, pid: int) -> None:
        """Watch the process `pid`, which started this one."""
        self._pid = pid
        self._descriptor = -1
        self.died = asyncio.Event()
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(pid)
        # In this order: a process that is still our parent cannot have given its number to another.
        if os.getppid() != pid:
            self.died.set()
        elif self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self.died.set)

    def look(self) -> None:
        """Find out whether it died, where the kernel does not tell."""
        if os.getppid() != self._pid:
            self.died.set()

    def is_stopped(self) -> bool:
        """Say whether it is stopped, so that it cannot know what happens meanwhile."""
        return look(self._pid, 0).state in STOPPED

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)


class Keeper:
    """Renews what its parent holds."""

    def __init__(self, parent: Parent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve `parent` at the other end of a line."""
        self._parent = parent
        self._reader = reader
        self._writer = writer
        self._held: dict[int, Lease] = {}
        self._ended = asyncio.Event()

    async def run(self, setup: Setup) -> None:
        """Renew until the parent ends, or closes its end of the line."""
        store = SQLiteStore(Path(setup.path), clock=SystemClock(), synchronous=setup.synchronous)
        listening = asyncio.create_task(self._listen())
        dying = asyncio.create_task(self._parent.died.wait())
        dying.add_done_callback(lambda _: self._ended.set())
        try:
            await self._renew_until_ended(store, setup.lease_seconds)
            await self._take_leave(store, listening)
        finally:
            for task in (listening, dying):
                task.cancel()
            await asyncio.gather(listening, dying, return_exceptions=True)

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._heard(decode_to_keeper(line))
        finally:
            self._ended.set()

    def _heard(self, message: ToKeeper) -> None:
        match message:
            case Hold():
                self._held[message.lease.token] = message.lease
            case Drop():
                self._held.pop(message.token, None)
            case Setup():
                raise AssertionError("said once, at the start")
            case _:
                assert_never(message)

    async def _renew_until_ended(self, store: SQLiteStore, lease_seconds: float) -> None:
        interval = lease_seconds / RENEWALS_PER_LEASE
        loop = asyncio.get_running_loop()
        due, opened, ready = loop.time(), False, False
        while not self._ended.is_set():
            self._parent.look()
            if loop.time() >= due:
                due = loop.time() + interval
                try:
                    if not opened:
                        await store.open()
                        opened = True
                    await self._renew(store, lease_seconds)
                except StoreError as error:
                    self._say(Trouble(str(error)))
                else:
                    if not ready:
                        self._say(Ready())
                        ready = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(due - loop.time(), LOOK_SECONDS))):
                    await self._ended.wait()

    async def _renew(self, store: Store, lease_seconds: float) -> None:
        if self._parent.is_stopped():
            return
        for lease in await renew(store, list(self._held.values()), lease_seconds):
            # What was dropped while the write was under way is not lost.
            if self._held.pop(lease.token, None) is not None:
                self._say(Lost(lease.token))

    async def _take_leave(self, store: SQLiteStore, listening: asyncio.Task[None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DYING_SECONDS):
                await listening  # everything it said before its end
                while self._held and not self._parent.died.is_set():
                    self._parent.look()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(DYING_SECONDS / 20):
                            await self._parent.died.wait()
        try:
            # A parent that lives has given back what it wanted to give back.
            if self._parent.died.is_set() and self._held:
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await store.open()
                    await give_back(store, list(self._held.values()))
        finally:
            await store.close()

    def _say(self, message: FromKeeper) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode_line(message))


async def keep(descriptor: int, parent_pid: int) -> None:
    """Serve the process `parent_pid` at the other end of the socket `descriptor`."""
    parent = Parent(parent_pid)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor), limit=LINE_BYTES_MAX)
    try:
        line = await reader.readline()
        if line:
            setup = decode_to_keeper(line)
            assert isinstance(setup, Setup), "the first thing said"
            await Keeper(parent, reader, writer).run(setup)
    finally:
        parent.close()
        writer.close()


def main() -> None:
    """Renew the leases of the parent that is named on the command line."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    # Whoever stops a service tells every process of it; leases still count while the script cleans up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whoever reads what the script prints must not wait for the keeper's end of the pipe, too.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    with contextlib.suppress(OSError):
        asyncio.run(keep(descriptor, parent))


if __name__ == "__main__":
    main()
