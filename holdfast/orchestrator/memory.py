"""The executions in memory, and which of them have something to write.

Owns: which execution and which run each is, the order in which they were asked for last, and what waits to be written.
Must not know: the store; what coming into memory or leaving it means to anybody else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from holdfast.orchestrator.live import Live


class Memory:
    """Finds executions by id and by run."""

    def __init__(self, runs_max: int, crowded: Callable[[], None]) -> None:
        """Have room for `runs_max` executions; call `crowded()` with each that is admitted above that."""
        self.by_id: OrderedDict[int, Live] = OrderedDict()
        """Least recently asked first."""
        self.by_run: dict[str, Live] = {}
        self.unwritten: dict[int, Live] = {}
        """Those that may have got something to write since the last write took them. The writer empties it."""
        self.write_wanted = asyncio.Event()
        """Set when `unwritten` is not empty any more."""
        self.arriving = asyncio.Lock()
        """Held while executions that this member owns may be on their way here."""
        self._runs_max = runs_max
        self._crowded = crowded

    def __len__(self) -> int:
        """Return how many executions are in memory."""
        return len(self.by_id)

    def admit(self, live: Live) -> None:
        """Keep an execution."""
        self.by_id[live.execution_id] = live
        self.by_run[live.run_id] = live
        if len(self.by_id) > self._runs_max:
            self._crowded()

    def drop(self, live: Live) -> bool:
        """Keep an execution no longer; say whether it was its run's newest here."""
        self.by_id.pop(live.execution_id, None)
        self.unwritten.pop(live.execution_id, None)
        newest = self.by_run.get(live.run_id) is live
        if newest:
            del self.by_run[live.run_id]
        return newest

    def touch(self, live: Live) -> None:
        """Have an execution written soon."""
        unwritten = self.unwritten
        if not unwritten:  # else the writer is awake already, or about to try again
            self.write_wanted.set()
        unwritten[live.execution_id] = live

    def use(self, live: Live) -> None:
        """Let an execution be the last to be evicted."""
        self.by_id.move_to_end(live.execution_id)

    def surplus(self) -> list[Live]:
        """Return the idle executions that have to leave so that there is room again, least recently asked first."""
        count = len(self.by_id) - self._runs_max
        idle: list[Live] = []
        if count <= 0:
            return idle
        for live in self.by_id.values():
            if live.is_idle and not live.is_dirty:
                idle.append(live)
                if len(idle) >= count:
                    break
        return idle
