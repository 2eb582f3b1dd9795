"""Who waits for the end of which run.

Owns: one look at the store on behalf of all who wait, and how often it is taken.
Must not know: what is done with an outcome.

A thousand waiting callers must not mean a thousand reads for every run that ends. So one task looks, at all runs that
are waited for, when the bell rings and a little later; and never more than a fifth of the time. Runs that the
orchestrator in this process owns are not looked at: it says when they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from holdfast.errors import EncryptionError, RunNotFoundError, StoreError
from holdfast.ports.bus import CLOSED, Bus
from holdfast.ports.engine import LocalOrchestrator, Outcome, decode_end
from holdfast.ports.operations import CONTINUED_AS_NEW, TERMINAL, RunRecord
from holdfast.ports.store import Store

LOOK_SECONDS: Final = 0.25
"""How often to look although nothing rang."""
REST_SHARE: Final = 4
"""A look is followed by a rest of this many times what it took."""
REST_SECONDS_MIN: Final = 0.005


class Ends:
    """Waits for the ends of runs."""

    def __init__(self, store: Store, bus: Bus, local: Callable[[], LocalOrchestrator | None]) -> None:
        """Look into `store`; `local` gives the orchestrator of this process, if there is one."""
        self._store = store
        self._bus = bus
        self._local = local
        self._waiting: dict[str, set[asyncio.Future[Outcome]]] = {}
        self._told: set[str] = set()
        """Runs whose end the local orchestrator will tell."""
        self._looker: asyncio.Task[None] | None = None
        self._rung = asyncio.Event()

    async def wait(self, run_id: str) -> Outcome:
        """Return how a run ends, once it has. Raises RunNotFoundError."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, set()).add(future)
        self._rung.set()
        if self._looker is None:
            self._looker = asyncio.create_task(self._look_on(), name="holdfast ends")
        try:
            return await future
        finally:
            waiting = self._waiting.get(run_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[run_id]
            if not self._waiting and self._looker is not None:
                self._looker.cancel()
                self._looker = None

    async def _look_on(self) -> None:
        stop = self._bus.listen(self._heard)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._rung.wait()
                self._rung.clear()
                started = time.monotonic()
                for run_id in [each for each in self._waiting if each not in self._told]:
                    await self._look_at(run_id)
                took = time.monotonic() - started
                await asyncio.sleep(max(REST_SECONDS_MIN, took * REST_SHARE))
        finally:
            stop()

    async def _look_at(self, run_id: str) -> None:
        local = self._local()
        if local is not None and local.owns(run_id):
            self._told.add(run_id)
            local.watch_outcome(run_id).add_done_callback(lambda future: self._tell(run_id, future))
            return
        try:
            record = await self._store.run(run_id)
            while record is not None and record.status == CONTINUED_AS_NEW:  # one execution was named, and went on
                record = await self._store.run(_next_execution(record))
        except StoreError:
            return  # the next look may go better
        if record is None:
            self._settle(run_id, None, RunNotFoundError(run_id))
        elif record.status in TERMINAL:
            try:
                outcome = decode_end(record.outcome)
            except EncryptionError as error:
                self._settle(run_id, None, error)
            else:
                self._settle(run_id, outcome, None)

    def _tell(self, run_id: str, future: asyncio.Future[Outcome]) -> None:
        self._told.discard(run_id)
        if not future.cancelled():
            self._settle(run_id, future.result(), None)
        else:
            self._rung.set()  # the orchestrator gave the run up: it ends elsewhere

    def _settle(self, run_id: str, outcome: Outcome | None, error: Exception | None) -> None:
        for future in self._waiting.get(run_id, ()):
            if future.done():
                continue
            if outcome is not None:
                future.set_result(outcome)
            else:
                assert error is not None
                future.set_exception(error)

    def _heard(self, topics: frozenset[str]) -> None:
        if CLOSED in topics:
            self._rung.set()


def _next_execution(record: RunRecord) -> str:
    number = record.execution[len(record.run_id) + 1 :] or "1"
    return f"{record.run_id}@{int(number) + 1}"
