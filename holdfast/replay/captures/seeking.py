"""Captures made by themselves, of runs on a cluster.

Owns: when they are made there, how far back has been looked, and that this never holds anything up.
Must not know: which cluster, settings' files, how the process is put together.

Theory of operation
===================

A store marks a run as captured; on a cluster nothing can be marked. So the folder itself says what is captured: an
execution whose capture is in it needs none. How far back has been looked stands in a small file beside them, so that
what somebody has deleted does not come back, and what happened while no process was there is made up for.

A process hears of ends that its own code comes to, and reads these executions at once. What nobody has heard of - the
process has died, the time of a run was up, somebody else's worker has ended it - a slow look at the cluster's list of
ended executions finds. The list follows a little later, and clocks differ, so each look goes back a while behind the
one before it, and remembers what it has seen.

Two processes may see to the same execution: they write the same file under the same name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from holdfast.errors import RunNotFoundError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.ports.captures import CaptureEntry, EndedFilter, EndedRun, EndedRuns
from holdfast.ports.operations import COMPLETED, TERMINAL
from holdfast.replay.captures.known import CaptureKey, key_of, known_captures
from holdfast.replay.captures.making import reason_of
from holdfast.replay.captures.writing import CaptureWriter, warn_of_run

log = logger("holdfast.captures")

LOOK_SECONDS: Final = 30.0
"""How often to look at the cluster's list, whatever was heard."""
FIRST_SECONDS: Final = 3_600.0
"""How far back the first look goes, where nobody has looked before."""
BEHIND_SECONDS: Final = 600.0
"""How far each look goes behind the one before it: the list follows later, and clocks differ."""
END_SECONDS: Final = 20.0
"""How long an end that was heard of may take until the cluster has it; past that the list is left to find it."""
CLOSE_SECONDS: Final = 5.0
"""How long a closing process may go on making captures."""
PAGE: Final = 100
"""How many executions are listed at a time."""
HEARD_MAX: Final = 1_000
"""How many ends wait for their capture; the list has the others that went wrong."""
SEEN_MAX: Final = 10_000
"""How many executions are remembered, so as not to be read twice."""


class _Looked(msgspec.Struct, frozen=True):
    """How far one has looked."""

    until: float
    places: tuple[str, ...] = ()
    """What was seen to then: the next look, which begins before, meets it again."""


class _Heard(NamedTuple):
    place: str
    reason: str
    """Why it is captured; empty where how it has ended says so."""


