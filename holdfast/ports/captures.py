"""Where captures are kept, as those see it who only look at them, and where the runs are that want one.

Owns: what is known of a capture without reading it whole; what is asked of an engine for captures to be made.
Must not know: folders' layout, how captures are made, engines.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from holdfast.history import CaptureNote, History
from holdfast.ports.operations import FAILED, TIMED_OUT, RunRecord


@dataclass(frozen=True, slots=True)
class CaptureEntry:
    """One capture."""

    name: str
    """Its file's name, without `.json`."""
    path: Path
    size_bytes: int
    modified_at: float
    """Seconds since the epoch."""
    workflow: str = ""
    run_id: str = ""
    execution: str = ""
    note: CaptureNote | None = None
    problem: str = ""
    """Why the file cannot be read, when it cannot."""

    @property
    def captured_at(self) -> float:
        """When it was made, in seconds since the epoch."""
        if self.note is not None:
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(self.note.captured_at).timestamp()
        return self.modified_at


class Captures(Protocol):
    """Captures that can be looked at. The methods read files: call them beside an event loop, not on it."""

    def entries(self) -> list[CaptureEntry]:
        """Return all captures, newest first."""

    def find(self, wanted: str) -> CaptureEntry:
        """Return the capture of this name, or the newest one of this run id or execution; raises UnknownNameError."""


@dataclass(frozen=True, slots=True)
class EndedFilter:
    """Which executions are meant of those that have ended. All that is given has to hold."""

    workflows: tuple[str, ...] = ()
    """It is one of these; none of them is any workflow."""
    statuses: tuple[str, ...] = (FAILED, TIMED_OUT)
    """It ended as one of these."""
    closed_from: float = 0.0
    """It ended then or later, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """An execution that has ended, as a list has it."""

    record: RunRecord
    """As far as lists tell."""
    place: str
    """What the engine finds this execution by, and no other."""


class EndedRuns(Protocol):
    """Executions that have ended, wherever they are."""

    async def page(self, where: EndedFilter, cursor: str | None, limit: int) -> tuple[list[EndedRun], str | None]:
        """Return some of them, newest first, and where the next page begins, None for the last one.

        Raises:
            StoreError: they cannot be listed.
        """

    async def read(self, place: str, wait_seconds: float = 0.0) -> tuple[RunRecord, History]:
        """Return one execution with all that is recorded of it, and how it has ended.

        Args:
            place: see EndedRun.
            wait_seconds: for how long it may take until it has ended; past that it is returned as it is.

        Raises:
            RunNotFoundError: it is there no more.
            HistoryError: it cannot be read.
            StoreError: nobody answers.
        """
