"""The store on one SQLite file, as `holdfast.ports.store.Store`.

Owns: the files' life, the order turn - transaction - doorbell, where reads come from.
Must not know: what operations do.

Reads use a connection of their own: they see what is committed and never wait for a writer.

Writes run on the event loop's own thread. Handing them to a thread costs more than a small transaction does: thread
and loop pass the interpreter's lock back and forth, up to 5 ms each time. And the loop has little better to do while a
commit is in flight: most of what it would run waits for that commit.
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import apsw

from holdfast.errors import HoldfastWarning, StoreError
from holdfast.history import unchained
from holdfast.ports.operations import Join, Leave, RunFilter, Totals
from holdfast.stores.sqlite import (
    audit,
    captures,
    chunks,
    deliveries,
    executions,
    fan_outs,
    feed,
    head,
    inbox,
    keys,
    ledger,
    locks,
    log,
    members,
    notices,
    requests,
    schedules,
    schema,
    statements,
    tasks,
)
from holdfast.stores.sqlite.connection import (
    FREE_BYTES_MIN,
    check_library,
    check_space,
    connect,
    connect_for_reading,
    connect_read_only,
    translated,
)
from holdfast.stores.sqlite.places import head_file, presence_folder
from holdfast.stores.sqlite.presence import Presence
from holdfast.stores.sqlite.turn import WAIT_SECONDS_MAX, Turn
from holdfast.stores.sqlite.write import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.history import Codec, Page
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import (
        AuditEntry,
        AuditFilter,
        Changes,
        ChunkRecord,
        DeliveryFilter,
        DeliveryRecord,
        EntryRecord,
        FanOutRecord,
        FireRecord,
        InboxRow,
        ItemOutcome,
        KeyRecord,
        LockRecord,
        MemberRecord,
        Membership,
        NoticeRecord,
        Operation,
        PoolRecord,
        Position,
        QueueRecord,
        RunRecord,
        ScheduleRecord,
    )

_DUE = (executions, members, tasks, chunks, locks)
"""Modules whose rows become due."""


class SQLiteStore:
    """Everything in one file. Belongs to the event loop it was opened on."""

    codec: Codec | None = None
    """See `Store.codec`. A store keeps what it is given; whoever wraps it may encrypt."""

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        bus: Bus | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        free_bytes_min: int = FREE_BYTES_MIN,
        read_only: bool = False,
    ) -> None:
        """Name the file and how to treat it.

        Args:
            path: the database file; it is made when it is not there.
            clock: where the time comes from.
            bus: what to ring after a commit.
            synchronous: FULL waits for the disk at each commit. NORMAL does not: a power failure may take the newest
                commits, a crash of the program does not.
            wait_seconds_max: how long a write waits for its turn among the processes that share the file.
            free_bytes_min: how much free space there has to be for a write to begin.
            read_only: open a store that is there, and change nothing, whoever else is using it.
        """
        self._read_only = read_only
        self.path = Path(path).absolute()
        self._clock = clock
        self._bus = bus
        self._synchronous = synchronous
        self._free_bytes_min = free_bytes_min
        self._turn = Turn(self.path, wait_seconds_max)
        self._head = head.HeadFile(head_file(self.path))
        self._presence = Presence(presence_folder(self.path))
        self._connection: apsw.Connection | None = None
        self._reading: apsw.Connection | None = None
        self._writer: Writer | None = None
        self._latest = 0.0

    # --- Life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the file, or make it; bring its schema up to date.

        Raises:
            SchemaError: the file is newer than this program, or not a store.
            StoreError: it cannot be opened.
        """
        if self._writer is not None:
            return
        check_library()
        if self._read_only:
            self._open_for_reading()
            return
        if not self.path.parent.is_dir():
            raise StoreError(f"there is no directory {self.path.parent}", "Make it, or name another place.")
        check_space(self.path, self._free_bytes_min)
        try:
            self._turn.open()
            self._head.open()
        except OSError as error:
            self._close_files()
            raise StoreError(f"{self.path} cannot be opened: {error}", "Check the permissions.") from error
        try:
            await self._turn.take()
            try:
                self._open_connections()
            finally:
                self._turn.give()
        except BaseException:
            self._close_files()
            raise

    def _open_for_reading(self) -> None:
        if not self.path.is_file():
            raise StoreError(f"there is no store at {self.path}", "Name the database file.")
        with translated(self.path):
            connection = connect_read_only(self.path)
            try:
                schema.check(connection, schema.load())
            except BaseException:
                connection.close()
                raise
            self._reading = connection

    async def close(self) -> None:
        """Close the file. The last one to close it leaves one file without a write-ahead log."""
        if self._connection is not None and self._turn.take_now():
            try:
                with self._head.moving() as may_move:
                    self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, not may_move)
                    self._close_connections()
            finally:
                self._turn.give()
        self._close_files()

    def _open_connections(self) -> None:
        with translated(self.path):
            self._connection = connection = connect(self.path, self._synchronous)
            schema.migrate(connection, self._clock.now(), schema.load())
            self._reading = connect_for_reading(self.path)
            self._note_lost_tail(connection)
            self._writer = Writer(self.path, connection, self._clock, self._head, self._free_bytes_min)

    def _note_lost_tail(self, connection: apsw.Connection) -> None:
        """Keep the evidence, before the next commit writes over it."""
        known = head.read(self._head.path)
        number: int = connection.execute(statements.load()["read_commit_number"]).get
        if known is not None and known.commit_number > number:
            connection.execute(statements.load()["note_loss"], (self._clock.now(), known.commit_number, number))
            warnings.warn(
                f"{self.path} has lost its last {known.commit_number - number} commits; see: holdfast verify",
                HoldfastWarning,
                stacklevel=2,
            )

    def _close_connections(self) -> None:
        # The reader first: the last connection to close is the one that tidies up.
        self._writer = None
        for connection in (self._reading, self._connection):
            if connection is not None:
                connection.close()
        self._reading = self._connection = None

    def _close_files(self) -> None:
        self._close_connections()
        self._presence.close()
        self._head.close()
        self._turn.close()

    # --- Writes ------------------------------------------------------------------------------------------------------

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations` in order, in one durable transaction; return each one's result or HoldfastError.

        Raises:
            FencedError: the member has lost its lease; nothing was written, and the refusal was counted.
            StoreBusyError: another process kept the turn for too long.
            StoreFullError: the disk is full; nothing was written.
            StoreError: it could not be written.
        """
        turn = self._turn
        writer = self._open_writer()
        if not turn.take_now():
            await turn.take()
            writer = self._open_writer()
        try:
            results, rings = writer.write(operations, membership)
        finally:
            turn.give()
        for operation, result in zip(operations, results, strict=True):
            kind = type(operation)
            if kind is Join:
                self._presence.announce(result.member)
            elif kind is Leave and result is True:
                self._presence.withdraw(operation.membership.member)  # type: ignore[union-attr]  # `kind` says what it is
        if rings and self._bus is not None:
            self._bus.ring(rings)
        if writer.checkpoint_due:
            # Not now: first let those who wait for this write go on.
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, self._checkpoint)
        return results

    def _open_writer(self) -> Writer:
        if self._writer is None and self._read_only:
            raise StoreError(f"{self.path} was opened to be read only", "Open it without read_only to write.")
        if self._writer is None:
            raise StoreError(f"{self.path} is not open", "Open the store before writing, and close it last.")
        return self._writer

    def _checkpoint(self) -> None:
        writer = self._writer
        if writer is None or not writer.checkpoint_due or not self._turn.take_now():
            return
        try:
            # What went wrong here will go wrong again in a write, which has somebody to tell.
            with suppress(StoreError):
                writer.checkpoint()
        finally:
            self._turn.give()

    # --- Reads -------------------------------------------------------------------------------------------------------

    def _read(self) -> apsw.Connection:
        if self._reading is None:
            raise StoreError(f"{self.path} is not open", "Open the store before reading, and close it last.")
        return self._reading

    async def now(self) -> float:
        """Return the store's time, which never goes back."""
        with translated(self.path):
            stored: float = self._read().execute(statements.load()["read_now"]).get
        self._latest = max(self._clock.now(), stored, self._latest)
        return self._latest

    async def pages(self, execution_id: int, after: int = 0) -> list[Page]:
        """Return an execution's pages with events after event id `after`, in order."""
        with translated(self.path):
            return log.read_pages(self._read(), execution_id, after)

    async def blob(self, digest: bytes) -> bytes:
        """Return a payload stored by content hash.

        Raises:
            StoreCorruptError: it is missing or is not what was stored.
        """
        return await unchained(self._read_blob(digest), self.link)

    async def link(self, digest: bytes) -> bytes:
        """Return what is stored under a content hash, unresolved. Raises StoreCorruptError."""
        return self._read_blob(digest)

    def _read_blob(self, digest: bytes) -> bytes:
        with translated(self.path):
            return log.read_blob(self._read(), digest)

    async def inbox(self, membership: Membership) -> list[InboxRow]:
        """Return the unread messages of all executions the member owns, oldest first."""
        with translated(self.path):
            return inbox.read_member_inbox(self._read(), membership.member)

    async def execution_inbox(self, execution_id: int) -> list[InboxRow]:
        """Return the unread messages of one execution, oldest first."""
        with translated(self.path):
            return inbox.read_execution_inbox(self._read(), execution_id)

    async def run(self, run_id: str) -> RunRecord | None:
        """Return a run's newest execution; `run_id` may also name one execution, such as `ord-1@2`."""
        with translated(self.path):
            found = executions.find(self._read(), run_id)
            return None if found is None else executions.read(self._read(), found[0])

    async def execution(self, execution_id: int) -> RunRecord | None:
        """Return one execution."""
        with translated(self.path):
            return executions.read(self._read(), execution_id)

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return newest executions, newest first, and the cursor of the next page (None at the end).

        Raises:
            ValueError: the cursor is not one of ours.
        """
        with translated(self.path):
            wanted = where or RunFilter(workflow, (status,) if status else ())
            return executions.read_page(self._read(), wanted, cursor, limit)

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many runs `where` means, but no more than `limit`."""
        with translated(self.path):
            return executions.count_found(self._read(), where, limit)

    async def waiting(self, limit: int) -> int:
        """Return how many executions are ready to be claimed and nobody has, but no more than `limit`."""
        with translated(self.path):
            return executions.count_waiting(self._read(), limit)

    async def outcomes(self, fan_out_id: int, start: int, stop: int) -> list[ItemOutcome]:
        """Return the outcomes recorded for items `start` to `stop` (exclusive) of a fan-out, by index."""
        with translated(self.path):
            return fan_outs.read_outcomes(self._read(), fan_out_id, start, stop)

    async def fan_outs(self, execution_id: int) -> list[FanOutRecord]:
        """Return an execution's fan-outs."""
        with translated(self.path):
            return fan_outs.read_records(self._read(), execution_id)

    async def chunks(self, fan_out_id: int) -> list[ChunkRecord]:
        """Return the chunks of a fan-out that are not done yet."""
        with translated(self.path):
            return chunks.read_chunks(self._read(), fan_out_id)

    async def queue(self, execution_id: int) -> list[QueueRecord]:
        """Return an execution's queued tasks."""
        with translated(self.path):
            return tasks.read_queue(self._read(), execution_id)

    async def members(self) -> list[MemberRecord]:
        """Return all members that did not leave, newest first."""
        now = await self.now()
        with translated(self.path):
            return members.read(self._read(), now)

    async def pools(self) -> list[PoolRecord]:
        """Return every pool that has work or somebody to do it."""
        now = await self.now()
        with translated(self.path):
            return tasks.read_pools(self._read(), now)

    async def locks(self) -> list[LockRecord]:
        """Return every place in every lock's queue: by name, holders first, then in line."""
        with translated(self.path):
            return locks.read_locks(self._read())

    async def entry(self, name: str) -> EntryRecord | None:
        """Return a ledger entry."""
        with translated(self.path):
            return ledger.read_entry(self._read(), name)

    async def keys(self) -> list[KeyRecord]:
        """Return all API keys."""
        with translated(self.path):
            return keys.read_keys(self._read())

    async def newest_change(self) -> Position:
        """Return where a reader of changes stands who has read everything."""
        with translated(self.path):
            return feed.newest(self._read())

    async def changes(self, after: Position, limit: int) -> Changes:
        """Return how runs changed after a position, in order; `limit` pages of histories are looked at, at most."""
        with translated(self.path):
            return feed.read(self._read(), after, limit)

    async def audit(
        self, where: AuditFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[AuditEntry], str | None]:
        """Return entries of the audit log, newest first, and the cursor of the next page (None at the end).

        Raises:
            ValueError: the cursor is not one of ours.
        """
        with translated(self.path):
            return audit.read_page(self._read(), where, cursor, limit)

    async def deliveries(
        self, where: DeliveryFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[DeliveryRecord], str | None]:
        """Return deliveries to webhooks, newest first, without headers and bodies, and the next page's cursor.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        with translated(self.path):
            return deliveries.read_page(self._read(), where, cursor, limit)

    async def delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return a delivery with its headers and its body."""
        with translated(self.path):
            return deliveries.read(self._read(), delivery_id)

    async def schedules(self) -> list[ScheduleRecord]:
        """Return all schedules, by name."""
        with translated(self.path):
            return schedules.read_all(self._read())

    async def schedule(self, name: str) -> ScheduleRecord | None:
        """Return one schedule."""
        with translated(self.path):
            return schedules.read(self._read(), name)

    async def due_schedules(self, now: float, limit: int) -> list[ScheduleRecord]:
        """Return schedules that have to be looked at: their time has come by `now`, or one of their runs has ended."""
        with translated(self.path):
            return schedules.read_due(self._read(), now, limit)

    async def next_schedule(self) -> tuple[float | None, bool]:
        """Return when a schedule has to be looked at next, and whether the end of some run is a reason to, before."""
        with translated(self.path):
            return schedules.read_next(self._read())

    async def fires(self, schedule: str, limit: int) -> list[FireRecord]:
        """Return what was noted of a schedule's due times, newest first."""
        with translated(self.path):
            return schedules.read_fires(self._read(), schedule, limit)

    async def uncaptured(self, limit: int) -> list[RunRecord]:
        """Return executions that failed, timed out or are parked and are not marked captured, newest first."""
        with translated(self.path):
            return captures.read_uncaptured(self._read(), limit)

    async def notices(
        self, *, status: str = "", run_id: str = "", before: int | None = None, limit: int = 50
    ) -> list[NoticeRecord]:
        """Return notices, the newest first. See `Store.notices`."""
        with translated(self.path):
            return notices.read_notices(self._read(), status, run_id, before, limit)

    async def next_notice(self) -> float | None:
        """Return when the next notice is due, None when there is none."""
        with translated(self.path):
            return notices.next_due(self._read())

    async def answer(self, request_id: int) -> bytes | None:
        """Return the answer to a request, None while there is none."""
        with translated(self.path):
            return requests.read_answer(self._read(), request_id)

    async def next_wake(self, after: float) -> float | None:
        """Return the earliest time after `after` at which something becomes due: a timer, a retry, an expiry."""
        with translated(self.path):
            times = [module.next_wake(self._read(), after) for module in _DUE]
        return min((time for time in times if time is not None), default=None)

    async def totals(self) -> Totals:
        """Return counts over the whole store."""
        now = await self.now()
        with translated(self.path):
            refused: int = self._read().execute(statements.load()["read_refused"]).get
            ready = executions.count_waiting(self._read(), -1)
            late, late_seconds = executions.count_late(self._read(), now)
            return Totals(executions.count(self._read()), refused, ready, late, late_seconds)
