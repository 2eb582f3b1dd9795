"""Whether a store is what was written, checked without touching it.

Owns: the checks, and their report.
Must not know: the code that writes; it reads the tables with statements of its own.

Theory of operation
===================

Opening a database with a write-ahead log changes it: the log is recovered, and what cannot be recovered is gone. So
the check works on a copy of its own: of the database, and of the log as it stands, without the shared-memory index, so
that the copy is recovered the way the store would be after a crash. While the copy is made no checkpoint runs, and
while the log is copied, which is short, nobody writes.

SQLite's own integrity check sees structure, not content: most flipped bits pass it, and a log damaged in the middle
just ends early. What else is checked:

    pages      each execution's pages hash to what the next one builds on, and hold the events they say
    commits    all pages, in the order of their commits, hash to the head in `meta`
    tail       the newest commit acknowledged is there
    payloads   each is what its name says

A database that is older than its side file has lost acknowledged commits. One that is newer has only lost a side file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import apsw

from holdfast.errors import EncryptionError, HistoryError, StoreBusyError, StoreError
from holdfast.history import (
    BLOB_PLACE,
    HASH_BYTES,
    AnyEvent,
    Codec,
    Page,
    blob_digest,
    decrypted,
    is_encrypted,
    link_before,
    open_page,
    outside_payloads,
    page_place,
    verify_chain,
)
from holdfast.stores.sql.executions import name_of
from holdfast.stores.sqlite import head
from holdfast.stores.sqlite.places import head_file, log_file, next_file, turn_file
from holdfast.stores.sqlite.schema import APPLICATION_ID
from holdfast.stores.sqlite.turn import WAIT_SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PROBLEMS_MAX: Final = 100
"""How many problems a report names; `problem_count` counts all."""

UNCOVERED_EXCEPT: Final = frozenset({"events", "tips", "blobs", "meta", "migrations", "losses"})

_UNREADABLE = (HistoryError, EncryptionError, TypeError, ValueError, OverflowError, AttributeError)
"""What a row may cause that is not even of the right types any more."""

_TIP: Final = """
SELECT coalesce((SELECT seq FROM tips WHERE execution = :execution), (SELECT tip FROM executions WHERE id = :execution))
"""

_POLL_SECONDS: Final = 0.005


@dataclass(slots=True)
class VerifyReport:
    """What a check of a store found."""

    executions: int = 0
    events: int = 0
    pages: int = 0
    payloads: int = 0
    commits: int = 0
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    """What is damaged or lost: the first PROBLEMS_MAX."""
    notes: list[str] = field(default_factory=list)
    """What could not be checked."""
    uncovered: tuple[str, ...] = ()
    """Tables whose structure was checked, but of whose content nothing can be known."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged or lost."""
        return self.problem_count == 0

    def add(self, problem: str) -> None:
        """Add a problem."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def verify(
    path: Path | str,
    *,
    checks: Iterable[str] | None = None,
    scratch: Path | None = None,
    codec: Codec | None = None,
) -> VerifyReport:
    """Check the store at `path`, which may be in use; change nothing.

    Args:
        path: the database file.
        checks: names out of CHECKS; all of them by default.
        scratch: a directory with room for a copy of the store; the system's by default.
        codec: decrypts what is encrypted; without it hashes are checked, and what pages say is not.

    Raises:
        StoreError: there is no such file, or it cannot be copied.
        StoreBusyError: a process kept the turn for too long.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise StoreError(f"there is no store at {path}", "Name the database file.")
    report = VerifyReport()
    with tempfile.TemporaryDirectory(prefix="holdfast-verify-", dir=scratch) as folder:
        copy = Path(folder) / "copy.db"
        try:
            side_file = _copy(path, copy)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be copied to be checked: {error}", "Name a `scratch` with room."
            ) from error
        known = None if side_file is None else head.decode(side_file)
        if known is None:
            reason = "there is no side file" if side_file is None else "the side file is damaged"
            report.notes.append(f"{reason}: whether the newest commits are there cannot be known")
        _check(copy, known, CHECKS if checks is None else {name: CHECKS[name] for name in checks}, report, codec)
    return report


def _check(
    copy: Path, known: head.Head | None, checks: Mapping[str, Check], report: VerifyReport, codec: Codec | None
) -> None:
    try:
        connection = apsw.Connection(str(copy))
    except apsw.Error as error:
        report.add(f"the database cannot be opened: {error}")
        return
    try:
        try:
            if connection.pragma("application_id") != APPLICATION_ID:
                report.add("this is no store, or one whose making was interrupted")
                return
        except apsw.Error as error:
            report.add(f"the database cannot be read: {type(error).__name__}: {error}")
            return
        for name, check in checks.items():
            try:
                check(connection, known, report, codec)
            except apsw.Error as error:
                report.add(f"{name} cannot be read: {type(error).__name__}: {error}")
        with suppress(apsw.Error):
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            report.uncovered = tuple(sorted(name for name in tables - UNCOVERED_EXCEPT if name[:7] != "sqlite_"))
    finally:
        connection.close()


