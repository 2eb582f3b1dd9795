"""One write: all its operations in one durable transaction.

Owns: where a transaction begins and ends, the table `meta`, the chain of commits, when to checkpoint.
Must not know: the turn, the event loop.

Theory of operation
===================

    begin    take SQLite's write lock; read the one row of `meta`; check the member that writes
    operate  call each operation's handler; a HoldfastError it raises is its result
    seal     write the pages; chain their hashes to the head of the commit before; write `meta`
    commit   wait for the disk; write commit number and head to the side file

A write that changed nothing commits nothing: looking in vain for work is free of disk writes.

StartRun and Append take a shorter way, past the table of handlers: they are nearly all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import apsw

from holdfast.errors import FencedError, HoldfastError, StoreError, StoreFullError
from holdfast.ports.operations import Append, Ask, Deliver, NoteDelivery, StartNext, StartRun
from holdfast.stores.sql import lines, statements
from holdfast.stores.sql.handlers import handlers
from holdfast.stores.sql.log import Log
from holdfast.stores.sql.session import MisrememberedError
from holdfast.stores.sqlite import head
from holdfast.stores.sqlite.connection import FREE_BYTES_MIN, check_space, free_bytes, translate
from holdfast.stores.sqlite.session import FileSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.sql.session import Handler, Session

CHECKPOINT_PAGES: Final = 1_000
"""A checkpoint is due when the write-ahead log has this many pages (4 MiB) more than the last one left in it.

Measured at 65,000 steps/s: 16 ms each, 6 % of the time; with four times as many pages 56 ms each, 5 % of the time.
"""

SPACE_CHECKED_EVERY: Final = 16
"""Free space is looked at before one write in so many, and before each while it is too little."""
INTAKE: Final = frozenset({StartRun, StartNext, Deliver, Ask, NoteDelivery})
INTAKE_SHARES: Final = 2
"""New work is taken only while there is so many times the least free space: what has begun goes on in the rest."""


class Writer:
    """The write half of one store object. Call it only while holding the turn."""

    __slots__ = (
        "_checkpoint_at",
        "_clock",
        "_connection",
        "_handlers",
        "_head",
        "_is_narrow",
        "_log",
        "_path",
        "_sql",
        "_unchecked",
        "_wal_pages",
        "free_bytes_min",
    )

    def __init__(
        self,
        path: Path,
        connection: apsw.Connection,
        clock: Clock,
        side_file: head.HeadFile,
        free_bytes_min: int = FREE_BYTES_MIN,
    ) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        self._head = side_file
        self._sql = statements.load(__package__)
        self._log = Log()
        self._handlers: Mapping[type, Handler] = {**handlers(), StartNext: self._log.start_next}
        self._unchecked = 0
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.free_bytes_min = free_bytes_min
        self._is_narrow = False
        connection.set_wal_hook(self._note_wal)

    @property
    def checkpoint_due(self) -> bool:
        """Whether the write-ahead log has grown enough."""
        return self._wal_pages >= self._checkpoint_at

    def write(self, operations: Sequence[Operation], membership: Membership | None) -> tuple[list[Any], set[str]]:
        """Carry out `operations`; return their results and what to ring.

        Raises:
            FencedError: the member has lost its lease; nothing was written, and the refusal was counted.
            StoreError: it could not be written.
        """
        self._check_space()
        try:
            try:
                return self._transact(operations, membership)
            except (apsw.ConstraintError, MisrememberedError):
                # What was remembered about some execution was wrong after all. It is forgotten now.
                return self._transact(operations, membership)
        except apsw.Error as error:
            raise translate(error, self._path) from error

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the database, as far as readers allow."""
        try:
            with self._head.moving() as may_move:
                if not may_move:
                    self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES
                    return
                in_log, moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            raise translate(error, self._path) from error
        # All moved: the next write begins the log anew. Else it only grows, and there is more to move later.
        self._wal_pages = 0 if moved == in_log else in_log
        self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES

    def _transact(self, operations: Sequence[Operation], membership: Membership | None) -> tuple[list[Any], set[str]]:
        connection, sql = self._connection, self._sql
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            changes = connection.total_changes()
            number, previous, then, token = execute(sql["read_meta"]).get
            now = max(self._clock.now(), then)
            grip = 0
            if membership is not None:
                found = execute(sql["check_member"], (membership.member, membership.epoch)).fetchone()
                if found is None:
                    raise self._refuse(membership, len(operations), (number, previous, now, token))
                grip = found[0]
            session = FileSession(connection, sql, now, token, membership, grip, self._carry_out)
            self._log.begin(session, number + 1)
            results = self._operate(session, operations)
            self._log.flush()
            lines.leave_touched(session)
            refused = _count_refused(session, results)
            if connection.total_changes() != changes or session.token != token or refused:
                hashes = self._log.hashes
                number, newest = number + 1, head.chain(previous, number + 1, hashes) if hashes else previous
                execute(sql["write_meta"], (number, newest, now, session.token, refused))
                execute("COMMIT")
                self._head.write(number, newest)
            else:
                execute("COMMIT")
        except BaseException:
            self._log.undo()
            if connection.in_transaction:
                execute("ROLLBACK")
            raise
        return results, session.rings

    def _operate(self, session: Session, operations: Sequence[Operation]) -> list[Any]:
        log, others = self._log, self._handlers
        append, start = log.append, log.start
        results: list[Any] = []
        for operation in operations:
            kind = type(operation)
            result: Any
            try:
                if self._is_narrow and kind in INTAKE:
                    self._check_intake()
                if kind is Append:
                    result = append(session, operation)  # type: ignore[arg-type]  # `kind` says what it is
                elif kind is StartRun:
                    result = start(session, operation)  # type: ignore[arg-type]  # as above
                else:
                    log.flush()
                    result = others[kind](session, operation)
                    log.settle()
            except StoreFullError as refusal:
                result = refusal.with_traceback(None)
            except StoreError:
                raise
            except HoldfastError as refusal:
                result = refusal.with_traceback(None)
            results.append(result)
        if session.endings or session.called_off:
            log.settle()
        return results

    def _carry_out(self, session: Session, operation: Operation) -> Any:
        (result,) = self._operate(session, (operation,))
        return result

    def _refuse(self, membership: Membership, operations: int, meta: tuple[int, bytes, float, int]) -> FencedError:
        """Count a refused write, in the transaction that found out, which holds nothing else."""
        execute, sql = self._connection.execute, self._sql
        number, newest, now, token = meta
        execute(sql["count_refused"], (membership.member, 1))
        execute(sql["write_meta"], (number + 1, newest, now, token, 1))
        execute("COMMIT")
        self._head.write(number + 1, newest)
        return FencedError(f"a write of {operations} operations by member {membership.member}")

    def _check_space(self) -> None:
        if self._unchecked <= 0:
            check_space(self._path, self.free_bytes_min)
            self._is_narrow = free_bytes(self._path) < self.free_bytes_min * INTAKE_SHARES
            self._unchecked = SPACE_CHECKED_EVERY
        self._unchecked -= 1

    def _check_intake(self) -> None:
        if self._is_narrow:
            check_space(self._path, self.free_bytes_min * INTAKE_SHARES)
            self._is_narrow = False

    def _note_wal(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK


def _count_refused(session: Session, results: list[Any]) -> int:
    """Count the operations that were refused because their author no longer owns what they change."""
    refused = 0
    for result in results:
        if type(result) is FencedError:
            refused += 1
    if refused and session.membership is not None:
        session.run("count_refused", (session.membership.member, refused))
    return refused
