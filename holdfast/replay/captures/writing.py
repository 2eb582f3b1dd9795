"""A run put into the folder of captures.

Owns: what this process knows of code and secrets when it makes a capture, and that one is written once.
Must not know: which runs want one, where they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.history import History
from holdfast.observe import logger
from holdfast.ports.operations import RunRecord
from holdfast.replay.captures.folder import CaptureFolder
from holdfast.replay.captures.known import name_in
from holdfast.replay.captures.making import CodePlace, capture_history, write_capture
from holdfast.replay.redaction import RedactionRules

log = logger("holdfast.captures")


@dataclass(frozen=True, slots=True)
class CapturerSettings:
    """What is captured, and how much of it is kept."""

    rules: RedactionRules
    keep: int = 1_000
    """Captures kept; the oldest go first."""
    successes: float = 0.0
    """Share of completed runs that are captured, 0 to 1."""
    version: str = ""
    """Of Holdfast."""


class CaptureWriter:
    """Makes captures of histories."""

    def __init__(
        self,
        folder: CaptureFolder,
        settings: CapturerSettings,
        *,
        place_of: Callable[[str], CodePlace | None],
        parameter: Callable[[str], str],
        located: Callable[[History], History],
    ) -> None:
        """Know what goes into a capture.

        Args:
            folder: where captures go.
            settings: see CapturerSettings.
            place_of: finds a workflow's code by its name.
            parameter: see `redact_history`.
            located: notes at which line of today's code each decision of a history is made.
        """
        self.folder = folder
        self.settings = settings
        self.located = located
        self._place_of = place_of
        self._parameter = parameter

    def put(self, history: History, record: RunRecord, reason: str) -> None:
        """Write the capture of an execution unless it is there. It may take a while: not for an event loop.

        Raises:
            OSError: it cannot be written.
        """
        capture = capture_history(
            history,
            record,
            reason=reason,
            now=time.time(),
            rules=self.settings.rules,
            place=self._place_of(record.workflow),
            parameter=self._parameter,
            version=self.settings.version,
        )
        name, is_there = name_in(self.folder, capture, record)
        if not is_there:
            self.folder.put(name, write_capture(capture))
            log.info("run captured", run_id=capture.started.run_id, reason=reason, capture=name)

    def prune(self) -> None:
        """Let the oldest captures go where there are more than are kept."""
        self.folder.prune(keep=self.settings.keep)
