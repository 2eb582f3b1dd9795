"""Where the files of one store are.

Owns: their names.
Must not know: what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def turn_file(path: Path) -> Path:
    """Return the lock that says which process writes."""
    return _beside(path, "turn")


def next_file(path: Path) -> Path:
    """Return the lock that says which process writes next."""
    return _beside(path, "next")


def head_file(path: Path) -> Path:
    """Return the side file with the newest commit; locked, it is also what keeps checkpoints away."""
    return _beside(path, "head")


def log_file(path: Path) -> Path:
    """Return SQLite's write-ahead log."""
    return _beside(path, "wal")


def presence_folder(path: Path) -> Path:
    """Return the folder with a locked file for each member that is there."""
    return _beside(path, "members")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}-{suffix}")
