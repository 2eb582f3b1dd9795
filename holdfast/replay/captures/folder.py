"""The folder in which captures are kept, as files that a person can read, copy and delete.

Owns: files' names and permissions, reading what a file says of itself, pruning.
Must not know: how captures are made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from holdfast.errors import HistoryError, UnknownNameError
from holdfast.history import FORMAT, CaptureNote, from_json
from holdfast.ports.captures import CaptureEntry

SUFFIX: Final = ".json"
FREE_BYTES_MIN: Final = 128 * 1024 * 1024
"""Below this much free space no capture is written: the store may be on the same disk, and needs the room more."""
HEAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""How much of a file is read to learn what run it was made of."""
NAMES_SAID: Final = 10
"""How many captures an error names that could have been meant."""

_AFTER_HEAD: Final = (b' "places": ', b' "outcomes": ', b' "events": ')


class _Head(msgspec.Struct):
    """What stands before a file's events."""

    format: str = ""
    run: dict[str, str] = {}
    capture: CaptureNote | None = None


class CaptureFolder:
    """The captures of one folder, which need not exist. Implements `holdfast.ports.captures.Captures`."""

    def __init__(self, path: Path) -> None:
        """Name the folder; it is made when the first capture is written."""
        self.path = path

    def has(self, name: str) -> bool:
        """Say whether there is a capture of this name."""
        return (self.path / f"{name}{SUFFIX}").exists()

    def put(self, name: str, content: bytes) -> Path:
        """Write a capture, whole or not at all; only its owner may read it.

        Raises:
            OSError: it cannot be written, or there is less than FREE_BYTES_MIN of room.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES_MIN + len(content):
            raise OSError(f"only {free:,} bytes are free, and {FREE_BYTES_MIN:,} have to stay (FREE_BYTES_MIN)")
        path = self.path / f"{name}{SUFFIX}"
        partial = self.path / f".{name}.{os.getpid()}"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return path

    def entries(self) -> list[CaptureEntry]:
        """Return all captures, newest first; a file that is none is left out, a damaged one says so."""
        found = [entry for path in self._files() if (entry := read_entry(path)) is not None]
        return sorted(found, key=lambda entry: (entry.captured_at, entry.name), reverse=True)

    def find(self, wanted: str) -> CaptureEntry:
        """Return the capture of this name, or the newest one of this run id or execution.

        Raises:
            UnknownNameError: there is none.
        """
        entries = self.entries()
        for each in entries:
            if wanted in (each.name, f"{each.name}{SUFFIX}"):
                return each
        for each in entries:
            if wanted in (each.execution, each.run_id):
                return each
        raise UnknownNameError("capture", wanted, tuple(each.name for each in entries[:NAMES_SAID]))

    def prune(self, *, keep: int | None = None, before: float | None = None) -> list[Path]:
        """Delete captures beyond the newest `keep`, and those last written before a time; return what was deleted.

        Args:
            keep: how many may stay; None for any number.
            before: seconds since the epoch; None for any age.
        """
        dated = sorted(((path.stat().st_mtime, path) for path in self._files()), reverse=True)
        doomed = [
            path
            for index, (modified, path) in enumerate(dated)
            if (keep is not None and index >= keep) or (before is not None and modified < before)
        ]
        deleted = []
        for path in doomed:
            if read_entry(path) is not None:  # what is no capture is somebody else's
                path.unlink(missing_ok=True)
                deleted.append(path)
        return deleted

    def _files(self) -> Iterator[Path]:
        if self.path.is_dir():
            yield from (path for path in self.path.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def read_entry(path: Path) -> CaptureEntry | None:
    """Return what a file says of itself; None when it is no history.

    Only its beginning is read, unless somebody has written it another way since.
    """
    try:
        state = path.stat()
    except OSError:
        return None  # deleted meanwhile
    try:
        head = _read_head(path)
    except OSError as error:
        return CaptureEntry(
            path.stem, path, state.st_size, state.st_mtime, problem=error.strerror or type(error).__name__
        )
    except (msgspec.MsgspecError, HistoryError, RecursionError, UnicodeDecodeError) as error:
        if not _is_ours(path):
            return None
        return CaptureEntry(path.stem, path, state.st_size, state.st_mtime, problem=f"damaged: {error}")
    if head.format != FORMAT:
        return None
    return CaptureEntry(
        path.stem,
        path,
        state.st_size,
        state.st_mtime,
        workflow=head.run.get("workflow", ""),
        run_id=head.run.get("run_id", ""),
        execution=head.run.get("execution", ""),
        note=head.capture,
    )


def _read_head(path: Path) -> _Head:
    lines: list[bytes] = []
    with path.open("rb") as file:
        size = 0
        for line in file:
            if line.startswith(_AFTER_HEAD):
                return msgspec.json.decode(b"".join(lines).rstrip().rstrip(b",") + b"}", type=_Head)
            lines.append(line)
            size += len(line)
            if size > HEAD_BYTES_MAX:
                break
    history = from_json(path.read_bytes())
    started = history.started
    run = {"workflow": started.workflow, "run_id": started.run_id, "execution": started.execution}
    return _Head(FORMAT, run, history.capture)


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return FORMAT.encode() in file.read(1024)
    return False
