"""How executions leave memory.

Owns: what is undone here when one goes, and what the store is told so that somebody finds it.
Must not know: why it goes.

An execution is *forgotten* in any case. One that was taken from this member is *let go*: what is durable of its
attempts goes on. One that nobody took is *given up*: the store is told that somebody, perhaps this member, should go on
with it at once. One that waits is *released*: the store is told when its next timer is due, and it costs its rows only.
"""

from __future__ import annotations

import asyncio
import contextlib

from holdfast.errors import FencedError, HoldfastError, StoreError
from holdfast.observe import logger, warn_of
from holdfast.orchestrator.aside import Aside
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.looks import Looks
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.standing import RETRY_WRITE_SECONDS, Standing
from holdfast.orchestrator.timers import Timers
from holdfast.orchestrator.waiters import Waiters
from holdfast.ports.operations import Append, Operation, ReleaseRuns
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")


class Departures:
    """Takes executions out of memory."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        aside: Aside,
        looks: Looks,
        memory: Memory,
        timers: Timers,
        waiters: Waiters,
        dispatcher: Dispatcher,
    ) -> None:
        """Take executions out of `memory`, and out of what looks after them there."""
        self._store = store
        self._standing = standing
        self._aside = aside
        self._looks = looks
        self._memory = memory
        self._timers = timers
        self._waiters = waiters
        self._dispatcher = dispatcher

    def forget(self, live: Live) -> None:
        """Let nothing in this process know an execution any more."""
        newest = self._memory.drop(live)
        # Whoever waits for its end, or for an answer, looks elsewhere, unless it was told just now.
        self._waiters.send_elsewhere(live, for_end=newest)
        self._timers.forget(live)
        self._dispatcher.abandon(live)
        live.execution.evict()

    def forget_all(self) -> None:
        """Forget every execution without writing anything: this member is not their owner any more."""
        for live in list(self._memory.by_id.values()):
            self.forget(live)
        self._memory.unwritten.clear()
        self._dispatcher.abandon_detached()

    def let_go(self, live: Live) -> None:
        """Forget an execution that was taken from this member, who goes on being one."""
        self._dispatcher.detach(live)
        self.forget(live)

    def give_up(self, execution_id: int, live: Live | None) -> None:
        """Let go of an execution, if it is in memory, and have somebody go on with it at once."""
        if live is not None:
            self.let_go(live)
        self._aside.spawn(self._disown, execution_id)

    def release_soon(self, lives: list[Live]) -> None:
        """Release idle executions, beside the main path."""
        self._aside.spawn(self.release, lives)

    async def release(self, lives: list[Live]) -> None:
        """Forget idle executions, and say in the store when they have to be looked at next.

        Raises:
            FencedError: the lease is lost.
            StoreError: the store does not take it, and this member is about to leave.
        """
        operations: list[Operation] = []
        for live in lives:
            wake_at = min(live.timers.values(), default=None)
            operations.append(Append(live.execution_id, None, wake_at=wake_at, wake_changed=True))
            self.forget(live)
        operations.append(ReleaseRuns(tuple(live.execution_id for live in lives)))
        while lives:
            try:
                await self._store.write(operations, self._standing.membership)
            except FencedError:
                raise
            except StoreError as error:
                # They are out of memory already: until this is written, nobody owns them in deed.
                warn_of(log, "could not disown runs, trying again", error)
                if self._standing.draining:
                    raise
                await asyncio.sleep(RETRY_WRITE_SECONDS)
            else:
                return

    def evict_surplus(self) -> None:
        """Release idle executions until there is room again."""
        idle = self._memory.surplus()
        if idle:
            self.release_soon(idle)

    async def _disown(self, execution_id: int) -> None:
        # One that was taken away may have been claimed again by now, by this very member: then it stays. Disowned, what
        # it has to write would be refused, it would be given up, claimed again and disowned again, for ever.
        async with self._memory.arriving:
            if execution_id in self._memory.by_id:
                return
            with contextlib.suppress(HoldfastError):
                await self._store.write([ReleaseRuns((execution_id,), ready=True)], self._standing.membership)
        self._looks.want_runs()