# --- The copy ----------------------------------------------------------------------------------------------------


def _copy(path: Path, copy: Path) -> bytes | None:
    """Copy database and log; return what the side file says, None when there is none."""
    with head.standing_still(head_file(path)):
        # The database only changes by checkpoints, of which there are none now; so writers may go on.
        shutil.copyfile(path, copy)
        with _turn(path):
            with suppress(FileNotFoundError):
                shutil.copyfile(log_file(path), log_file(copy))
            with suppress(FileNotFoundError):
                return head_file(path).read_bytes()
    return None


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Hold the turn inside, the way a writer does. Where there are no lock files there is no writer."""
    try:
        next_ = os.open(next_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        turn = os.open(turn_file(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _lock(next_, path)
            _lock(turn, path)
            fcntl.flock(next_, fcntl.LOCK_UN)
            yield
        finally:
            os.close(turn)
    finally:
        os.close(next_)


def _lock(descriptor: int, path: Path) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreBusyError(f"a process has kept the turn of {path} for {WAIT_SECONDS_MAX:g} s") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


# --- The checks --------------------------------------------------------------------------------------------------


def check_structure(
    connection: apsw.Connection, _known: head.Head | None, report: VerifyReport, _codec: Codec | None
) -> None:
    """Ask SQLite whether trees, indexes and rows are well formed."""
    for (finding,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})"):
        if finding != "ok":
            report.add(f"structure: {finding}")


def check_pages(
    connection: apsw.Connection, _known: head.Head | None, report: VerifyReport, codec: Codec | None
) -> None:
    """Follow each execution's chain of pages; look for the payloads they name."""
    executions: dict[int, tuple[str, int]] = {
        id_: (run_id, number) for id_, run_id, number in connection.execute("SELECT id, run_id, number FROM executions")
    }
    report.executions = len(executions)
    pruned, is_noted = _pruned(connection)
    sealed = 0
    whole: set[bytes] = set()

    def missing(digest: bytes) -> bytes:
        """Return what is missing of a payload and the links before it, b"" when nothing is."""
        while digest and digest not in whole:
            content = connection.execute("SELECT content FROM blobs WHERE digest = ?", (digest,)).get
            if content is None:
                return digest
            whole.add(digest)
            readable = not is_encrypted(content) or codec is not None
            digest = link_before(decrypted(content, codec, BLOB_PLACE, "a payload")) if readable else b""
        return b""

    # Sorted without the bodies, which may be larger than memory; and by SQLite, which may use the disk.
    rows = connection.execute("SELECT execution, seq, previous FROM events ORDER BY execution, seq")
    for execution, group in groupby(rows, key=itemgetter(0)):
        if execution not in executions:
            report.add(f"execution {execution}: there are pages of it, but no such execution")
        names = executions.pop(execution, ("", 0))
        if execution in pruned:
            _check_pruned(connection, execution, group, report)
            continue

        def events_of(page: Page, names: tuple[str, int] = names) -> list[AnyEvent]:
            nonlocal sealed
            if codec is None and is_encrypted(page.body):
                sealed += 1
                return []
            return open_page(page.body, codec, page_place(names[0], name_of(*names), page.first))

        try:
            last, _ = verify_chain(_pages(connection, execution, group, report, events_of, missing, is_noted))
            report.events += last
        except _UNREADABLE as error:
            report.add(f"execution {execution}: {_first_line(error)}")
    for execution in sorted(executions, key=str):
        report.add(f"execution {execution}: it has no history")
    if sealed:
        report.notes.append(f"{sealed} pages are encrypted: without their keys it cannot be known what they name")


