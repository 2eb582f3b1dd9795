"""A write transaction on the server, and reads outside of one, as handlers see them.

Owns: how statements are run by name on PostgreSQL, and where its numbers come from.
Must not know: how the transaction begins and ends, what the operations mean.

What is here is called by handlers inside `bridge.across`, and waits for the server there.
"""

from __future__ import annotations

import re
import secrets
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from holdfast.stores.postgres.ahead import Statement, is_unexpected
from holdfast.stores.postgres.bridge import wait
from holdfast.stores.postgres.pending import TARGETS, Pending
from holdfast.stores.sql.session import MisrememberedError, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from holdfast.ports.operations import Membership, Operation
    from holdfast.stores.postgres.ahead import Ahead
    from holdfast.stores.postgres.connection import Connection
    from holdfast.stores.sql.session import Bindings

    _Question: TypeAlias = tuple[str, tuple[Any, ...]]

FETCHED: Final = 100
"""How many rows `each` has in memory at a time."""

OFFER_BITS: Final = 31
"""Of an offer that is no number of the counter: it decides who comes first, where that is anybody's guess."""

PLACE_BITS: Final = 20
"""A page's number is its transaction's, followed by so many bits that say which page of the transaction it is."""
PAGES_MAX: Final = 1 << PLACE_BITS

TOKENS_DRAWN: Final = 32
"""How many tokens a transaction takes at once that is alone."""

_HARMLESS: Final = frozenset({
    "append_page", "begin_tip", "drop_tasks", "end_tip", "enqueue_task", "enqueue_limited_task", "make_ready",
    "make_stable", "move_tip", "put_blob", "put_deadline", "record_progress", "set_parts", "set_wake", "take_grip",
    "touch_lines", "unqueue_task", "use_blob", "wake_executions",
    # Members, requests
    "answer", "ask", "beat_member", "count_refused", "drop_expired_requests", "return_request", "take_requests",
    # Claims of tasks and chunks
    "claim_chosen_tasks", "claim_chunks", "claim_tasks", "promote_chunks", "promote_tasks",
    # Lines of queued tasks
    "drop_rate_hold", "drop_rate_uses", "hold_places", "hold_prefixes", "make_tasks_ready", "note_rate", "post_scout",
    "put_back_in_line", "put_rate_hold", "put_rate_use", "recall_scouts", "stand_in_line", "take_touched_lines",
})  # fmt: skip
"""Statements that leave true what is foreseen of executions, their inboxes and what was delivered to them.

An execution that is made ready twice is ready.
"""
_WORKLESS: Final = _HARMLESS - {
    "enqueue_task", "enqueue_limited_task", "make_tasks_ready", "promote_chunks", "promote_tasks", "stand_in_line",
    "touch_lines",
} | {
    "close_execution", "drop_delivered", "drop_inbox", "drop_read_inbox", "finish_own_task", "finish_own_tasks",
    "finish_task", "finish_tasks", "own_execution", "own_inbox", "put_delivered", "put_inbox",
    "start_execution", "start_executions",
}  # fmt: skip
"""Statements after which there is no more work to be claimed than before."""
_READS: Final = "SELECT"
"""How a statement begins that changes nothing."""

_MANY: Final = re.compile(r"unnest\(\s*\$1\b")

_NUL, _INSTEAD = "\0", "\N{REPLACEMENT CHARACTER}"