class ClusterCapturer:
    """Makes captures while it is open. See the module's theory of operation."""

    def __init__(
        self,
        runs: EndedRuns,
        where: str,
        workflows: tuple[str, ...],
        writer: CaptureWriter,
        random: Callable[[], float],
    ) -> None:
        """Make a capturer; `open` starts it.

        Args:
            runs: the executions of a cluster.
            where: which cluster: each has been looked at up to a time of its own.
            workflows: those whose executions are captured.
            writer: makes the captures.
            random: uniform in [0, 1).
        """
        self._runs = runs
        self._workflows = workflows
        self._writer = writer
        self._random = random
        self._mark = writer.folder.path / f".looked-{blake2b(where.encode(), digest_size=6).hexdigest()}"
        self._heard: deque[_Heard] = deque(maxlen=HEARD_MAX)
        self._wanted = asyncio.Event()
        self._seen: dict[str, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._writer.open()
        self._listening = asyncio.create_task(self._listen(), name="holdfast captures heard of")
        self._seeking = asyncio.create_task(self._seek(), name="holdfast captures looked for")

    async def close(self) -> None:
        """Capture what went wrong just now, and stop."""
        if self._listening is None or self._seeking is None:
            return
        await asyncio.sleep(0)  # what was said from other threads is heard first
        self._loop = None
        self._wanted.set()
        self._seeking.cancel()
        await asyncio.wait([self._listening], timeout=CLOSE_SECONDS)
        self._listening.cancel()
        await asyncio.gather(self._listening, self._seeking, return_exceptions=True)
        self._writer.close()

    def ended(self, place: str, status: str) -> None:
        """Hear from any thread that code of this process has come to an end; Temporal may know of it a little later."""
        loop = self._loop
        if loop is None or (status == COMPLETED and not self._writer.settings.successes):
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: whoever looks at the list finds it
            loop.call_soon_threadsafe(self._hear, place, status)

    def _hear(self, place: str, status: str) -> None:
        if status == COMPLETED:
            if self._random() >= self._writer.settings.successes:
                return
            self._heard.append(_Heard(place, "sampled"))
        else:
            self._heard.append(_Heard(place, ""))
        self._wanted.set()

    # --- What was heard of -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while self._loop is not None or self._heard:
            await self._wanted.wait()
            self._wanted.clear()
            while self._heard:
                place, reason = self._heard[0]
                try:
                    if not self._writer.is_resting:
                        await self._capture(place, reason, END_SECONDS)
                        await self._writer.prune()
                except OSError as error:
                    self._writer.rest(error)
                except StoreError as error:
                    warn_of(log, "the cluster cannot be asked for a run to capture", error)
                self._heard.popleft()

    # --- What nobody has heard of ----------------------------------------------------------------------------------

    async def _seek(self) -> None:
        while True:
            if self._workflows and not self._writer.is_resting:
                try:
                    await self._look()
                except OSError as error:
                    self._writer.rest(error)
                except StoreError as error:
                    warn_of(log, "the cluster cannot be asked for runs to capture", error)
            await asyncio.sleep(LOOK_SECONDS * (0.75 + 0.5 * self._random()))

    async def _look(self) -> None:
        """Capture what went wrong since the last look. Raises OSError, StoreError: the next one goes as far back."""
        begun = time.time()
        looked = await self._writer.aside(lambda: _read_mark(self._mark))
        since = begun - FIRST_SECONDS if looked is None else min(looked.until, begun)
        for place in looked.places if looked is not None else ():
            self._remember(place)
        where = EndedFilter(self._workflows, closed_from=since - BEHIND_SECONDS)
        known: dict[CaptureKey, CaptureEntry] | None = None
        cursor: str | None = None
        places: list[str] = []
        made = 0
        while True:
            page, cursor = await self._runs.page(where, cursor, PAGE)
            places += [each.place for each in page]
            for each in self._unseen(page):
                if made == self._writer.settings.keep:
                    log.warning("more runs went wrong than captures are kept; the oldest get none", kept=made)
                    cursor = None
                    break
                if known is None:
                    known = await self._writer.aside(lambda: known_captures(self._writer.folder))
                if key_of(each.record) in known:
                    self._remember(each.place)
                    continue
                await self._capture(each.place, "", 0.0)
                made += 1
            if cursor is None:
                break
        if made:
            await self._writer.prune()
        await self._writer.aside(lambda: _write_mark(self._mark, _Looked(begun, tuple(places[:SEEN_MAX]))))

    def _unseen(self, page: list[EndedRun]) -> list[EndedRun]:
        return [each for each in page if each.place not in self._seen]

    # --- Both ------------------------------------------------------------------------------------------------------

    async def _capture(self, place: str, reason: str, wait_seconds: float) -> None:
        """Make one capture, where there is a reason. Raises OSError, StoreError."""
        if place in self._seen:
            return
        try:
            record, history = await self._runs.read(place, wait_seconds)
            if record.status not in TERMINAL:
                return  # it goes on after all, or the list will have it
            why = reason_of(record) or reason
            if why:
                await self._writer.put(history, record, why)
        except (OSError, StoreError):
            raise
        except RunNotFoundError:
            pass  # it is kept no more
        except Exception as error:  # noqa: BLE001 - whatever is in a history, it holds nothing up
            warn_of_run(place.partition("/")[2], error)
        self._remember(place)

    def _remember(self, place: str) -> None:
        self._seen[place] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]


def _read_mark(path: Path) -> _Looked | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Looked)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _write_mark(path: Path, looked: _Looked) -> None:
    """Note how far has been looked, whole or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(msgspec.json.encode(looked))
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
