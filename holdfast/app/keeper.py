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

from holdfast.app.address import address_of
from holdfast.app.keeper_messages import (
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
from holdfast.app.opening import open_at
from holdfast.errors import StoreError
from holdfast.locks import Lease, give_back, renew
from holdfast.ports.store import Store
from holdfast.worker import look

RENEWALS_PER_LEASE: Final = 3
"""A lease survives this many renewals minus one going wrong."""
LOOK_SECONDS: Final = 1.0
"""How often the parent is looked after where the kernel does not tell of its end."""
DYING_SECONDS: Final = 1.0
"""How long after its end of the line closed a process may take to be dead."""
GIVE_BACK_SECONDS: Final = 10.0
"""How long it is tried to give back what a dead process held."""

RECEIVE_BYTES: Final = 1 << 18
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


class Line:
    """The keeper's end of the line to its parent.

    What the parent said before it died is heard in any case: reading goes on whatever becomes of writing.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over the socket `descriptor`."""
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._received = b""
        self.held: dict[int, Lease] = {}
        """What is to be renewed, by token."""
        self.setup: asyncio.Future[Setup | None] = asyncio.get_running_loop().create_future()
        """What the parent says first; None when it says nothing."""
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def say(self, message: FromKeeper) -> None:
        """Say something, if there is anybody to hear it."""
        with contextlib.suppress(OSError):
            self._socket.send(encode_line(message))  # far smaller than what a socket takes at once

    def close(self) -> None:
        """Hang up."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        try:
            received = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            asyncio.get_running_loop().remove_reader(self._socket)
            if not self.setup.done():
                self.setup.set_result(None)
            self.ended.set()
            return
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            self._hear(decode_to_keeper(line))

    def _hear(self, message: ToKeeper) -> None:
        match message:
            case Setup():
                self.setup.set_result(message)
            case Hold():
                self.held[message.lease.token] = message.lease
            case Drop():
                self.held.pop(message.token, None)
            case _:
                assert_never(message)


class Keeper:
    """Renews what its parent holds."""

    def __init__(self, parent: Parent, line: Line, store: Store, lease_seconds: float) -> None:
        """Renew leases of `lease_seconds` in `store`, for `parent` at the other end of `line`."""
        self._parent = parent
        self._line = line
        self._store = store
        self._lease_seconds = lease_seconds
        self._open = False
        self._ready = False

    async def run(self) -> None:
        """Renew until the parent dies, or hangs up."""
        loop = asyncio.get_running_loop()
        interval = self._lease_seconds / RENEWALS_PER_LEASE
        due = loop.time()
        try:
            while not self._is_over():
                if loop.time() >= due:
                    due = loop.time() + interval
                    await self._renew()
                await self._wait_over(min(due - loop.time(), LOOK_SECONDS))
            await self._take_leave()
        finally:
            await self._store.close()

    def _is_over(self) -> bool:
        self._parent.look()
        return self._parent.died.is_set() or self._line.ended.is_set()

    async def _wait_over(self, seconds: float) -> None:
        waiting = [asyncio.ensure_future(each.wait()) for each in (self._parent.died, self._line.ended)]
        await asyncio.wait(waiting, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _renew(self) -> None:
        if self._parent.is_stopped():
            return
        try:
            await self._open_store()
            lost = await renew(self._store, list(self._line.held.values()), self._lease_seconds)
        except StoreError as error:
            self._line.say(Trouble(str(error)))
            return
        for lease in lost:
            # What was dropped while the write was under way is not lost.
            if self._line.held.pop(lease.token, None) is not None:
                self._line.say(Lost(lease.token))
        if not self._ready:
            self._ready = True
            self._line.say(Ready())

    async def _take_leave(self) -> None:
        """Give back what the parent held, if it died. One that lives has given back what it wanted to give back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DYING_SECONDS):
                await self._line.ended.wait()  # everything it said before its end
                while self._line.held and not self._parent.died.is_set():
                    self._parent.look()
                    await self._wait_died(DYING_SECONDS / 20)
        if self._parent.died.is_set() and self._line.held:
            with contextlib.suppress(StoreError, TimeoutError):  # they will run out
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await self._open_store()
                    await give_back(self._store, list(self._line.held.values()))

    async def _wait_died(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._parent.died.wait()

    async def _open_store(self) -> None:
        if not self._open:
            await self._store.open()
            self._open = True


async def keep(descriptor: int, parent_pid: int) -> None:
    """Serve the process `parent_pid` at the other end of the socket `descriptor`."""
    parent, line = Parent(parent_pid), Line(descriptor)
    try:
        setup = await line.setup
        if setup is not None:
            store = open_at(address_of(setup.store), synchronous=setup.synchronous)
            await Keeper(parent, line, store, setup.lease_seconds).run()
    finally:
        line.close()
        parent.close()


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
    asyncio.run(keep(descriptor, parent))


if __name__ == "__main__":
    main()
