"""The connection to a store that all code of this process shares: scripts, and tasks that work with the store.

Owns: one background loop for the process, one connection for each store, their beginning, their end, and forks.
Must not know: who calls.

Theory of operation
===================

A store belongs to an event loop, and a script has none. So the first use starts one in a daemon thread, and everything
that follows is a call into it. The end of the interpreter closes it.

A child that was forked inherits the objects, but not the thread behind them, and may not touch its parent's database
connections, not even to close them (SQLite's "How To Corrupt An SQLite Database File", section 2.6). It puts them out
of reach for good, and begins afresh when it first asks. It does close the files that carry locks: they would be held on
its account when its parent is killed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from holdfast.app.address import Address, FileAddress
from holdfast.app.books import StoreBooks
from holdfast.app.default_store import forget_default, in_place
from holdfast.app.encryption import check_keys, make_store
from holdfast.app.keeper_messages import Setup
from holdfast.app.portal import Portal
from holdfast.app.renewals import Renewals
from holdfast.app.ringing import bus_of
from holdfast.errors import StoreError
from holdfast.http import FleetBoard
from holdfast.locks import EntryLease, LedgerEntries, LockLines, PlaceLease
from holdfast.observe import logger
from holdfast.stores import SystemClock

if TYPE_CHECKING:
    from holdfast.app.settings import Settings

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

log = logger("holdfast.app")


class SharedPortal(Portal):
    """The background loop, which asynchronous code can wait for without blocking its own."""

    async def wait(
        self,
        function: Callable[Parameters, Coroutine[Any, Any, Result]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call `function` on the background loop, and wait for its result; cancelling this cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*args, **kwargs), self._loop))


class Connection:
    """What this process has of one store. Its coroutines run on the portal's loop."""

    def __init__(self, settings: Settings, portal: SharedPortal) -> None:
        """Connect to the store of `settings`, whose address is in place."""
        self.address = settings.address()
        self.settings = settings
        self.portal = portal
        self._bus = bus_of(settings, lambda: self.store)
        self.store = make_store(settings, SystemClock(), self._bus)
        self._entries = LedgerEntries(self.store)
        self._lines = LockLines(self.store, self._bus)
        self._renewals = Renewals(self.store, Setup(self.address.text, settings.synchronous, settings.lease_seconds))
        self._board: FleetBoard | None = None
        self._asking: set[asyncio.Task[Any]] = set()
        """Calls that may wait for long."""

    @property
    def keeper_pid(self) -> int | None:
        """Process id of the process that renews this one's leases, None while there is none."""
        return self._renewals.pid

    async def open(self) -> None:
        """Open the store. Raises StoreError, EncryptionError."""
        await self.store.open()
        try:
            await check_keys(self.store)
        except BaseException:
            await self.store.close()
            raise

    async def close(self) -> None:
        """Close the store, and let go of everything."""
        # A daemon thread may still wait for a lock. Its place in line is left while there is a store to leave it in.
        for each in self._asking:
            each.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._board is not None:
            await self._board.close()
        await self._renewals.close()
        await self._bus.close()
        await self.store.close()

    def abandon(self) -> None:
        """Put it out of reach, in a forked child."""
        self._renewals.abandon()
        # What is never freed is never closed: one reference too many, on purpose.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.store))
        if isinstance(self.address, FileAddress):
            _close_lock_files(self.address.path)

    # --- The ledger --------------------------------------------------------------------------------------------------

    async def is_done(self, name: str) -> bool:
        """Say whether a ledger entry has its result."""
        return await self._entries.is_done(name)

    async def result(self, name: str) -> bytes | None:
        """Return an entry's result as JSON text, None while it has none."""
        return await self._entries.result(name)

    async def open_entry(self, name: str, holder: str, patience_seconds: float) -> EntryLease:
        """Lease an entry, and keep the lease renewed. Raises AlreadyProcessed, LeaseHeld."""
        with self._noted():
            lease = await self._entries.open(
                name, holder, self._renewals.lease_seconds, patience_seconds=patience_seconds
            )
        try:
            await self._renewals.hold(lease)
        except BaseException:
            await self.close_entry(lease)
            raise
        return lease

    async def finish_entry(self, name: str, result: bytes, lease: EntryLease | None) -> None:
        """Record an entry's result. Raises LeaseLost, AlreadyProcessed, LeaseHeld."""
        if lease is not None:
            self._renewals.expect_end(lease)
        await self._entries.finish(name, result, lease)
        if lease is not None:
            self._renewals.drop(lease)

    async def close_entry(self, lease: EntryLease) -> bool:
        """Give an entry back; False when it was lost before."""
        self._renewals.drop(lease)
        return await self._entries.close(lease)

    # --- Hosts -------------------------------------------------------------------------------------------------------

    def outbound_board(self) -> FleetBoard:
        """Return what the fleet knows of hosts, through this connection."""
        if self._board is None:
            self._board = self.portal.call(self._open_board)
        return self._board

    async def _open_board(self) -> FleetBoard:
        await self._bus.open()
        return FleetBoard(self.store, self._bus, SystemClock(), asyncio.get_running_loop())

    # --- Books -------------------------------------------------------------------------------------------------------

    def books(self) -> StoreBooks:
        """Return what requests to models are written down in, through this connection."""
        return self.portal.call(self._open_books)

    async def _open_books(self) -> StoreBooks:
        return StoreBooks(self.store, asyncio.get_running_loop(), SystemClock())

    # --- Locks -------------------------------------------------------------------------------------------------------

    async def take_place(self, name: str, slots: int, holder: str) -> PlaceLease:
        """Wait in line for a place at a lock, and keep it renewed."""
        # A workflow that is next in line hears of it by the doorbell.
        await self._bus.open()
        with self._noted():
            lease = await self._lines.acquire(name, slots, holder, self._renewals.lease_seconds)
        try:
            await self._renewals.hold(lease)
        except BaseException:
            await self.leave_place(lease)
            raise
        return lease

    async def leave_place(self, lease: PlaceLease) -> None:
        """Give a place back. Raises LockLost."""
        self._renewals.drop(lease)
        await self._lines.release(lease)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None, "called on the portal's loop"
        self._asking.add(task)
        try:
            yield
        finally:
            self._asking.discard(task)


