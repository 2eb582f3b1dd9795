"""A run put into the folder of captures.

Owns: what this process knows of code and secrets when it makes a capture, that one is written once and beside the event
loop, and that a folder which cannot be written to is let be for a while.
Must not know: which runs want one, where they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from holdfast.errors import HistoryError, StoreCorruptError
from holdfast.history import History
from holdfast.observe import logger
from holdfast.ports.operations import RunRecord
from holdfast.replay.captures.folder import CaptureFolder
from holdfast.replay.captures.known import name_in
from holdfast.replay.captures.making import CodePlace, capture_history, write_capture
from holdfast.replay.redaction import RedactionRules

log = logger("holdfast.captures")

RETRY_SECONDS: Final = 60.0
"""How long to wait after a capture could not be written."""

Result = TypeVar("Result")


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
        self._thread: ThreadPoolExecutor | None = None
        self._warned = False
        self._resting_until = 0.0

    def open(self) -> None:
        """Have a thread: redaction and writing take a while."""
        self._thread = ThreadPoolExecutor(1, "holdfast captures")

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread.shutdown()

    @property
    def is_resting(self) -> bool:
        """Whether a capture could not be written a short while ago."""
        return time.monotonic() < self._resting_until

    def rest(self, error: OSError) -> None:
        """Let writing be for a while; say so once."""
        self._resting_until = time.monotonic() + RETRY_SECONDS
        if not self._warned:
            self._warned = True
            log.warning(
                "captures cannot be written; runs go on, and what is missing is made up for later",
                folder=str(self.folder.path),
                error=str(error),
            )

    async def aside(self, function: Callable[[], Result]) -> Result:
        """Call a function in the thread."""
        assert self._thread is not None, "only while it is open"
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def put(self, history: History, record: RunRecord, reason: str) -> None:
        """Write the capture of an execution unless it is there.

        Raises:
            OSError: it cannot be written.
        """
        located = self.located(history)
        await self.aside(lambda: self._put(located, record, reason))
        self._warned = False

    async def prune(self) -> None:
        """Let the oldest captures go where there are more than are kept. Raises OSError."""
        await self.aside(lambda: self.folder.prune(keep=self.settings.keep))

    def _put(self, history: History, record: RunRecord, reason: str) -> None:
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


def warn_of_run(run_id: str, error: Exception) -> None:
    """Say that a run is not captured, because of what is in its history: the next look must not meet it again."""
    if isinstance(error, HistoryError | StoreCorruptError):
        log.warning("a run cannot be read, so it is not captured", run_id=run_id, error=str(error))
    else:
        # Not what it says, nor a traceback: they may quote what was to be taken out.
        log.warning("a run could not be captured", run_id=run_id, error=type(error).__name__)
