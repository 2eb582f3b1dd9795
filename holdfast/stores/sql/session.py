"""What an operation's handler works with: the one write transaction it is part of.

Owns: the transaction's time, what is to be rung after it, and how statements are run by name.
Must not know: which database runs them, how the transaction begins and ends, what the operations mean.

Theory of operation
===================

A store opens one transaction for all operations of a `Store.write`, makes one Session, and calls for each operation the
handler that some module of this package lists in its `HANDLERS`:

    HANDLERS: dict[type, Callable[[Session, Any], Any]]

A handler returns the operation's result, or raises the HoldfastError that is its result. One of an operation that
carries another one calls `Session.carry_out` with it, and notes what came of it. Nothing is undone for one
operation alone, so a handler that may refuse checks first and writes then. Anything else it raises undoes the whole
transaction.

Statements are known by name. Each database has its own text for a name, with the same bindings in the same order and
the same columns, so that a handler is written once. A Reader runs those that only read: inside a transaction a Session
is one, outside of it the store's reads have one of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from holdfast.history import Page
    from holdfast.ports.operations import Closing, Membership, Operation

    Bindings: TypeAlias = Sequence[Any]
    Handler: TypeAlias = Callable[["Session", Any], Any]


class MisrememberedError(Exception):
    """What a store object remembered about an execution is not so; the transaction has to be undone, and done again."""


class Reader(Protocol):
    """Runs statements that only read."""

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""

    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""


class Session(ABC):
    """One write transaction, as the handlers of its operations see it. Each database says how statements are run."""

    __slots__ = (
        "_carry_out",
        "called_off",
        "disowned",
        "endings",
        "expired",
        "grip",
        "locked",
        "loosened",
        "membership",
        "moved_away",
        "now",
        "parked",
        "rings",
        "touched",
        "waited",
    )

    def __init__(
        self,
        now: float,
        membership: Membership | None,
        grip: int = 0,
        carry_out: Callable[[Any, Operation], Any] | None = None,
    ) -> None:
        self.now = now
        """The store's time, the same for the whole transaction; it never goes back."""
        self.membership = membership
        """Who writes. It was checked: this member has not lost its lease."""
        self.grip = grip
        """Whose memory of the writing member's executions was right when the transaction began; see `log.py`."""
        self.rings: set[str] = set()
        """Topics of `holdfast.ports.bus` to ring once the transaction is durable."""
        self.parked: list[str] = []
        """Ids of the runs this transaction parked."""
        self.disowned: list[int] = []
        """Executions that the writing member gave up by itself in this transaction."""
        self.loosened: set[int] = set()
        """Members that lost an execution in this transaction otherwise than by their own act."""
        self.endings: list[tuple[int, bytes]] = []
        """Executions that nobody owns and that were told to terminate, with the reason; `log.py` ends them."""
        self.moved_away: list[tuple[int, Page, Closing]] = []
        """Executions that go on elsewhere, with their last page and end; `log.py` ends them here."""
        self.called_off: list[tuple[int, bytes]] = []
        """Executions that were cancelled before they began, with the reason; `log.py` ends them."""
        self.expired: list[int] = []
        """Executions that nobody owns and whose time is up; `log.py` ends them."""
        self.touched: set[str] = set()
        """Lines of queued tasks in which there may be room for somebody now; see `lines`."""
        self.locked: set[str] = set()
        """Lines that nobody else moves until the end of this transaction."""
        self.waited = 0.0
        """How many seconds after the transaction was asked for, at least, it was `now`."""
        self._carry_out = carry_out

    @property
    def member(self) -> int:
        """Number of the writing member.

        Raises:
            FencedError: nobody in particular writes.
        """
        if self.membership is None:
            raise FencedError("a write that needs a membership and came without one")
        return self.membership.member

    def carry_out(self, operation: Operation) -> Any:
        """Carry out an operation as a part of another one; return its result, or the HoldfastError that is it."""
        assert self._carry_out is not None, "only a writer's session carries other operations"
        return self._carry_out(self, operation)

    # --- What each database does in its own way ----------------------------------------------------------------------

    @abstractmethod
    def is_gone(self, member: int) -> bool:
        """Say whether a member is known to be dead, whatever its lease says."""

    @abstractmethod
    def next_token(self) -> int:
        """Return the next number of the store-wide counter that never goes back."""

    @abstractmethod
    def offer_token(self) -> int:
        """Return a number of that counter that is only taken by `keep_token`: looking in vain takes none."""

    @abstractmethod
    def keep_token(self, token: int) -> None:
        """Take the number that was offered."""

    @abstractmethod
    def next_page(self) -> int:
        """Return a number for a page, higher than the number of every page of the same execution."""

    @abstractmethod
    def run(self, name: str, bindings: Bindings = ()) -> int:
        """Run the statement called `name`; return how many rows it changed."""

    def later(self, name: str, bindings: Bindings = ()) -> None:
        """Run the statement called `name`, at the latest before anything is asked whose answer it could change.

        For what nobody asks about: where each statement is a journey to a server, many go together.
        """
        self.run(name, bindings)

    @abstractmethod
    def run_many(self, name: str, rows: Iterable[Bindings]) -> int:
        """Run the statement called `name` for each of `rows`; return how many rows were changed in all."""

    @abstractmethod
    def read_time(self) -> None:
        """Let `now` be the time it is now, where the transaction may have waited for others since it began."""

    @abstractmethod
    def rows_of_many(self, name: str, rows: Sequence[Bindings]) -> list[tuple[Any, ...]]:
        """Run the statement called `name` for each of `rows`; return all that they found."""

    def expect(self, name: str, rows: Sequence[Bindings]) -> None:
        """Run the statement called `name` for each of `rows`, at the latest before the transaction ends.

        Raises:
            MisrememberedError: now or later, that it did not change one row for each.
        """
        if self.run_many(name, rows) != len(rows):
            raise MisrememberedError(f"{name} found other rows than were remembered to be there")

    @abstractmethod
    def insert(self, name: str, bindings: Bindings = ()) -> int | None:
        """Run the statement called `name`; return the id of the row it made, None when it made none."""

    @abstractmethod
    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""

    @abstractmethod
    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""

    @abstractmethod
    def value(self, name: str, bindings: Bindings = ()) -> Any:
        """Return the first column of the first row of the statement called `name`, None when there is none."""

    @abstractmethod
    def each(self, name: str, bindings: Bindings = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the statement called `name`, of which only a few are in memory."""
