"""The one writer of pages.

Owns: what goes into a commit, and that it is tried again when it failed as a whole.
Must not know: where entries come from; what durable ones lead to.

Everything an execution learns becomes an entry, entries become a page. All executions with something to write share one
commit, and each has at most one page in flight, so what arrives meanwhile is written together next time. Writing
together never means draining together: inputs are applied one by one. Those that were durable before they became
entries are applied before their page is made, so that what comes of them stands in it too: see `ahead`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from holdfast.errors import FencedError, HoldfastError, StoreError
from holdfast.history import AnyEvent, Page
from holdfast.observe import logger, warn_of
from holdfast.orchestrator.ahead import Ahead
from holdfast.orchestrator.landings import Landings
from holdfast.orchestrator.live import Live, outcome_of
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.offspring import make_continuation
from holdfast.orchestrator.portability import Portability
from holdfast.orchestrator.standing import RETRY_WRITE_SECONDS, Standing
from holdfast.ports.operations import CONTINUED_AS_NEW, Append, Closing
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")

_encode_outcome: Final = msgspec.msgpack.Encoder().encode


class Writer:
    """Writes what executions in memory have learned and decided."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        memory: Memory,
        ahead: Ahead,
        landings: Landings,
        now: Callable[[], float],
        jitter: Callable[[], float],
        writing: asyncio.Lock,
    ) -> None:
        """Write to `store`, and tell `landings`.

        Args:
            store: its writes are group commits.
            standing: who it writes as.
            memory: which executions have something to write.
            ahead: goes on with those that can before they are written.
            landings: learns what became of each write.
            now: seconds since the epoch.
            jitter: uniform in [0, 1).
            writing: held while it writes.
        """
        self._store = store
        self._codec = store.codec
        self._standing = standing
        self._memory = memory
        self._ahead = ahead
        self._landings = landings
        self._written = landings.written
        self._now = now
        self._jitter = jitter
        self._writing = writing
        self.portability: Portability | None = None
        """What looks at all that is written, where somebody wants to be able to move to Temporal."""

    async def run(self) -> None:
        """Write whenever there is something to write, until cancelled."""
        wanted = self._memory.write_wanted
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                await self.flush()
            except FencedError:
                self._standing.lose()
            except StoreError as error:
                warn_of(log, "commit failed, trying again", error)
                await asyncio.sleep(RETRY_WRITE_SECONDS * (0.5 + self._jitter()))
                wanted.set()

    async def flush(self) -> None:
        """Write until there is nothing left to write.

        Raises:
            FencedError: the lease is lost.
            StoreError: nothing was written; it waits for the next time.
        """
        async with self._writing:
            await self._write_all()

    async def _write_all(self) -> None:
        memory = self._memory
        while memory.unwritten:
            membership = self._standing.membership
            if membership is None:
                memory.unwritten.clear()
                return  # nothing here is this member's to write
            batch, memory.unwritten = memory.unwritten, {}
            now = self._now()
            lives: list[tuple[Live, Page | None, list[AnyEvent]]] = []
            operations: list[Append] = []
            for live in batch.values():
                if live.flying or not live.is_dirty or live.execution_id not in memory.by_id:
                    continue
                if live.mailed:
                    self._ahead.advance(live)
                operations.append(self._append(live, now, lives))
            if not operations:
                return
            try:
                results = await self._store.write(operations, membership)
            except BaseException:
                for live, _, _ in lives:
                    live.land(None, durable=False)
                    memory.unwritten[live.execution_id] = live
                raise
            for (live, page, events), operation, result in zip(lives, operations, results, strict=True):
                if result is True:
                    live.land(page, durable=True)
                    if self.portability is not None and page is not None:
                        self.portability.look(live, page.last, events)
                    try:
                        if operation.park:
                            self._landings.parked(live, operation.park, events)
                        else:
                            self._written(live, page, events)
                    except HoldfastError as error:  # this run cannot go on; the others of the batch do
                        self._landings.failed(live, error)
                else:
                    self._landings.refused(live, result)

    def _append(self, live: Live, now: float, lives: list[tuple[Live, Page | None, list[AnyEvent]]]) -> Append:
        blobs: dict[bytes, bytes] = {}
        page, events = live.make_page(now, blobs, self._codec)
        closing = None
        if live.closing is not None:
            outcome = outcome_of(events[-1])
            assert outcome is not None
            following = (
                make_continuation(live, events, now, self._codec) if outcome.status == CONTINUED_AS_NEW else None
            )
            closing = Closing(outcome.status, _encode_outcome(outcome), following)
        if live.unstable and page is not None:
            live.unstable = False
            live.stable = True
        lives.append((live, page, events))
        blobs_stored = tuple(blobs.items()) if blobs else ()
        read, stable, park = live.inbox_read, live.stable, live.park and (live.park if live.parks else "")
        beside = live.take_off()
        if beside is None:
            return Append(live.execution_id, page, blobs_stored, closing, read, stable=stable, park=park)
        return Append(
            live.execution_id,
            page,
            blobs_stored,
            closing,
            read,
            queue=tuple(beside.queue),
            unqueue=tuple(beside.unqueue),
            fan_outs=tuple(beside.fan_outs),
            lock=tuple(beside.lock),
            unlock=tuple(beside.unlock),
            stable=stable,
            park=park,
            outgoing=beside.outgoing,
            attributes=tuple(beside.attributes.items()),
        )
