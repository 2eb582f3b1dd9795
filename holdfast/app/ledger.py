"""What scripts write to be safe: a ledger of what is done, and a lease on what is being done.

Owns: `Ledger`, `heartbeat_monitor`, the form of names and results.
Must not know: how leases are renewed, where the store is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final
from uuid import UUID

import msgspec

from holdfast.app import holdings
from holdfast.app.connection import Connection, close_connections, connect, connect_without_blocking
from holdfast.app.default_store import default_settings, in_place
from holdfast.app.holdings import Holding
from holdfast.app.renewals import START_SECONDS
from holdfast.app.settings import Settings, load_settings
from holdfast.authoring import HeldLock, PlainCodec, calling_place
from holdfast.errors import EncodeError, NondeterminismError, StoreError
from holdfast.history import identifier_problem
from holdfast.observe import logger
from holdfast.ports.runtime import current_runtime
from holdfast.ports.task import current_task

ID_CHARACTERS_MAX: Final = 1_000
"""Longest id of a ledger entry."""

log = logger("holdfast.app")


class Ledger:
    """What was done, once, by name: shared by every process that uses the same store.

    ```python
    db = Ledger()
    if not db.is_already_processed("invoice-17"):
        with heartbeat_monitor("invoice-17"):
            db.mark_done("invoice-17", send("invoice-17"))
    ```

    The connection is made when it is first needed, shared by all code of the process, and closed at its end.
    """

    def __init__(self, store: str | None = None) -> None:
        """Name the store, such as `sqlite:///holdfast.db`; None takes the one from the settings."""
        self._store = store
        self._settings: Settings | None = None

    def is_already_processed(self, id: str | int | UUID) -> bool:
        """Say whether `id` has a result. Raises StoreError."""
        _refuse_in_workflow("Ledger.is_already_processed()")
        connection = connect(self.settings())
        return connection.portal.call(connection.is_done, entry_name(id))

    def result(self, id: str | int | UUID) -> Any:
        """Return what was recorded for `id`, as JSON values; None when nothing was. Raises StoreError."""
        _refuse_in_workflow("Ledger.result()")
        connection = connect(self.settings())
        payload = connection.portal.call(connection.result, entry_name(id))
        return None if payload is None else msgspec.json.decode(payload)

    def mark_done(self, id: str | int | UUID, result: Any = None) -> None:
        """Record that `id` is done, for good.

        Inside a `heartbeat_monitor` of the same id, the lease counts: a result is refused when the lease was lost and
        somebody else does the work now. Without one the first writer wins.

        Args:
            id: what is done.
            result: any value that has a JSON form.

        Raises:
            LeaseLost: the lease was lost; nothing was written.
            AlreadyProcessed: it was done before; nothing was written.
            LeaseHeld: somebody else has a lease on it, and this code has none.
            EncodeError: `result` has no JSON form; nothing was written.
            StoreError: it is not known whether it was written; doing it again is harmless.
        """
        _refuse_in_workflow("Ledger.mark_done()")
        name = entry_name(id)
        payload = PlainCodec(f"the result of {name!r}").encode(result)
        connection = connect(self.settings())
        holding = holdings.find(connection.address, name)
        lease = None if holding is None else holding.lease
        connection.portal.call(connection.finish_entry, name, payload, lease)
        if holding is not None:
            holding.over = True

    def close(self) -> None:
        """Close this process's connection to the store; the next use opens it again."""
        close_connections(self.settings())

    def settings(self) -> Settings:
        """Return the settings that name the store. Raises SettingsError."""
        if self._store is None:
            return default_settings()
        if self._settings is None:
            self._settings = in_place(load_settings(store=self._store))
        return self._settings

    def __repr__(self) -> str:
        return f"Ledger({self._store!r})" if self._store is not None else "Ledger()"


def heartbeat_monitor(id: str | int | UUID, *, ledger: Ledger | None = None) -> HeartbeatMonitor:
    """Have `id` to oneself for the length of a block, `with` or `async with`.

    On entering, `id` is leased, and the ledger is read again under the lease. The lease is renewed from outside this
    process's threads, so that it lasts however busy the code in the block is; when the process dies or is stopped, it
    runs out, and somebody else can do the work. `Ledger.mark_done` ends it. So does leaving the block.

    In a task, entering waits for as long as one lease lasts while somebody has `id`: a worker that was killed just now
    looks alive until then.

    Args:
        id: what is about to be done.
        ledger: the ledger that has it; the one in the store of the settings by default.

    Raises:
        AlreadyProcessed: on entering, when it is done.
        LeaseHeld: on entering, when somebody who is alive has it.
        StoreError: on entering.
    """
    return HeartbeatMonitor(entry_name(id), ledger if ledger is not None else Ledger())


