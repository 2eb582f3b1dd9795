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
from typing import TYPE_CHECKING, Any, Concatenate, Literal

import apsw

from holdfast.errors import HoldfastWarning, StoreError
from holdfast.ports.operations import Join, Leave
from holdfast.stores.sql import statements
from holdfast.stores.sql.reads import Parameters, Reads, Result
from holdfast.stores.sqlite import head, schema
from holdfast.stores.sqlite.connection import (
    FREE_BYTES_MIN,
    check_library,
    check_space,
    connect,
    connect_for_reading,
    connect_read_only,
    translated,
)
from holdfast.stores.sqlite.exporting import check_not_moved
from holdfast.stores.sqlite.places import head_file, presence_folder
from holdfast.stores.sqlite.presence import Presence
from holdfast.stores.sqlite.session import FileReader
from holdfast.stores.sqlite.turn import WAIT_SECONDS_MAX, Turn
from holdfast.stores.sqlite.write import INTAKE_SHARES, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.history import Codec
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.sql.session import Reader


class SQLiteStore(Reads):
    """Everything in one file. Belongs to the event loop it was opened on."""

    reads_at_once = True
    """See `Store.reads_at_once`."""
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
        self._sql = statements.load(__package__)
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
            if schema.migrate(connection, self._clock.now(), schema.load()):
                self._shorten_log(connection)
            check_not_moved(connection, self.path)
            self._reading = connect_for_reading(self.path)
            self._note_lost_tail(connection)
            self._writer = Writer(self.path, connection, self._clock, self._head, self._free_bytes_min)

    def _shorten_log(self, connection: apsw.Connection) -> None:
        """Have the log begin anew: it never gets shorter by itself, and a schema takes more of it than writes do."""
        with self._head.moving() as may_move, suppress(apsw.BusyError):
            if may_move:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _note_lost_tail(self, connection: apsw.Connection) -> None:
        """Keep the evidence, before the next commit writes over it."""
        known = head.read(self._head.path)
        number: int = connection.execute(self._sql["read_commit_number"]).get
        if known is not None and known.commit_number > number:
            connection.execute(self._sql["note_loss"], (self._clock.now(), known.commit_number, number))
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

    async def check_room(self) -> None:
        """Make sure that there is room for new work. Raises StoreFullError."""
        check_space(self.path, self._free_bytes_min * INTAKE_SHARES)

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

    async def _ask(
        self,
        read: Callable[Concatenate[Reader, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        with translated(self.path):
            return read(self._reader(), *args, **kwargs)

    def _reader(self) -> FileReader:
        if self._reading is None:
            raise StoreError(f"{self.path} is not open", "Open the store before reading, and close it last.")
        return FileReader(self._reading, self._sql)

    async def now(self) -> float:
        """Return the store's time, which never goes back."""
        with translated(self.path):
            stored: float = self._reader().value("read_now")
        self._latest = max(self._clock.now(), stored, self._latest)
        return self._latest
