"""Where captures are kept, as those see it who only look at them.

Owns: what is known of a capture without reading it whole.
Must not know: folders' layout, how captures are made.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from holdfast.history import CaptureNote


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