@dataclass(slots=True)
class _Shared:
    """What one process shares."""

    portal: SharedPortal
    pid: int = field(default_factory=os.getpid)
    connections: dict[Address, Connection] = field(default_factory=dict)


class _Here:
    """What this process shares; its children find out that it is not theirs."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.shared: _Shared | None = None
        self.watched = False

    def connect(self, settings: Settings) -> Connection:
        settings = in_place(settings)
        address = settings.address()
        with self.guard:
            if self.shared is not None and self.shared.pid != os.getpid():
                self.forked()  # by something that does not tell Python
            if not self.watched:
                os.register_at_fork(after_in_child=self.forked)
                atexit.register(self.close)
                self.watched = True
            if self.shared is None:
                self.shared = _Shared(SharedPortal())
            connection = self.shared.connections.get(address)
            if connection is None:
                connection = Connection(settings, self.shared.portal)
                connection.portal.call(connection.open)
                self.shared.connections[address] = connection
            return connection

    def find(self, settings: Settings) -> Connection | None:
        shared = self.shared
        if shared is None or shared.pid != os.getpid():
            return None
        return shared.connections.get(in_place(settings).address())

    def forked(self) -> None:
        self.guard = threading.RLock()  # whoever had the old one is not in this process
        shared, self.shared = self.shared, None
        if shared is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(shared))
            for connection in shared.connections.values():
                connection.abandon()

    def close(self, settings: Settings | None = None) -> None:
        forget_default()
        with self.guard:
            shared = self.shared
            if shared is None or shared.pid != os.getpid():
                return
            closing = list(shared.connections) if settings is None else [in_place(settings).address()]
            for address in closing:
                connection = shared.connections.pop(address, None)
                try:
                    if connection is not None:
                        shared.portal.call(connection.close)
                except StoreError as error:  # one that cannot be closed must not keep the others open
                    log.warning("a store could not be closed in order", store=address.name, error=str(error))
            if not shared.connections:
                self.shared = None
                shared.portal.close()


_here: Final = _Here()


def connect(settings: Settings) -> Connection:
    """Return this process's connection to the store of `settings`, opened when it is first asked for.

    Raises:
        SettingsError: `store` is something Holdfast cannot open.
        StoreError: it cannot be opened.
    """
    return _here.connect(settings)


async def connect_without_blocking(settings: Settings) -> Connection:
    """As `connect`, for asynchronous code."""
    found = _here.find(settings)
    return found if found is not None else await asyncio.to_thread(_here.connect, settings)


def close_connections(settings: Settings | None = None) -> None:
    """Close the connection to the store of `settings`, or all of them; the next use opens them again."""
    _here.close(settings)


def _close_lock_files(path: Path) -> None:
    """Close every descriptor of the files beside the store that carry its locks."""
    with contextlib.suppress(OSError):  # a system that does not list them
        for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all it takes
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{entry}") in {f"{path}{suffix}" for suffix in _LOCK_FILES}:  # noqa: PTH115 - the same
                    os.close(int(entry))


_LOCK_FILES: Final = ("-turn", "-next", "-head")
