"""Connections to the file, and what its errors mean.

Owns: pragmas, the library's minimum version, the free space a file needs, the names errors get.
Must not know: tables.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import apsw

from holdfast.errors import StoreBusyError, StoreCorruptError, StoreError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIBRARY_VERSION_MIN: Final = 3_051_003
"""Older SQLite can lose committed data when one connection writes while another checkpoints."""

FREE_BYTES_MIN: Final = 32 * 1024 * 1024
"""Below this much free space nothing is opened or written.

On a full disk SQLite's shared-memory index cannot grow, and touching it ends the process with SIGBUS, which nobody can
catch. So a store stops while there is still room to finish what it has begun.
"""

FOREIGN_BUSY_MILLISECONDS: Final = 5_000
"""How long to wait for a program that is not Holdfast (a shell, a backup) and has locked the file."""

CACHE_KIBIBYTES: Final = 65_536
STATEMENTS_CACHED: Final = 512

LOG_BYTES_KEPT: Final = 16 * 1024 * 1024
"""A write-ahead log that had to grow, because somebody read for long, shrinks to this once it is moved."""


def check_library() -> None:
    """Raise StoreError when the SQLite in this process is one that loses data."""
    if apsw.SQLITE_VERSION_NUMBER < LIBRARY_VERSION_MIN:
        raise StoreError(
            f"SQLite {apsw.sqlite_lib_version()} can lose committed data in WAL mode",
            "Install an apsw that bundles SQLite 3.51.3 or newer: pip install --upgrade apsw",
        )


def free_bytes(path: Path) -> int:
    """Return how much room the disk under `path` has."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def check_space(path: Path, free_bytes_min: int) -> None:
    """Raise StoreFullError when the disk under `path` has less than `free_bytes_min` bytes left."""
    free = free_bytes(path)
    if free < free_bytes_min:
        raise StoreFullError(
            f"the disk under {path} has {free:,} bytes left, and a store needs {free_bytes_min:,} (free_bytes_min)",
            "Nothing was written and nothing was lost. Make room; work goes on by itself.",
        )


def connect(path: Path, synchronous: str = "FULL") -> apsw.Connection:
    """Open the file for writing. Call it only while holding the turn: it may recover or create the file."""
    connection = apsw.Connection(str(path), statementcachesize=STATEMENTS_CACHED)
    connection.set_busy_timeout(FOREIGN_BUSY_MILLISECONDS)
    # Whoever closes last would checkpoint, with or without the turn.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        connection.close()
        raise StoreError(f"{path} cannot use a write-ahead log (journal mode {mode})", "Put it on a local disk.")
    connection.pragma("synchronous", synchronous)
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("journal_size_limit", LOG_BYTES_KEPT)
    connection.pragma("cache_size", -CACHE_KIBIBYTES)
    connection.pragma("temp_store", "memory")
    connection.pragma("cell_size_check", 1)
    # No memory map: an I/O error on a mapped page is a SIGBUS, on a read it is an error with a name.
    connection.pragma("mmap_size", 0)
    return connection


def connect_for_reading(path: Path) -> apsw.Connection:
    """Open a file that exists for reading; its reads never wait for a writer."""
    connection = connect(path)
    connection.pragma("query_only", 1)
    return connection


def connect_read_only(path: Path) -> apsw.Connection:
    """Open a file that exists so that nothing in it can change; who writes goes on meanwhile."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=STATEMENTS_CACHED)
    connection.set_busy_timeout(FOREIGN_BUSY_MILLISECONDS)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("cache_size", -CACHE_KIBIBYTES)
    connection.pragma("mmap_size", 0)
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into the StoreError it means."""
    try:
        yield
    except apsw.Error as error:
        raise translate(error, path) from error


def translate(error: apsw.Error, path: Path) -> StoreError:
    """Return the StoreError that an error of SQLite means."""
    match error:
        case apsw.FullError():
            return StoreFullError(f"the disk under {path} is full", "Nothing of the write was kept. Make room.")
        case apsw.CorruptError() | apsw.NotADBError():
            return StoreCorruptError(f"{path} is damaged: {error}", "See what is left: holdfast verify")
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusyError(
                f"{path} is locked by a program that is not Holdfast",
                "Close the shell, backup or editor that has it open.",
            )
        case _:
            return StoreError(f"{path}: {type(error).__name__}: {error}", "Check the disk and the file's permissions.")