def _pages(
    connection: apsw.Connection,
    execution: int,
    rows: Iterable[tuple[Any, ...]],
    report: VerifyReport,
    events_of: Callable[[Page], list[AnyEvent]],
    missing: Callable[[bytes], bytes],
    is_noted: Callable[[int, bytes], bool],
) -> Iterator[Page]:
    """Yield an execution's pages, and look at what is around them."""
    seq = 0
    for seq in _rows_in_line(execution, rows, report):
        row = connection.execute("SELECT first, last, body, hash FROM events WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise HistoryError(f"page {seq} is gone")
        page = Page(*row)
        report.pages += 1
        for _, name, payload in outside_payloads(events_of(page)):
            if gone := missing(payload.digest):
                report.add(f"execution {execution}: payload {gone.hex()} ({name}) is missing")
            elif not is_noted(execution, payload.digest):
                report.add(
                    f"execution {execution}: it is not noted that it names payload {payload.digest.hex()} ({name})"
                )
        yield page
    _check_tip(connection, execution, seq, report)


def _check_pruned(
    connection: apsw.Connection, execution: int, rows: Iterable[tuple[Any, ...]], report: VerifyReport
) -> None:
    """Look whether a pruned execution has all its pages, and nothing in them."""
    seq = 0
    for seq in _rows_in_line(execution, rows, report):
        report.pages += 1
        if connection.execute("SELECT length(body) FROM events WHERE seq = ?", (seq,)).get:
            report.add(f"execution {execution}: it was pruned, and page {seq} is not empty")
    _check_tip(connection, execution, seq, report)


def _check_tip(connection: apsw.Connection, execution: int, seq: int, report: VerifyReport) -> None:
    tip = connection.execute(_TIP, {"execution": execution}).get
    if tip != seq:
        report.add(f"execution {execution}: its history ends with page {seq}, and should with page {tip}")


def _rows_in_line(execution: int, rows: Iterable[tuple[Any, ...]], report: VerifyReport) -> Iterator[int]:
    """Yield where an execution's pages are, and look whether each follows the one before it."""
    before = 0
    for _, seq, previous in rows:
        if previous != before:
            report.add(f"execution {execution}: page {seq} follows {previous}, and page {before} is the one before it")
        before = seq
        yield seq


def _pruned(connection: apsw.Connection) -> tuple[set[int], Callable[[int, bytes], bool]]:
    """Return the executions of whose pages only the hashes are left, and what says whether a payload's use is noted."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(executions)")}
    if "pruned" not in columns:
        return set(), lambda _execution, _digest: True  # a store from before

    def is_noted(execution: int, digest: bytes) -> bool:
        found = "SELECT 1 FROM blob_uses WHERE digest = ? AND execution IN (0, ?)"
        return connection.execute(found, (digest, execution)).get is not None

    closed = "SELECT id FROM executions WHERE pruned = 1 AND closed_at IS NOT NULL"
    return {row[0] for row in connection.execute(closed)}, is_noted


def check_commits(
    connection: apsw.Connection, known: head.Head | None, report: VerifyReport, _codec: Codec | None
) -> None:
    """Follow the chain over all commits up to the head."""
    number, newest = _meta(connection)
    report.commits = number
    chained, at_known, last = bytes(HASH_BYTES), bytes(HASH_BYTES), 0
    rows = connection.execute("SELECT commit_number, hash FROM events ORDER BY seq")
    for commit, group in groupby(rows, key=itemgetter(0)):
        try:
            if commit <= last or commit > number:
                report.add(f"commit {commit} stands after commit {last} of {number}")
            chained, last = head.chain(chained, commit, [row[1] for row in group]), commit
        except _UNREADABLE as error:
            report.add(f"commit {commit}: {_first_line(error)}")
            return
        if known is not None and commit <= known.commit_number:
            at_known = chained
    if chained != newest:
        report.add("the pages of all commits do not add up to the head: a page was changed, moved, lost or put in")
    if known is not None and known.commit_number <= number and at_known != known.hash:
        report.add(f"commit {known.commit_number} is not the one that was acknowledged")


def check_tail(
    connection: apsw.Connection, known: head.Head | None, report: VerifyReport, _codec: Codec | None
) -> None:
    """Look whether the newest commit that was acknowledged is there."""
    number, _ = _meta(connection)
    if known is not None and known.commit_number > number:
        report.add(
            f"the last {known.commit_number - number} commits are lost: {number} of {known.commit_number} are there"
        )
    for found_at, expected, found in connection.execute("SELECT found_at, expected, found FROM losses ORDER BY id"):
        report.add(f"at {found_at:.0f} the store was opened with {found} of {expected} commits")


def check_payloads(
    connection: apsw.Connection, _known: head.Head | None, report: VerifyReport, _codec: Codec | None
) -> None:
    """Hash every payload that is stored by its hash."""
    for digest, content in connection.execute("SELECT digest, content FROM blobs"):
        report.payloads += 1
        try:
            if blob_digest(content) != digest:
                report.add(f"payload {digest.hex()} is not what was stored")
        except _UNREADABLE as error:
            report.add(f"a payload is not even bytes: {_first_line(error)}")


def _meta(connection: apsw.Connection) -> tuple[int, bytes]:
    row = connection.execute("SELECT commit_number, head FROM meta").fetchone()
    if row is None or not isinstance(row[0], int) or not isinstance(row[1], bytes):
        raise apsw.CorruptError("the row about the whole store is damaged")
    return row[0], row[1]


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0] or type(error).__name__


if TYPE_CHECKING:
    from typing import TypeAlias

    Check: TypeAlias = Callable[[apsw.Connection, head.Head | None, VerifyReport, Codec | None], None]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "structure": check_structure,
        "pages": check_pages,
        "commits": check_commits,
        "tail": check_tail,
        "payloads": check_payloads,
    }
)
"""Every check by name."""