class ServerReader:
    """Runs statements that only read, outside of any write."""

    __slots__ = ("_connection", "_sql")

    def __init__(self, connection: Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""
        found = wait(self._connection.fetchrow(self._sql[name], *_writable(bindings)))
        return None if found is None else tuple(found)

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""
        return [tuple(row) for row in wait(self._connection.fetch(self._sql[name], *_writable(bindings)))]

    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""
        return wait(self._connection.fetchval(self._sql[name], *_writable(bindings)))


class EscalationError(Exception):
    """The transaction shares its time with others, and came to something for which it has to be alone."""


class ForesightError(Exception):
    """Something was done for an operation that did not come to it; see `foresight`."""


class ServerSession(Session):
    """One write transaction on the server."""

    __slots__ = (
        "_about",
        "_ahead",
        "_allowed",
        "_connection",
        "_done",
        "_expected",
        "_foreseen",
        "_is_timed",
        "_locking",
        "_nothing",
        "_offer",
        "_page",
        "_pages_end",
        "_pending",
        "_sql",
        "_tokens",
    )

    def __init__(  # noqa: PLR0913 - what a transaction is made of
        self,
        connection: Connection,
        sql: Mapping[str, str],
        now: float,
        membership: Membership | None,
        grip: int = 0,
        carry_out: Callable[[Any, Operation], Any] | None = None,
        allowed: frozenset[str] | None = None,
        page: int | None = None,
        *,
        ahead: Ahead | None = None,
        is_timed: bool = True,
    ) -> None:
        """Begin a transaction that has begun.

        Args:
            connection: on which it was begun.
            sql: every named statement.
            now: the store's time.
            membership: who writes.
            grip: see `Session`.
            carry_out: carries out one operation.
            allowed: names of the statements that may be run beside other transactions; None is alone, and all of them.
            page: number below those of its pages, where it is known already.
            ahead: sends statements ahead of others, where a connection knows them by name.
            is_timed: whether the time is the server's.
        """
        super().__init__(now, membership, grip, carry_out)
        self._connection = connection
        self._sql = sql
        self._allowed = allowed
        self._page = page or 0
        self._pages_end = self._page + PAGES_MAX
        self._pending = Pending()
        self._expected: dict[str, Sequence[Bindings]] = {}
        """Statements that are put off as well, and the rows that they have to change."""
        self._ahead = ahead
        self._is_timed = is_timed
        self._locking: list[tuple[int]] = []
        """Executions that have to be locked before anything else is sent."""
        self._tokens: list[int] = []
        self._offer = 0
        self._foreseen: dict[_Question, tuple[Any, ...] | None] = {}
        self._about: dict[int, list[_Question]] = {}
        """Execution to what was foreseen about it."""
        self._done: dict[_Question, Any] = {}
        self._nothing: set[str] = set()
        """Statements about work to be claimed that are known to find none."""

    @property
    def is_shared(self) -> bool:
        """Whether other transactions write at the same time."""
        return self._allowed is not None

    def is_gone(self, member: int) -> bool:  # noqa: ARG002 - on another database one can tell
        """Say that nothing but its lease tells whether a member is dead: it may be on any machine."""
        return False

    def read_time(self) -> None:
        """Let `now` be the time it is now: whoever waited for a lock of others began long ago."""
        if self._is_timed:
            ((now, self.waited),) = self.rows("read_time")
            self.now = max(self.now, now)

    # --- Numbers ------------------------------------------------------------------------------------------------------

    def next_token(self) -> int:
        """Return the next number of the store-wide counter that never goes back."""
        if not self._tokens:
            # Alone, nobody else takes any. Beside others each is taken when its row is locked, and not before.
            self.draw_tokens(1 if self.is_shared else TOKENS_DRAWN)
        return self._tokens.pop()

    def draw_tokens(self, count: int) -> None:
        """Take so many numbers of the counter at once, for rows that are locked."""
        self.keep_tokens(row[0] for row in self.rows("draw_tokens", (count,))) if count else self._tokens.clear()

    def keep_tokens(self, tokens: Iterable[int]) -> None:
        """Use these numbers of the counter next, which were drawn for rows that are locked."""
        self._tokens = sorted(tokens, reverse=True)

    def offer_token(self) -> int:
        """Return a number below all of the counter, any but always the same: claims draw theirs when they lock."""
        if not self._offer:
            self._offer = -1 - secrets.randbits(OFFER_BITS)
        return self._offer

    def keep_token(self, token: int) -> None:
        """Do nothing, as there was no offer."""

    def next_page(self) -> int:
        """Return a number for a page, higher than the number of every page of a transaction that began to write before.

        Transactions are numbered by the server when they begin to write. So the numbers say who may still be
        writing below some number, which is what a reader of all changes has to know: see `feed` in `queries`.
        """
        if not self._page:
            self._page = int(self.value("first_page"))
            self._pages_end = self._page + PAGES_MAX
        self._page += 1
        if self._page >= self._pages_end:
            raise OverflowError(f"one write makes {PAGES_MAX:,} pages (PAGES_MAX)")
        return self._page

    # --- What was foreseen --------------------------------------------------------------------------------------------

    def foresee(self, name: str, bindings: tuple[Any, ...], row: tuple[Any, ...] | None, execution_id: int) -> None:
        """Keep the answer to a question about an execution, until something changes what it is about."""
        self._foreseen[name, bindings] = row
        self._about.setdefault(execution_id, []).append((name, bindings))

    def foresee_nothing(self, names: Iterable[str]) -> None:
        """Let statements about work to be claimed find nothing, until something makes work."""
        self._nothing.update(names)

    def note_done(self, name: str, bindings: tuple[Any, ...], result: Any) -> None:
        """Keep the result of a statement that was carried out ahead of the handler that will run it."""
        self._done[name, bindings] = result

    def check_done(self) -> None:
        """Check that every handler came to what was done for it. Raises ForesightError."""
        if self._done:
            raise ForesightError

    def _forget(self, name: str, bindings: Bindings) -> None:
        """Forget what a statement that was put off makes untrue."""
        if name in _HARMLESS:
            return
        execution_id = bindings[0]
        if name == "put_delivered":
            self.foresee("find_delivered", (execution_id, bindings[1]), (bindings[2],), execution_id)
        if name in {"put_delivered", "put_inbox"}:
            untrue = [each for each in self._about.get(execution_id, ()) if each[0] == "look_before_closing"]
        else:
            untrue = self._about.pop(execution_id, [])
        for each in untrue:
            self._foreseen.pop(each, None)

    # --- Statements ---------------------------------------------------------------------------------------------------

    def later(self, name: str, bindings: Bindings = ()) -> None:
        """Run the statement called `name`, at the latest before anything is asked whose answer it could change."""
        if name not in TARGETS or not takes_many(self._text(name)):
            self.run(name, bindings)
            return
        if self._pending.meets(name, bindings):
            self.send()
        self._pending.add(name, bindings)
        if self._nothing and name not in _WORKLESS:
            self._nothing.clear()
        if self._foreseen:
            self._forget(name, bindings)

    def lock_later(self, executions: Iterable[int]) -> None:
        """Lock executions, given in their order, before anything else is done."""
        self._locking = [(each,) for each in executions]

    def expect(self, name: str, rows: Sequence[Bindings]) -> None:
        """Run the statement called `name` for each of `rows`, at the latest before the transaction ends."""
        if self._ahead is None:
            super().expect(name, rows)
            return
        self._text(name)
        if name in self._expected:
            self.send()
        self._expected[name] = rows

    def send(self) -> None:
        """Send what was put off on its way, ahead of what is asked next. Raises MisrememberedError."""
        waiting = self._take()
        if self._ahead is None:
            self._send_one_by_one(waiting)
        elif waiting:
            try:
                self._ahead.send(waiting)
            except Exception as error:
                raise_misremembered(error)
                raise

    def _take(self) -> list[Statement]:
        """Return what was put off, and forget it."""
        locking, self._locking = self._locking, []
        waiting = [Statement("lock_executions", locking)] if locking else []
        expected, self._expected = self._expected, {}
        waiting += [Statement(name, rows, is_expected=True) for name, rows in expected.items()]
        if self._pending:
            taken = self._pending.take().items()
            waiting += [Statement(name, [_writable(row) for row in rows]) for name, rows in taken]
        return waiting

    def _send_one_by_one(self, waiting: Sequence[Statement]) -> None:
        for name, rows, expected in waiting:
            columns = list(zip(*rows, strict=True))
            changed = _changed(self._wait(self._connection.execute(self._text(name), *columns)))
            if expected and changed != len(rows):
                raise MisrememberedError(f"{name} found other rows than were remembered to be there")

    def run(self, name: str, bindings: Bindings = ()) -> int:
        """Run the statement called `name`; return how many rows it changed."""
        if name in self._nothing:
            return 0
        text = self._prepare(name)
        values = [(each,) for each in bindings] if takes_many(text) else bindings
        return _changed(self._wait(self._connection.execute(text, *_writable(values))))

    def run_many(self, name: str, rows: Iterable[Bindings]) -> int:
        """Run the statement called `name` for each of `rows`; return how many rows were changed in all.

        That is one statement for all of them, if it is written for that: see `takes_many`.
        """
        if not takes_many(self._text(name)):
            return sum(self.run(name, row) for row in rows)
        columns = [_writable(column) for column in zip(*rows, strict=True)]
        return _changed(self._wait(self._connection.execute(self._prepare(name), *columns))) if columns else 0

    def rows_of_many(self, name: str, rows: Sequence[Bindings]) -> list[tuple[Any, ...]]:
        """Run the statement called `name`, which takes an array for each binding; return all its rows."""
        if not rows:
            return []
        return self.rows(name, [_writable(column) for column in zip(*rows, strict=True)])

    def insert(self, name: str, bindings: Bindings = ()) -> int | None:
        """Run the statement called `name`; return the id of the row it made, None when it made none."""
        question = (name, tuple(bindings))
        if question in self._done:
            made: int | None = self._done.pop(question)
            return made
        found = self._wait(self._connection.fetchval(self._prepare(name), *_writable(bindings)))
        return None if found is None else int(found)

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""
        question = (name, tuple(bindings))
        if question in self._foreseen:
            return self._foreseen[question]
        if question in self._done:
            done: tuple[Any, ...] | None = self._done.pop(question)
            return done
        if name == "find_addressee":
            self._tokens.clear()  # the row is locked only now
        found = self._wait(self._connection.fetchrow(self._prepare(name), *_writable(bindings)))
        return None if found is None else tuple(found)

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""
        if name == "claim_tasks" and (question := (name, tuple(bindings))) in self._done:
            done: list[tuple[Any, ...]] = self._done.pop(question)
            return done
        if name in self._nothing:
            return []
        return [tuple(row) for row in self._wait(self._connection.fetch(self._prepare(name), *_writable(bindings)))]

    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""
        return self._wait(self._connection.fetchval(self._prepare(name), *_writable(bindings)))

    def each(self, name: str, bindings: Bindings = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the statement called `name`, of which only FETCHED are in memory."""
        cursor = self._wait(self._cursor(name, bindings))
        while rows := self._wait(cursor.fetch(FETCHED)):
            for row in rows:
                yield tuple(row)

    @staticmethod
    def _wait(awaitable: Awaitable[Any]) -> Any:
        """Wait for an answer, which may be that to something that went ahead. Raises MisrememberedError."""
        try:
            return wait(awaitable)
        except Exception as error:
            raise_misremembered(error)
            raise

    async def _cursor(self, name: str, bindings: Bindings) -> Any:
        return await self._connection.cursor(self._prepare(name), *_writable(bindings))

    def _prepare(self, name: str) -> str:
        """Return the text of a statement that is about to be sent, after what was put off."""
        text = self._text(name)
        if self._pending or self._expected or self._locking:
            self.send()
        if not text.startswith(_READS):
            if self._foreseen and name not in _HARMLESS:
                self._foreseen.clear()
                self._about.clear()
            if self._nothing and name not in _WORKLESS:
                self._nothing.clear()
        return text

    def _text(self, name: str) -> str:
        if self._allowed is not None and name not in self._allowed:
            raise EscalationError(name)
        return self._sql[name]


def raise_misremembered(error: BaseException) -> None:
    """Raise a MisrememberedError where that is what an error of the server means."""
    if is_unexpected(error):
        raise MisrememberedError("rows were not there as they were remembered to be") from error


@cache
def takes_many(text: str) -> bool:
    """Say whether a statement takes an array for each binding, a row for each place in them."""
    return _MANY.search(text) is not None


def _changed(status: str) -> int:
    """Return the number at the end of what the server says of a statement: `INSERT 0 3`, `UPDATE 2`."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdecimal() else 0


def _writable(bindings: Bindings) -> Bindings:
    """Return `bindings` as PostgreSQL takes them: its text has no NUL."""
    for each in bindings:
        if type(each) is str and _NUL in each:
            return [each.replace(_NUL, _INSTEAD) if type(each) is str else each for each in bindings]
    return bindings
