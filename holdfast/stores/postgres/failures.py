"""What goes wrong with a PostgreSQL server, and what it means.

Owns: which errors pass by themselves, which undo a transaction, and the names all of them get.
Must not know: who asked for what.

Everything a connection raises comes from the server (a `PostgresError` with an SQLSTATE), from asyncpg (an
`InterfaceError`), or from the network (an `OSError` or a `TimeoutError`). `judge` says what it means:

    LOST      the connection is gone, or the server is going: connect anew, and look what became of the transaction
    UNDONE    the server undid the transaction because of others: carry it out again
    LATER     there is no connection to be had at the moment
    FINAL     it will be so the next time, too
    OTHER     it has nothing to do with the server
"""

from __future__ import annotations

import enum
import ssl
from typing import TYPE_CHECKING, Final

from holdfast.errors import SchemaError, StoreBusyError, StoreCorruptError, StoreError, StoreFullError

if TYPE_CHECKING:
    from holdfast.stores.postgres.address import Address


class Verdict(enum.Enum):
    """What an error means for the transaction in which it came up."""

    LOST = "lost"
    UNDONE = "undone"
    LATER = "later"
    FINAL = "final"
    OTHER = "other"


_LOST: Final = frozenset({
    "08000", "08001", "08003", "08004", "08006", "08007",
    "25P03",  # idle in transaction for too long: we were away
    "57014",  # cancelled: by us, after a time-out, or by an operator
    "57P01", "57P02", "57P04", "57P05",
})  # fmt: skip
_UNDONE: Final = frozenset({"40001", "40P01", "40003", "23505"})
"""23505, a value that is there already: somebody was faster. Looked at again, the handlers find theirs."""
_LATER: Final = frozenset({"53300", "57P03", "25006"})
"""25006, a server that only reads: a standby that is about to become the primary."""


_CLOSED: Final = ("closed", "closing", "another operation", "target server attribute")


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error, "" where it has none."""
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) else ""


def judge(error: BaseException) -> Verdict:
    """Return what an error means."""
    state = sqlstate(error)
    if state in _UNDONE:
        return Verdict.UNDONE
    if state in _LATER:
        return Verdict.LATER
    if state in _LOST:
        return Verdict.LOST
    if state or isinstance(error, ssl.SSLCertVerificationError):
        return Verdict.FINAL
    if type(error).__module__.startswith("asyncpg"):
        # An InterfaceError: the connection is in no state to go on, or we used it wrongly.
        return Verdict.LOST if any(word in str(error) for word in _CLOSED) else Verdict.FINAL
    return Verdict.LOST if isinstance(error, OSError | TimeoutError | EOFError) else Verdict.OTHER


def translate(error: BaseException, address: Address) -> StoreError:
    """Return the StoreError that an error means."""
    state, said = sqlstate(error), _first_line(error)
    match state:
        case "28P01" | "28000":
            return StoreError(
                f"{address}: the server refuses the login: {said}",
                "Check user and password in the address of the store, and pg_hba.conf on the server.",
            )
        case "3D000":
            return StoreError(
                f"{address}: there is no database {address.database!r}",
                f"Make it: createdb {address.database or 'holdfast'} - then: holdfast migrate",
            )
        case "42501":
            return StoreError(
                f"{address}: the user may not do that: {said}",
                f"Let the user own the schema {address.schema!r}, or grant USAGE and ALL on its tables and sequences.",
            )
        case "42P01" | "3F000" | "42703" | "42883":
            return SchemaError(
                f"{address}: the tables are not those of this program: {said}",
                "Bring them up to date: holdfast migrate",
            )
        case "53100":
            return StoreFullError(
                f"{address}: the disk of the server is full: {said}",
                "Nothing of the write was kept, and nothing was lost. Make room on the server; work goes on by itself.",
            )
        case "53300":
            return StoreBusyError(
                f"{address}: the server has no connection left: {said}",
                "Raise max_connections, or put a pooler in between (?pooler=transaction).",
            )
        case "55P03":
            return StoreBusyError(
                f"{address}: the lock that writes take was not to be had: {said}",
                "Somebody holds it in an open transaction. See who: SELECT * FROM pg_stat_activity",
            )
        case "57P03":
            return StoreBusyError(f"{address}: the server is not ready: {said}", "Wait until it is up.")
        case "25006":
            return StoreError(
                f"{address}: the server only reads: {said}", "Name the primary, or all hosts: postgresql://one,two/..."
            )
        case "XX001" | "XX002":
            return StoreCorruptError(f"{address}: the database is damaged: {said}", "Restore it from a backup.")
        case _:
            pass
    if judge(error) is Verdict.LOST:
        return StoreError(
            f"{address}: the server cannot be reached: {said}",
            "Check host and port in the address of the store, that the server runs, and the network in between.",
        )
    return StoreError(
        f"{address}: {type(error).__name__}{f' ({state})' if state else ''}: {said}",
        "The server's log says more about it.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
