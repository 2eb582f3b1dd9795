"""What an operation's handler works with: the one write transaction it is part of.

Owns: the transaction's time, its tokens, what is to be rung after it, and how statements are run by name.
Must not know: how the transaction begins and ends, what the operations mean.

Theory of operation
===================

`write.py` opens one transaction for all operations of a `Store.write`, makes one Session, and calls for each operation
the handler that some module of this package lists in its `HANDLERS`:

    HANDLERS: dict[type, Callable[[Session, Any], Any]]

A handler returns the operation's result, or raises the HoldfastError that is its result. One of an operation that
carries another one calls `Session.carry_out` with it, and notes what came of it. Nothing is undone for one
operation alone, so a handler that may refuse checks first and writes then. Anything else it raises undoes the whole
transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    import apsw

    from holdfast.ports.operations import Membership, Operation

    Bindings: TypeAlias = Sequence[Any] | Mapping[str, Any]
    Handler: TypeAlias = Callable[["Session", Any], Any]


class Session:
    """One write transaction, as the handlers of its operations see it."""

    __slots__ = (
        "_carry_out",
        "connection",
        "disowned",
        "endings",
        "expired",
        "grip",
        "loosened",
        "membership",
        "now",
        "parked",
        "rings",
        "sql",
        "token",
    )

    def __init__(
        self,
        connection: apsw.Connection,
        sql: Mapping[str, str],
        now: float,
        token: int,
        membership: Membership | None,
        grip: int = 0,
        carry_out: Callable[[Session, Operation], Any] | None = None,
    ) -> None:
        self.connection = connection
        self.sql = sql
        """Every named statement of `queries/*.sql`."""
        self.now = now
        """The store's time, the same for the whole transaction; it never goes back."""
        self.membership = membership
        """Who writes. It was checked: this member has not lost its lease."""
        self.rings: set[str] = set()
        """Topics of `holdfast.ports.bus` to ring once the transaction is durable."""
        self.parked: list[str] = []
        """Ids of the runs this transaction parked."""
        self.grip = grip
        """Whose memory of the writing member's executions was right when the transaction began; see `log.py`."""
        self.disowned: list[int] = []
        """Executions that the writing member gave up by itself in this transaction."""
        self.loosened: set[int] = set()
        """Members that lost an execution in this transaction otherwise than by their own act."""
        self.endings: list[tuple[int, bytes]] = []
        """Executions that nobody owns and that were told to terminate, with the reason; `log.py` ends them."""
        self.expired: list[int] = []
        """Executions that nobody owns and whose time is up; `log.py` ends them."""
        self._carry_out = carry_out
        self.token = token
        """The newest token given out; `write.py` stores it with the transaction."""

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

    def next_token(self) -> int:
        """Return the next number of the store-wide counter that never goes back."""
        self.token += 1
        return self.token

    def run(self, name: str, bindings: Bindings = ()) -> int:
        """Run the statement called `name`; return how many rows it changed."""
        self.connection.execute(self.sql[name], bindings)
        return self.connection.changes()

    def run_many(self, name: str, rows: Iterable[Bindings]) -> None:
        """Run the statement called `name` once for each of `rows`."""
        self.connection.executemany(self.sql[name], rows)

    def row(self, name: str, bindings: Bindings = ()) -> tuple[Any, ...] | None:
        """Return the first row of the statement called `name`."""
        return self.connection.execute(self.sql[name], bindings).fetchone()

    def rows(self, name: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the statement called `name`."""
        return self.connection.execute(self.sql[name], bindings).fetchall()
