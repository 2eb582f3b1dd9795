"""Captures made by themselves, of runs that went wrong and of some that did not.

Owns: when captures are made, and that this never holds anything up.
Must not know: settings' files, how the process is put together.

Theory of operation
===================

Nothing is written on a run's way: the store lists runs that failed, timed out or diverged until they are marked, in an
index that holds nothing else, so looking costs what there is to capture. The doorbell of a closing run wakes the look,
a slow poll does too, and what a crash left without a capture is found by the next look of whoever is alive.

A file is written first, its run is marked then. A crash between the two makes the same file again. Several processes
may look at once: they make the same file under the same name.

Redaction and writing happen in a thread, the store is read on the loop, a few runs at a time. When more runs went
wrong than captures are kept, the oldest of them get none: nobody reads ten thousand captures of one outage.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

from holdfast.errors import HoldfastError, StoreCorruptError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.ports.bus import CLOSED, Bus
from holdfast.ports.operations import COMPLETED, MarkCaptured, RunRecord
from holdfast.ports.store import Store
from holdfast.replay.captures.making import reason_of
from holdfast.replay.captures.reading import read_run
from holdfast.replay.captures.writing import CaptureWriter, warn_of_run

log = logger("holdfast.captures")

BATCH: Final = 16
"""How many captures are made between two pauses."""
PAUSE_SECONDS: Final = 0.2
"""The least time between two looks, whatever rings."""
POLL_SECONDS: Final = 3.0
"""How often to look although nothing rang: a run that diverges rings nothing."""
CLOSE_SECONDS: Final = 5.0
"""How long a closing process may go on making captures."""
SAMPLED_MAX: Final = 1_000
"""How many completed runs wait for their capture; further ones get none."""


class Capturer:
    """Makes captures while it is open. See the module's theory of operation."""

    def __init__(self, store: Store, bus: Bus, writer: CaptureWriter, random: Callable[[], float]) -> None:
        """Make a capturer; `open` starts it.

        Args:
            store: says which runs want a capture.
            bus: rings when a run has closed.
            writer: makes the captures.
            random: uniform in [0, 1).
        """
        self._store = store
        self._bus = bus
        self._writer = writer
        self._settings = writer.settings
        self._random = random
        self._wanted = asyncio.Event()
        self._sampled: deque[str] = deque(maxlen=SAMPLED_MAX)
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    async def open(self) -> None:
        """Begin to look."""
        self._writer.open()
        self._stop_listening = self._bus.listen(self._rung)
        self._wanted.set()
        self._task = asyncio.create_task(self._loop(), name="holdfast captures")

    async def close(self, *, lost: bool = False) -> None:
        """Capture what went wrong just now, unless the process is `lost` to the store, and stop."""
        if self._stop_listening is not None:
            self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not lost and self._task is not None:
            with contextlib.suppress(TimeoutError, HoldfastError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._look()
        self._writer.close()

    def closed(self, execution: str, status: str) -> None:
        """Hear that a run has closed; some of the completed ones are captured."""
        if status == COMPLETED and self._random() < self._settings.successes:
            self._sampled.append(execution)
            self._wanted.set()

    def _rung(self, topics: frozenset[str]) -> None:
        if CLOSED in topics:
            self._wanted.set()

    async def _loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS * (0.75 + 0.5 * self._random())):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                if await self._look():
                    self._wanted.set()
            except StoreError as error:
                warn_of(log, "the store cannot be asked for runs to capture", error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self) -> bool:
        """Make some captures; return whether more are wanted."""
        if self._writer.is_resting:
            return False
        found = await self._store.uncaptured(BATCH)
        if len(found) == BATCH:
            await self._give_up_oldest()
        seen_to: list[tuple[int, str]] = []
        try:
            for record in found:
                reason = reason_of(record)
                if not reason or await self._capture(record, reason):
                    seen_to.append((record.execution_id, record.status))
            while self._sampled:
                sampled = await self._store.run(self._sampled.popleft())
                if sampled is not None:
                    await self._capture(sampled, "sampled")
        except OSError as error:
            self._writer.rest(error)
        finally:
            if seen_to:
                await self._store.write([MarkCaptured(tuple(seen_to))])
        if seen_to and not self._writer.is_resting:
            await self._writer.prune()
        return len(found) == BATCH and not self._writer.is_resting

    async def _give_up_oldest(self) -> None:
        keep = self._settings.keep
        wanting = await self._store.uncaptured(keep + 1)
        if len(wanting) > keep:
            log.warning("more runs went wrong than captures are kept; the oldest get none", kept=keep)
            await self._store.write([MarkCaptured(older_than=wanting[keep - 1].execution_id)])

    async def _capture(self, record: RunRecord, reason: str) -> bool:
        """Make one capture; return whether that is settled. Raises OSError when it cannot be written."""
        try:
            await self._writer.put(await read_run(self._store, record.execution_id), record, reason)
        except OSError:
            raise
        except StoreError as error:
            if not isinstance(error, StoreCorruptError):
                return False
            warn_of_run(record.run_id, error)
        except Exception as error:  # noqa: BLE001 - whatever is in a history, it holds nothing up
            warn_of_run(record.run_id, error)
        return True
