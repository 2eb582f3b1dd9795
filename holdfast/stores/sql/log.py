"""Histories: started, appended to, closed, read back.

Owns: the tables `events` and `tips`; what a history's author changes about its execution; the grip of members.
Must not know: what events mean, how a transaction begins and ends.

Theory of operation
===================

An append is conditional: the writing member owns the execution, and the page follows the last event. Asking the
database costs a third of the whole append, so each store object remembers what the members that write through it own:
execution -> last event. It may do so as long as it has the member's *grip*, a number in the member's row that is read
in every transaction anyway:

- a store object that begins to remember puts its own number there, and nobody else's memory counts any more;
- whoever takes an execution away otherwise than by its owner's own act (a reaper, a poisonous chunk) puts 0 there;
- what the owner does itself (start, append, close, release) it does to both.

A transaction that is undone takes all memory with it. Behind all of this stands the tip, the row that says where an
open execution's history ends: it moves from the event before to the event after, or the transaction is undone.

Measured with apsw 3.54 on one core of a small cloud machine, batches of 500, microseconds of CPU an append, everything
in: conditional INSERT ... SELECT with changes() 6.9, remembered and executemany 4.2. An index by execution instead of
tips costs the same on short histories; on 500 histories of 400 pages a commit wrote 325 pages of 4 KiB with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import FencedError, InboxUnreadError, LockLost, RunConflictError, StoreCorruptError
from holdfast.history import Page, blob_digest
from holdfast.ports.bus import CLOSED, RUNS
from holdfast.ports.operations import PARKED, PAUSED, Started
from holdfast.stores.ending import decide_cancellation, decide_termination, decide_time_out
from holdfast.stores.sql import children, executions, notices, parts, pruning, successors

if TYPE_CHECKING:
    from holdfast.ports.operations import Append, Closing, Overtaken, StartNext, StartRun
    from holdfast.stores.sql.session import Reader, Session

HELD_MAX: Final = 500_000
"""How many executions one store object remembers for one member; about 100 bytes each."""

_HASH: Final = 7
"""Where a row for `append_page` has its hash."""


class _Held:
    """What one member owns, as this store object knows it."""

    __slots__ = ("last", "marks", "recovering")

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, int]] = {}
        """Execution to id of its last event and seq of its last page: its tip."""
        self.marks: dict[int, int] = {}
        """Execution to marks of `parts`, where there are any."""
        self.recovering: set[int] = set()
        """Executions with recoveries to be forgotten once they are stable."""

    def forget(self, execution_id: int) -> None:
        self.last.pop(execution_id, None)
        self.marks.pop(execution_id, None)
        self.recovering.discard(execution_id)


class Log:
    """The histories, as one store object writes them."""

    __slots__ = (
        "_begun",
        "_commit_number",
        "_ended",
        "_held",
        "_members",
        "_moved",
        "_nonce",
        "_pages",
        "_session",
        "hashes",
    )

    def __init__(self) -> None:
        self._nonce = secrets.randbits(62) + 1
        self._members: dict[int, _Held] = {}
        self._pages: list[tuple[Any, ...]] = []
        self._begun: list[tuple[int, int, int]] = []
        self._moved: dict[int, tuple[int, int, int, int]] = {}
        """Execution to the move of its tip, one from where it was before the transaction or after the last flush."""
        self._ended: list[tuple[int, int]] = []
        self.hashes: list[bytes] = []
        """Hashes of the pages this transaction appended and flushed, in order."""

    def begin(self, session: Session, commit_number: int) -> None:
        """Begin a transaction."""
        self._session = session
        self._commit_number = commit_number
        self._held: _Held | None = None
        self.hashes = []

    def undo(self) -> None:
        """Forget a transaction that was undone, and everything that may have been learned in it."""
        self._members.clear()
        for collected in (self._pages, self._begun, self._moved, self._ended):
            collected.clear()

    def flush(self) -> None:
        """Write the pages and tips collected so far.

        Raises:
            MisrememberedError: what was remembered about some execution is not so.
        """
        if not self._pages and not self._ended:
            return
        session = self._session
        self.hashes += [page[_HASH] for page in self._pages]
        pages, begun, moved, ended = self._pages, self._begun, list(self._moved.values()), self._ended
        self._pages, self._begun, self._ended = [], [], []
        self._moved.clear()
        # In this order: an execution may begin, move and end in one transaction.
        for name, rows in (("append_page", pages), ("begin_tip", begun), ("move_tip", moved), ("end_tip", ended)):
            if rows:
                session.expect(name, rows)

    def settle(self) -> None:
        """Take note of what other operations of the same transaction did to what is remembered."""
        session = self._session
        if session.disowned:
            if session.grip != self._nonce:
                session.run("loosen_grip", (session.member,))  # another store object remembers them
            elif session.member in self._members:
                held = self._members[session.member]
                for execution_id in session.disowned:
                    held.forget(execution_id)
            session.disowned.clear()
        if session.loosened:
            for member in session.loosened:
                self._members.pop(member, None)
            if session.membership is not None and session.membership.member in session.loosened:
                session.grip = 0
                self._held = None
            session.loosened.clear()
        while session.endings or session.called_off or session.expired or session.moved_away:
            self.flush()  # children of one that ends may have to end too
            moved_away, session.moved_away = session.moved_away, []
            for execution_id, page, closing in moved_away:
                self._end(session, execution_id, partial(_as_it_was_said, page, closing))
            called_off, session.called_off = session.called_off, []
            for execution_id, reason in called_off:
                self._end(session, execution_id, partial(decide_cancellation, session.now, reason))
            endings, session.endings = session.endings, []
            for execution_id, reason in dict(reversed(endings)).items():  # the first reason counts
                self._end(session, execution_id, partial(decide_termination, session.now, reason))
            expired, session.expired = session.expired, []
            for execution_id in expired:
                self._end(session, execution_id, partial(decide_time_out, session.now))

    def start(self, session: Session, operation: StartRun) -> Started:
        """Create the first execution of a run, or find the run.

        Raises:
            RunConflictError: the id has another workflow or input.
            LockLost: a place that it is to take over is not held any more.
            HistoryError: a fan-out whose outcomes it is to have was pruned.
        """
        run_id, page = operation.run_id, operation.page
        if page.first != 1:
            raise ValueError(f"the first page of run {run_id!r} starts with event {page.first}")
        held = self._held or self._hold() if operation.own else None
        try:
            leased = parts.find_leased(session, operation) if operation.places else []
        except LockLost:
            if session.row("started_before", (run_id,)) is None:
                raise
            return self._started_before(session, operation)  # it has them itself: this start is repeated
        if operation.fan_outs:
            pruning.check_outcomes(session, operation.fan_outs)
        execution_id = session.insert(
            "start_execution",
            (
                run_id,
                operation.workflow,
                operation.input_digest,
                operation.code_version,
                session.now,
                None if held is None else session.member,
                held is None,
            ),
        )
        if execution_id is None:
            return self._started_before(session, operation)
        if leased or operation.fan_outs or operation.notices:
            marks = parts.take_over(session, execution_id, operation, leased)
            session.later("set_parts", (execution_id, marks))
            if held is not None:
                held.marks[execution_id] = marks
        if operation.blobs:
            pruning.keep_payloads(session, execution_id, operation.blobs)
        seq = self._add(execution_id, 0, page)
        self._begun.append((execution_id, page.last, seq))
        if operation.deadline:
            session.later("put_deadline", (execution_id, operation.deadline))
        if operation.start_at > session.now:
            session.later("schedule_execution", (execution_id, operation.start_at))
        if operation.pin:
            session.run("pin_execution", (execution_id, operation.pin))
        if operation.attributes or operation.memo:
            executions.put_notes(session, execution_id, operation)
        if held is None:
            session.rings.add(RUNS)
        else:
            held.last[execution_id] = (page.last, seq)
        return Started(execution_id, run_id, True)

    def append(self, session: Session, operation: Append) -> bool:
        """Add a page to an owned execution, with everything that has to be true together with it.

        Raises:
            FencedError: the writing member does not own the execution, or the page does not follow its last event.
            InboxUnreadError: it would close with messages unread.
        """
        execution_id, page = operation.execution_id, operation.page
        held = self._held or self._hold()
        last, seq = held.last.get(execution_id) or self._load(held, execution_id)
        if page is not None and page.first - 1 != last:
            last, seq = self._load(held, execution_id)  # a refusal is rare enough to make sure
        if page is not None and page.first - 1 != last:
            raise FencedError(f"event {page.first} of execution {execution_id}")
        is_last = operation.closing is not None and operation.closing.continuation is None
        if is_last:
            self._check_inbox(session, operation)
        # Nothing below refuses.
        if page is not None:
            seq = self._add(execution_id, seq, page)
            self._move(execution_id, last, page.last, seq)
            held.last[execution_id] = (page.last, seq)
        if operation.blobs:
            pruning.keep_payloads(session, execution_id, operation.blobs)
        if operation.inbox_read and not is_last:  # else the whole inbox has gone
            session.later("drop_read_inbox", (execution_id, operation.inbox_read))
        if operation.queue or operation.unqueue or operation.fan_outs or operation.lock or operation.unlock:
            marks = held.marks.get(execution_id, 0)
            self._mark(session, held, execution_id, parts.change(session, operation, marks))
        if operation.outgoing is not None:
            self._mark(session, held, execution_id, children.change(session, operation, self.create))
        if operation.attributes:
            executions.change_attributes(session, execution_id, operation.attributes)
        if operation.closing is not None:
            self._close(session, held, operation)
        elif operation.wake_changed:
            session.later("set_wake", (execution_id, operation.wake_at))
        if operation.stable and execution_id in held.recovering:
            session.later("make_stable", (execution_id,))
            held.recovering.discard(execution_id)
        if operation.park and operation.closing is None:
            executions.park(session, execution_id, operation.park)
            if operation.misfit:
                session.run("note_misfit", (execution_id, operation.misfit))
            session.run("forget_taken", (session.member, execution_id))
            held.forget(execution_id)
        if session.loosened:
            self.settle()
        return True

    def start_next(self, session: Session, operation: StartNext) -> Started | Overtaken:
        """Create the next execution of a run, or find the run. See `successors`. Raises RunConflictError."""
        return successors.start_next(session, operation, self.create)

    def create(self, session: Session, run_id: str, number: int, row: tuple[Any, ...], page: Page) -> int:
        """Create an execution that nobody owns yet, with its first page; return its id, or 0 where it exists already.

        Args:
            session: the write it is part of.
            run_id: its run.
            number: which execution of the run it is.
            row: (workflow, input digest, code version, marks of `parts`).
            page: its first page.
        """
        workflow, digest, code_version, marks = row
        execution_id = session.insert(
            "create_execution", (run_id, number, workflow, digest, code_version, session.now, marks)
        )
        if execution_id is None:
            return 0
        self._begun.append((execution_id, page.last, self._add(execution_id, 0, page)))
        session.rings.add(RUNS)
        return execution_id

    # --- Behind them -------------------------------------------------------------------------------------------------

    def _add(self, execution_id: int, previous: int, page: Page) -> int:
        """Collect a page; return its seq."""
        seq = self._session.next_page()
        row = (seq, previous, execution_id, page.first, page.last, self._commit_number, page.body, page.hash)
        self._pages.append(row)
        return seq

    def _move(self, execution_id: int, before: int, last: int, seq: int) -> None:
        """Collect a move of a tip, from event `before` to event `last`."""
        known = self._moved.get(execution_id)
        self._moved[execution_id] = (execution_id, last, seq, before if known is None else known[3])

    def _hold(self) -> _Held:
        """Return what the writing member owns as far as it is remembered, and take its grip if need be."""
        session = self._session
        member = session.member
        held = self._members.get(member)
        if held is None or session.grip != self._nonce or len(held.last) > HELD_MAX:
            held = self._members[member] = _Held()
            session.run("take_grip", (member, self._nonce))
            session.grip = self._nonce
        self._held = held
        return held

    def _load(self, held: _Held, execution_id: int) -> tuple[int, int]:
        """Return an execution's tip, from the database.

        Raises:
            FencedError: the writing member does not own it.
        """
        self.flush()
        row = self._session.row("held_execution", (execution_id, self._session.member))
        if row is None:
            standing = self._session.row("execution_standing", (execution_id,))
            status = "" if standing is None or standing[2] not in (PARKED, PAUSED) else standing[2]
            raise FencedError(f"an append to execution {execution_id}", status)
        recoveries, marks, last, seq = row
        if recoveries:
            held.recovering.add(execution_id)
        if marks:
            held.marks[execution_id] = marks
        held.last[execution_id] = (last, seq)
        return last, seq

    def _started_before(self, session: Session, operation: StartRun) -> Started:
        row = session.row("started_before", (operation.run_id,))
        assert row is not None, "the unique index said that it is there"
        workflow, digest, execution_id, number, status = row
        if workflow != operation.workflow:
            raise RunConflictError(operation.run_id, "workflow")
        if digest != operation.input_digest and digest not in operation.other_digests:
            raise RunConflictError(operation.run_id, "input")
        return Started(execution_id, executions.name_of(operation.run_id, number), False, status)

    def _check_inbox(self, session: Session, operation: Append) -> None:
        row = session.row("look_before_closing", (operation.execution_id, operation.inbox_read))
        assert row is not None, "SELECT EXISTS returns a row"
        unread, had_mail = row
        if unread:
            raise InboxUnreadError(operation.execution_id)
        if had_mail:
            session.later("drop_inbox", (operation.execution_id,))
            session.later("drop_delivered", (operation.execution_id,))

    def _mark(self, session: Session, held: _Held, execution_id: int, marks: int) -> None:
        before = held.marks.get(execution_id, 0)
        if marks | before != before:
            held.marks[execution_id] = marks | before
            session.later("set_parts", (execution_id, marks | before))

    def _close(self, session: Session, held: _Held, operation: Append) -> None:
        execution_id, closing = operation.execution_id, operation.closing
        assert closing is not None, "only called for a closing append"
        last, seq = held.last[execution_id]
        session.later("close_execution", (execution_id, closing.status, closing.outcome, session.now, last, seq))
        self._ended.append((execution_id, last))
        marks = held.marks.get(execution_id, 0)
        if marks:
            parts.drop(session, execution_id, marks)
        if closing.continuation is not None:
            children.go_on(session, operation, closing.continuation, marks, self.create)
        elif marks:
            self._tell_others(session, execution_id, closing, marks)
        held.forget(execution_id)
        session.rings.add(CLOSED)

    def _end(self, session: Session, execution_id: int, decide: Callable[[int, bytes], tuple[Page, Closing]]) -> None:
        """End an execution that nobody owns, and that therefore nobody remembers."""
        row = session.row("unowned_tip", (execution_id,))
        if row is None:
            return  # it found an owner in this very transaction
        marks, last, seq, head = row
        page, closing = decide(last, head)
        seq = self._add(execution_id, seq, page)
        self._move(execution_id, last, page.last, seq)
        self._ended.append((execution_id, page.last))
        session.later("close_execution", (execution_id, closing.status, closing.outcome, session.now, page.last, seq))
        session.later("drop_inbox", (execution_id,))
        session.later("drop_delivered", (execution_id,))
        if marks:
            parts.drop(session, execution_id, marks)
            self._tell_others(session, execution_id, closing, marks)
        session.rings.add(CLOSED)

    @staticmethod
    def _tell_others(session: Session, execution_id: int, closing: Closing, marks: int) -> None:
        if marks & (parts.CHILDREN | parts.CHILD):
            children.close(session, execution_id, closing)
        if marks & parts.NOTICES:
            notices.release(session, execution_id)


def _as_it_was_said(page: Page, closing: Closing, last: int, _: bytes) -> tuple[Page, Closing]:
    assert page.first == last + 1, "whoever handed it in has looked"
    return page, closing


# --- Reads -------------------------------------------------------------------------------------------------------


def read_pages(reader: Reader, execution_id: int, after: int) -> list[Page]:
    """Return an execution's pages with events after `after`, in order."""
    return [Page(*row) for row in reader.rows("read_pages", (execution_id, after))]


def read_blob(reader: Reader, digest: bytes) -> bytes:
    """Return a payload by content hash.

    Raises:
        StoreCorruptError: it is missing, or is not what was stored.
    """
    row = reader.row("read_blob", (digest,))
    if row is None:
        raise StoreCorruptError(f"payload {digest.hex()} is missing", "See what else is: holdfast verify")
    content: bytes = row[0]
    if blob_digest(content) != digest:
        raise StoreCorruptError(
            f"payload {digest.hex()} is not what was stored", "See what else is not: holdfast verify"
        )
    return content