class HeartbeatMonitor:
    """A lease on an entry for the length of a block; made by `heartbeat_monitor`."""

    __slots__ = ("_entered", "_ledger", "_name")

    def __init__(self, name: str, ledger: Ledger) -> None:
        """Use `heartbeat_monitor`."""
        self._name = name
        self._ledger = ledger
        self._entered: list[Holding] = []

    def __enter__(self) -> HeldLock:
        """Lease the entry; return the lease's token."""
        _refuse_in_workflow("heartbeat_monitor()")
        connection = connect(self._ledger.settings())
        patience = 0.0 if _has_loop() else _patience(connection)  # whoever runs on a loop must not keep it waiting
        lease = connection.portal.call(connection.open_entry, self._name, _holder(), patience)
        return self._enter(Holding(connection.address, lease))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the entry back, unless it was marked done."""
        holding = self._leave()
        if holding is not None:
            with _giving_back(self._name):
                connection = connect(self._ledger.settings())
                connection.portal.call(connection.close_entry, holding.lease)

    async def __aenter__(self) -> HeldLock:
        """Lease the entry; return the lease's token."""
        _refuse_in_workflow("heartbeat_monitor()")
        connection = await connect_without_blocking(self._ledger.settings())
        lease = await connection.portal.wait(connection.open_entry, self._name, _holder(), _patience(connection))
        return self._enter(Holding(connection.address, lease))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the entry back, unless it was marked done."""
        holding = self._leave()
        if holding is not None:
            with _giving_back(self._name):
                connection = await connect_without_blocking(self._ledger.settings())
                # Shielded: a task that is cancelled while it leaves must not keep the entry.
                await asyncio.shield(connection.portal.wait(connection.close_entry, holding.lease))

    def _enter(self, holding: Holding) -> HeldLock:
        self._entered.append(holding)
        holdings.enter(holding)
        return HeldLock(self._name, holding.lease.token)

    def _leave(self) -> Holding | None:
        """Return what is to be given back."""
        holding = self._entered.pop()
        holdings.leave(holding)
        return holding if holding.is_ours and not holding.over else None


def entry_name(id: str | int | UUID) -> str:
    """Return the name of the ledger entry of `id`.

    Raises:
        TypeError: it is neither text, a whole number nor a UUID.
        ValueError: it is empty or too long.
        EncodeError: it is no Unicode text, has a NUL in it, or is too long in UTF-8.
    """
    given: Any = id  # whatever the annotation says
    if not isinstance(given, str | int | UUID) or isinstance(given, bool):
        raise TypeError(f"{given!r} is no id: it takes text, a whole number or a UUID, not {type(given).__name__}")
    name = str(id)
    if not 0 < len(name) <= ID_CHARACTERS_MAX:
        raise ValueError(
            f"an id has 1 to {ID_CHARACTERS_MAX:,} characters (ID_CHARACTERS_MAX), and this has {len(name):,}"
        )
    if problem := identifier_problem(name):
        raise EncodeError(f"the id {name[:80]!r}", f"it {problem}")
    return name


def _refuse_in_workflow(call: str) -> None:
    if current_runtime.get(None) is not None:
        raise NondeterminismError(
            call, calling_place(), "use it in a task. A workflow needs none: its run id is its ledger."
        )


def _holder() -> str:
    here = f"{socket.gethostname()}:{os.getpid()}"
    context = current_task.get(None)
    return here if context is None else f"{context.info.execution}/{context.info.step} on {here}"


def _patience(connection: Connection) -> float:
    if current_task.get(None) is None:
        return 0.0
    return max(connection.settings.lease_seconds, START_SECONDS)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _giving_back(name: str) -> Iterator[None]:
    # What could not be given back runs out by itself. It must not take the place of what the block has to say.
    try:
        yield
    except StoreError as error:
        log.warning("a lease could not be given back; it will run out", lease=name, error=str(error))
