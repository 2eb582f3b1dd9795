"""One write: all its operations in one durable transaction.

Owns: where a transaction begins and ends, what happens to one that was undone or whose end nobody knows.
Must not know: what operations do.

Theory of operation
===================

    begin    take the lock that says who may write beside whom; check the member that writes; read the time: one journey
    operate  call each operation's handler; a HoldfastError it raises is its result
    commit   leave a mark; wait for the disk

**Who writes beside whom.** Each transaction takes one advisory lock of the schema first. One whose operations are all
in `shared.SHARED` shares it; any other has it alone, and then there is no other writer at all, as on SQLite. One that
shares it and comes to something for which it has to be alone is undone and carried out again, alone.

**Fencing.** Transactions of one member follow one another: each takes a lock of that member too. Only a transaction
that is alone takes anything away from a member. So a member that was found alive at the beginning of its transaction
is so at its end, and what is remembered of it (see `sql/log.py`) stays right in between.

**Once.** A transaction leaves a mark, a row in `marks`, with its last statement. When the connection is lost on the way
there, the transaction is gone. When it is lost while the commit is on its way, it may be either: so the next attempt
begins by leaving the mark that the first one left, or is about to leave. It waits there for the first one to end, finds
the mark (and then that one's results are those of the write) or has it now (and then the first one can never commit).

**Time** is the database's, read once for each transaction. Marks say what time it was when others wrote: so it never
goes back, for nobody, and no row is written by everyone.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import FencedError, HoldfastError, StoreError
from holdfast.ports.operations import Append, StartNext, StartRun
from holdfast.stores.postgres import shared
from holdfast.stores.postgres.ahead import Ahead, encode_texts
from holdfast.stores.postgres.bridge import across, wait
from holdfast.stores.postgres.connection import Connection, Patience, close, connect_patiently, told
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.foresight import decide, foresee
from holdfast.stores.postgres.locks import member_lock, name_locks, schema_lock
from holdfast.stores.postgres.opening import begin, foresee_opening
from holdfast.stores.postgres.plan import BESIDE_HISTORIES, names_of
from holdfast.stores.postgres.session import EscalationError, ForesightError, ServerSession, raise_misremembered
from holdfast.stores.sql import lines
from holdfast.stores.sql.handlers import handlers
from holdfast.stores.sql.log import Log
from holdfast.stores.sql.session import MisrememberedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.postgres.address import Address
    from holdfast.stores.postgres.outage import Outage
    from holdfast.stores.sql.session import Handler, Session

UNDONE_MAX: Final = 20
"""How often a write is carried out again because others undid it."""

MARKS_KEPT_SECONDS: Final = 120.0
"""How long a mark is kept: far longer than a lost commit may be on its way."""
MARKS_ORPHANED_SECONDS: Final = 3_600.0
"""How old a mark is that whoever left it is no longer there to drop."""
MARKS_SWEPT_SECONDS: Final = 20.0
"""How often one store object drops old marks."""

# Where a connection knows nothing by name, as text: several statements at a time have no bindings.
_LEAVE: Final = (
    # Whoever changed nothing leaves nothing: looking in vain for work is free of disk writes.
    "INSERT INTO marks (writer, number, attempt, at) SELECT {0}, {1}, {2}, {3} "
    "WHERE pg_current_xact_id_if_assigned() IS NOT NULL;COMMIT"
)
_LEFT: Final = "UPDATE marks SET at = {3} WHERE writer = {0} AND number = {1};COMMIT"

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


@dataclass(slots=True)
class _Outcome:
    """What came of a transaction, if it was committed."""

    results: list[Any]
    rings: set[str]
    refusal: FencedError | None = None


@dataclass(slots=True)
class _Write:
    """One write, over all its attempts."""

    operations: Sequence[Operation]
    membership: Membership | None
    is_shared: bool
    number: int
    is_blind: bool = False
    """Whether it goes without foresight."""
    attempt: int = 0
    sent: dict[int, _Outcome] = field(default_factory=dict)
    """Attempts whose commit was sent and never answered, and what they would come to."""


class Writer:
    """The write half of one store object: one connection, on which one transaction follows another."""

    def __init__(
        self, address: Address, sql: Mapping[str, str], clock: Clock | None, patience_seconds: float, outage: Outage
    ) -> None:
        """Write to the store at `address`; with a `clock` by that, else by the database's."""
        self._address = address
        self._outage = outage
        self._sql = sql
        self._shared_sql = {name: f"{text} {shared.LOCKING.get(name, '')}".rstrip() for name, text in sql.items()}
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._log = Log()
        self._handlers: Mapping[type, Handler] = {**handlers(), StartNext: self._log.start_next}
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._ahead: Ahead | None = None
        self._writer = secrets.randbits(62)
        self._number = 0
        self._swept = 0.0
        """When old marks were dropped last, by the event loop's clock."""
        self._is_closed = False
        self._lock = schema_lock(address.schema)
        self._told = told(address)

    async def open(self, patience: Patience) -> Connection:
        """Connect; return the connection. Raises StoreError."""
        self._swept = asyncio.get_running_loop().time()  # there are none yet
        return await self._connect(patience)

    async def close(self) -> None:
        """Close the connection, once the write under way is done."""
        async with self._turn:
            self._is_closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                await close(connection)

    async def write(self, operations: Sequence[Operation], membership: Membership | None) -> tuple[list[Any], set[str]]:
        """Carry out `operations`; return their results and what to ring.

        Raises:
            FencedError: the member has lost its lease; nothing was written, and the refusal was counted.
            StoreError: it could not be written.
        """
        async with self._turn:
            if self._is_closed:
                raise StoreError(f"{self._address} was closed", "Close the store last.")
            self._number += 1
            write = _Write(operations, membership, all(map(shared.may_share, operations)), self._number)
            outcome = await self._persist(write)
        if self._outage.is_told:
            self._outage.end()
        if outcome.refusal is not None:
            raise outcome.refusal
        return outcome.results, outcome.rings

    # --- Until it is done ---------------------------------------------------------------------------------------------

    async def _persist(self, write: _Write) -> _Outcome:
        """Carry out a write until it is done, or until it is known that it cannot be."""
        patience = Patience(self._address, self._patience_seconds, self._outage)
        undone = 0
        while True:
            connection = await self._connect(patience)
            write.attempt += 1
            try:
                return await across(self._transact, connection, write)
            except EscalationError:
                await self._undo(connection)
                write.is_shared = False
            except ForesightError:
                await self._undo(connection)
                write.is_blind, write.is_shared = True, False
            except MisrememberedError as error:
                await self._undo(connection)
                undone = self._count_undone(undone, error)
            except Exception as error:
                await self._undo(connection)
                match judge(error):
                    case Verdict.OTHER:
                        raise
                    case Verdict.UNDONE:
                        undone = self._count_undone(undone, error)
                    case Verdict.FINAL:
                        raise translate(error, self._address) from error
                    case Verdict.LOST | Verdict.LATER:
                        await patience.wait(error)
            except BaseException:
                self._abandon(connection)
                raise

    def _count_undone(self, undone: int, error: Exception) -> int:
        if undone >= UNDONE_MAX:
            raise StoreError(
                f"{self._address}: a write was undone {undone} times in a row: {error}",
                "Other writes get in its way all the time. The server's log says which.",
            ) from error
        return undone + 1

    async def _connect(self, patience: Patience) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = None
            self._connection = await connect_patiently(self._address, patience, purpose="writes")
            self._ahead = Ahead(self._connection, self._shared_sql)
        return self._connection

    async def _undo(self, connection: Connection) -> None:
        """End a transaction that failed, so that nothing of it is left on the connection or in memory."""
        self._log.undo()
        if self._ahead is not None:
            self._ahead.forget()
        if connection.is_closed():
            return
        try:
            await connection.execute("ROLLBACK")
        except asyncio.CancelledError:
            self._abandon(connection)
            raise
        except Exception:  # noqa: BLE001 - what it says does not matter: the server undoes it as well
            self._abandon(connection)

    def _abandon(self, connection: Connection) -> None:
        """Drop a connection in the middle of something; the server undoes what was not committed."""
        self._log.undo()
        with suppress(Exception):
            connection.terminate()

    # --- The transaction: called across the bridge --------------------------------------------------------------------

    def _transact(self, connection: Connection, write: _Write) -> _Outcome:
        membership = write.membership
        clock = None if self._clock is None else self._clock.now()
        plan = None if write.is_blind else decide(write.operations, membership, is_shared=write.is_shared)
        ahead = self._ahead
        assert ahead is not None, "it came with the connection"
        ahead.begin(self._first_words(write))
        if write.sent:
            known = self._mark(connection, write)
            if known is not None:
                wait(connection.execute("ROLLBACK"))
                return known
        opening = begin(connection, self._sql, write.operations, membership, clock, plan)
        grip, now = opening.grip, opening.now
        allowed, sql = (shared.STATEMENTS, self._shared_sql) if write.is_shared else (None, self._sql)
        session = ServerSession(
            connection,
            sql,
            now,
            membership,
            grip or 0,
            self._carry_out,
            allowed,
            opening.page,
            ahead=None if self._address.is_pooled else ahead,
            is_timed=clock is None,
        )
        if membership is not None and grip is None:
            session.run("count_refused", (membership.member, 1))
            refusal = FencedError(f"a write of {len(write.operations)} operations by member {membership.member}")
            return self._commit(session, connection, write, _Outcome([], set(), refusal))
        self._log.begin(session, 0)
        if not write.is_blind:
            foresee_opening(session, opening)
        if plan is not None:
            foresee(session, plan, opening)
        results = self._operate(session, write.operations)
        self._log.flush()
        lines.leave_touched(session)
        _count_refused(session, results)
        session.check_done()
        return self._commit(session, connection, write, _Outcome(results, session.rings))

    def _first_words(self, write: _Write) -> bytes:
        """Return what begins a transaction and takes its locks."""
        if not write.is_shared:
            return _begin_words(*self._told, f"pg_advisory_xact_lock({self._lock})")
        wanted: list[tuple[int, int]] = []
        if write.membership is not None:
            wanted.append(member_lock(self._address.schema, write.membership.member))
        if names := names_of(write.operations):
            wanted += name_locks(self._address.schema, names)
        others = (f"pg_advisory_xact_lock({space}, {key})" for space, key in wanted)
        return _begin_words(*self._told, f"pg_advisory_xact_lock_shared({self._lock})", *others)

    def _mark(self, connection: Connection, write: _Write) -> _Outcome | None:
        """Leave the mark of this write first; return the outcome of the attempt that left it before, if one did."""
        mark = (self._writer, write.number)
        if wait(connection.fetchval(self._sql["leave_mark"], *mark, write.attempt)) is None:
            return write.sent[wait(connection.fetchval(self._sql["read_mark"], *mark))]
        return None

    def _commit(self, session: ServerSession, connection: Connection, write: _Write, outcome: _Outcome) -> _Outcome:
        """End the transaction. Raises MisrememberedError."""
        try:
            self._sweep(connection, session.now)
            session.send()
            write.sent[write.attempt] = outcome
            self._end(connection, write, session.now)
        except Exception as error:
            if judge(error) is not Verdict.LOST:
                write.sent.pop(write.attempt, None)  # the server answered: it is undone
            raise_misremembered(error)
            raise
        return outcome

    def _end(self, connection: Connection, write: _Write, now: float) -> None:
        """Leave the mark of a write, and end the transaction."""
        is_left = len(write.sent) > 1
        mark = (self._writer, write.number, write.attempt, now)
        assert self._ahead is not None, "as above"
        if self._address.is_pooled:
            wait(connection.execute((_LEFT if is_left else _LEAVE).format(*map(repr, mark))))
        else:
            self._ahead.mark("keep_mark" if is_left else "mark_change", *mark)
            self._ahead.commit()

    def _sweep(self, connection: Connection, now: float) -> None:
        """Drop old marks, from time to time."""
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._swept > MARKS_SWEPT_SECONDS:
            self._swept = loop_time
            wait(connection.execute(self._sql["drop_marks"], self._writer, now - MARKS_KEPT_SECONDS))
            wait(connection.execute(self._sql["drop_orphaned_marks"], now - MARKS_ORPHANED_SECONDS))

    def _operate(self, session: Session, operations: Sequence[Operation]) -> list[Any]:
        log, others = self._log, self._handlers
        append, start = log.append, log.start
        results: list[Any] = []
        for operation in operations:
            kind = type(operation)
            result: Any
            try:
                if kind is Append:
                    result = append(session, operation)  # type: ignore[arg-type]  # `kind` says what it is
                elif kind is StartRun:
                    result = start(session, operation)  # type: ignore[arg-type]  # as above
                else:
                    if kind not in BESIDE_HISTORIES:
                        log.flush()
                    result = others[kind](session, operation)
                    log.settle()
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


@lru_cache
def _begin_words(*calls: str) -> bytes:
    """Return what begins a transaction and makes calls one after the other, none of which gives NULL."""
    return encode_texts(_BEGIN, "SELECT WHERE " + " OR ".join(f"{each} IS NULL" for each in calls))


def _count_refused(session: Session, results: list[Any]) -> None:
    """Count the operations that were refused because their author no longer owns what they change."""
    refused = sum(type(result) is FencedError for result in results)
    if refused and session.membership is not None:
        session.run("count_refused", (session.membership.member, refused))
