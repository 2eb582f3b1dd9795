"""Statements that go ahead of a question, in one journey with it.

Owns: what of the server's protocol the driver has no words for; which statements a connection knows by name.
Must not know: what the statements do, when they have to go.

The driver sends one statement at a time, and waits for its answer. The protocol needs no such wait: whatever comes
before the next Sync is carried out in its order, and answered together. So a statement of which nobody needs the answer
goes with the driver's own message, in front of it, when it asks the next question. That it was bound and is complete
means nothing to a driver that waits for rows, and it passes over that. A row it would take for one of its own, so there
must not be any. An error it takes for that of its question, which is not carried out then: as if the statement had been
waited for, and nothing after it had been sent.

What follows has to be asked with bindings, or by a name: words of a simple query would be passed over by a server that
has met an error, and never be answered.

A statement that is *expected* to change a row for each of those it is given fails where it does not: nobody counts.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from holdfast.stores.postgres.arrays import ARRAYS, encode_array
from holdfast.stores.postgres.bridge import wait
from holdfast.stores.postgres.failures import sqlstate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.stores.postgres.arrays import ArrayType
    from holdfast.stores.postgres.connection import Connection
    from holdfast.stores.sql.session import Bindings

_PARAMETER: Final = re.compile(r"\$(\d+)::([a-z ]+)\[\]")
_TYPES: Final = {
    "bigint": "_int8", "smallint": "_int2", "integer": "_int4", "double precision": "_float8", "text": "_text",
    "bytea": "_bytea",
}  # fmt: skip
_ARRAYS: Final = {each.name: each for each in ARRAYS}
_INSERTS_ALL: Final = re.compile(r"(?:--[^\n]*\n)*INSERT(?!.*ON CONFLICT)", re.DOTALL)
"""A statement that makes a row for each it is given, or fails."""
_UNEXPECTED: Final = "22012"
"""Division by zero: see `_checked`."""
_MARK: Final = struct.Struct(">iqiqiqid")
"""Writer, number and attempt, a bigint each, and a time; before each of them its length."""

_HEAD: Final = struct.Struct(">ci")
_COUNT: Final = struct.Struct(">h")
_LENGTH: Final = struct.Struct(">i")
_NOTHING: Final = bytes(6)
"""No formats, no values, no formats of columns."""
_BINARY: Final = _COUNT.pack(1) * 2
"""One format for all values."""
_EXECUTE: Final = _HEAD.pack(b"E", 9) + b"\0" + bytes(4)


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


class Ahead:
    """What goes ahead on one connection."""

    __slots__ = ("_connection", "_known", "_sql", "_waiting", "_write")

    def __init__(self, connection: Connection, sql: Mapping[str, str]) -> None:
        """Send statements of `sql` on a connection."""
        self._connection = connection
        self._sql = sql
        self._known: dict[str, Any] = {}
        """By name, what the driver has of it, which forgets what nobody has."""
        self._waiting: list[bytes] = []
        transport = cast("Any", connection)._transport  # noqa: SLF001 - see the module's docstring
        self._write = transport.write
        transport.write = self._write_all

    def _write_all(self, message: bytes) -> None:
        """Write a message of the driver's, and in front of it what waits for that: in one packet."""
        if self._waiting:
            message = b"".join((*self._waiting, message))
            self._waiting.clear()
        self._write(message)

    def forget(self) -> None:
        """Send nothing of what waits."""
        self._waiting.clear()

    def begin(self, words: bytes) -> None:
        """Send what `encode_texts` returned ahead of the next question, which has to follow."""
        self._waiting.append(words)

    def send(self, statements: Sequence[Statement]) -> None:
        """Send statements ahead of the next question, which has to follow. None finds rows."""
        for each in statements:
            self._learn(each)
        self._waiting += map(self._encode, statements)

    def mark(self, name: str, writer: int, number: int, attempt: int, at: float) -> None:
        """Send the statement that leaves a mark, `mark_change` or `keep_mark`, ahead of the end."""
        statement = Statement(name, ())
        self._learn(statement)
        values = _COUNT.pack(4) + _MARK.pack(8, writer, 8, number, 8, attempt, 8, at)
        self._waiting.append(_bind(statement.called, values))

    def commit(self) -> None:
        """End the transaction; that is the question that all before is ahead of."""
        found = self._known.get(COMMIT)
        if found is None:
            found = self._known[COMMIT] = wait(self._connection.prepare("COMMIT", name=COMMIT))
        wait(found.fetch())

    def _learn(self, statement: Statement) -> None:
        """Have the server know a statement by name. It does not forget it when a transaction is undone."""
        if statement.called not in self._known:
            text = _silent(self._sql[statement.name], is_checked=statement.is_expected)
            self._known[statement.called] = wait(self._connection.prepare(text, name=statement.called))

    def _encode(self, statement: Statement) -> bytes:
        types = types_of(self._sql[statement.name])
        values = [_COUNT.pack(len(types))]
        for type_, column in zip(types, zip(*statement.rows, strict=True), strict=True):
            value = encode_array(type_, column)
            values += (_LENGTH.pack(len(value)), value)
        return _bind(statement.called, b"".join(values))


COMMIT: Final = "holdfast_commit"
"""What a connection knows the end of a transaction by."""


def encode_texts(*statements: str) -> bytes:
    """Return the messages that parse, bind and execute statements without a name, without bindings and without rows."""
    parsed = (_message(b"P", b"\0" + each.encode() + b"\0" + _NOTHING[:2]) for each in statements)
    return b"".join(each + _message(b"B", b"\0\0" + _NOTHING) + _EXECUTE for each in parsed)


def is_unexpected(error: BaseException) -> bool:
    """Say whether an error means that a statement changed other rows than it was expected to."""
    return sqlstate(error) == _UNEXPECTED


@cache
def types_of(text: str) -> tuple[ArrayType, ...]:
    """Return the types of a statement's bindings, of which each is an array."""
    found = {int(number): _ARRAYS[_TYPES[type_]] for number, type_ in _PARAMETER.findall(text)}
    return tuple(found[number] for number in range(1, len(found) + 1))


def _silent(text: str, *, is_checked: bool) -> str:
    """Return a statement without rows. One that is checked fails unless it changed as many as it is given."""
    if is_checked and not _INSERTS_ALL.match(text):
        is_right = "(SELECT count(*) FROM changed) = cardinality($1::bigint[])"
        return f"WITH changed AS ({text} RETURNING 1) SELECT WHERE 1 / ({is_right})::integer < 0"
    if text.startswith("SELECT"):
        nothing = "SELECT WHERE (SELECT count(*) FROM found) < 0"
        return f"WITH found AS MATERIALIZED ({text}) {nothing}"
    return text


def _bind(called: str, values: bytes) -> bytes:
    """Return the messages that bind values to a statement with a name, and execute it."""
    return _message(b"B", b"\0" + called.encode() + b"\0" + _BINARY + values + _NOTHING[:2]) + _EXECUTE


def _message(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body) + 4) + body
