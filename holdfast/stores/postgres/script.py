"""Several statements in one message to the server: as text, with their values in it.

Owns: how values are written into SQL; which statements a connection knows by name.
Must not know: what the statements do, when they have to go.

The driver sends one statement at a time, and waits for its answer. What nobody needs the answer of can go together,
even with the end of the transaction, as one text of several `EXECUTE`s: the server keeps their plans as it does for all
others. Text is larger than what the driver sends, so this is for little; much goes as ever, and hardly takes longer for
being several journeys.

A statement that is *expected* to change a row for each of those it is given fails where it does not: nobody counts.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from holdfast.stores.postgres.bridge import wait
from holdfast.stores.postgres.failures import sqlstate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from holdfast.stores.postgres.connection import Connection
    from holdfast.stores.sql.session import Bindings

SCRIPT_BYTES_MAX: Final = 32_768
"""How many bytes of texts and bodies a script may carry."""
VALUES_MAX: Final = 2_000
"""How many values a script may carry. As text each of them costs the server twice as much as otherwise."""

_PARAMETER: Final = re.compile(r"\$(\d+)::([a-z ]+)\[\]")
_QUOTED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "'": "''"})
_UNEXPECTED: Final = "22012"
"""Division by zero: see `_checked`."""


class Statement(NamedTuple):
    """A statement that is written for many rows, and its rows."""

    name: str
    rows: Sequence[Bindings]
    is_expected: bool = False
    """Whether it has to change as many rows as it is given."""

    @property
    def called(self) -> str:
        """What a connection knows it by."""
        return f"holdfast_{self.name}_checked" if self.is_expected else f"holdfast_{self.name}"


class Scripts:
    """What one connection is sent as text."""

    __slots__ = ("_connection", "_known", "_sql")

    def __init__(self, connection: Connection, sql: Mapping[str, str]) -> None:
        """Send statements of `sql` on a connection."""
        self._connection = connection
        self._sql = sql
        self._known: set[str] = set()

    def leave_mark(self, writer: int, number: int, attempt: int, at: float) -> str:
        """Return the text that leaves a mark, if anything was changed."""
        self._learn((_MARK,))
        return f"EXECUTE {_MARK.called}({writer},{number},{attempt},{at!r});"

    def write(self, statements: Sequence[Statement]) -> str | None:
        """Return statements as one text, or None where it would be too large."""
        if not _is_small(statements):
            return None
        self._learn(statements)
        return "".join(map(self._call, statements))

    def _learn(self, statements: Iterable[Statement]) -> None:
        """Have the server know statements by name. It does not forget them when a transaction is undone."""
        new = {each.called: each for each in statements if each.called not in self._known}
        if new:
            wait(self._connection.execute(";".join(map(self._prepare, new.values()))))
            self._known.update(new)

    def _prepare(self, statement: Statement) -> str:
        text = self._sql[statement.name]
        return f"PREPARE {statement.called} AS {_checked(text) if statement.is_expected else text}"

    def _call(self, statement: Statement) -> str:
        columns = zip(types_of(self._sql[statement.name]), zip(*statement.rows, strict=True), strict=True)
        return f"EXECUTE {statement.called}({','.join(array(type_, column) for type_, column in columns)});"


def is_unexpected(error: BaseException) -> bool:
    """Say whether an error means that a statement changed other rows than it was expected to."""
    return sqlstate(error) == _UNEXPECTED


@cache
def types_of(text: str) -> tuple[str, ...]:
    """Return the types of a statement's bindings, of which each is an array."""
    found = {int(number): type_ for number, type_ in _PARAMETER.findall(text)}
    return tuple(found[number] for number in range(1, len(found) + 1))


def array(type_: str, column: Iterable[Any]) -> str:
    """Return a column as the literal of an array of `type_`, for a server with standard_conforming_strings."""
    match type_:
        case "text":
            written = [_NULL if each is None else f'"{each.translate(_QUOTED)}"' for each in column]
        case "bytea":
            written = [_NULL if each is None else f'"\\\\x{each.hex()}"' for each in column]
        case "double precision":
            written = [_NULL if each is None else repr(float(each)) for each in column]
        case _:
            written = [_NULL if each is None else str(int(each)) for each in column]
    return f"'{{{','.join(written)}}}'"


_NULL: Final = "NULL"
_MARK: Final = Statement("mark_change", ())


def _checked(text: str) -> str:
    counted = "SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer FROM changed"
    return f"WITH changed AS ({text} RETURNING 1) {counted}"


def _is_small(statements: Sequence[Statement]) -> bool:
    if sum(len(each.rows) * len(each.rows[0]) for each in statements) > VALUES_MAX:
        return False
    left = SCRIPT_BYTES_MAX
    for _, rows, _ in statements:
        for row in rows:
            for each in row:
                if type(each) is bytes or type(each) is str:
                    left -= len(each)
        if left < 0:
            return False
    return True
