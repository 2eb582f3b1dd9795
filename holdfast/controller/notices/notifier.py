"""Notices, sent by themselves until they are heard.

Owns: when notices are sent, how often they are tried, and what they say.
Must not know: how one is sent, how runs end.

Theory of operation
===================

A notice becomes due in the commit that ends its run, so none is lost and none is sent for a run that goes on. Whoever
claims it has a minute to settle it; when that process dies, another one tries again. A receiver may thus hear a notice
twice, never a wrong one, and tells repetitions by `webhook-id`, which is the same with every try.

What it says is the run as the API shows it, with its result or error, made from the store when it is sent. One that is
larger than receivers can be expected to take goes without its result: they may ask for that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.controller.documents import Run, run_document
from holdfast.controller.notices.answer import Answer
from holdfast.errors import HoldfastError, StoreError
from holdfast.history import is_encrypted
from holdfast.observe import Meters, logger, warn_of
from holdfast.ports.bus import CLOSED, Bus
from holdfast.ports.operations import DUE, SENT, UNSENT, ClaimedNotice, ClaimNotices, SettleNotice
from holdfast.ports.store import Store

if TYPE_CHECKING:
    from holdfast.controller.notices.sending import Sender

log = logger("holdfast.notices")

RETRIES: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds between one try and the next: ten tries in three days, as Standard Webhooks advises."""
JITTER: Final = 0.1
"""A wait is longer by up to this share, so that those that failed together do not come together again."""
CONNECTIONS_MAX: Final = 20
"""How many are sent at once."""
CLAIM_SECONDS: Final = 60.0
"""More than one try can take."""
POLL_SECONDS: Final = 5.0
"""How often to look although nothing rang."""
PAUSE_SECONDS: Final = 0.1
"""The least time between two looks, whatever rings."""
CLOSE_SECONDS: Final = 5.0
"""How long a closing process may go on sending."""
BODY_BYTES_MAX: Final = 256 * 1024
"""A larger notice goes without the run's result."""
ERROR_CHARACTERS_MAX: Final = 500

OUTCOMES: Final = {SENT: "heard", DUE: "retried", UNSENT: "given_up"}
"""What a try is counted as, by the status that it leaves a notice with."""

_encode: Final = msgspec.json.Encoder().encode


class Notifier:
    """Sends notices while it is open. See the module's theory of operation."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        sender: Callable[[], Awaitable[Sender]],
        jitter: Callable[[], float],
        meters: Meters | None = None,
    ) -> None:
        """Make a notifier; `open` starts it.

        Args:
            store: says what is due.
            bus: rings when a run has ended.
            sender: makes what sends; called with the first notice.
            jitter: uniform in [0, 1).
            meters: counts what came of each try.
        """
        self._store = store
        self._bus = bus
        self._make_sender = sender
        self._jitter = jitter
        self._meters = meters if meters is not None else Meters()
        self._sender: Sender | None = None
        self._wanted = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    async def open(self) -> None:
        """Begin to look."""
        self._stop_listening = self._bus.listen(self._rung)
        self._wanted.set()
        self._task = asyncio.create_task(self._loop(), name="holdfast notices")

    async def close(self, *, lost: bool = False) -> None:
        """Send what is due, unless the process is `lost` to the store, and stop."""
        if self._stop_listening is not None:
            self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError, HoldfastError):
            async with asyncio.timeout(CLOSE_SECONDS):
                if not lost:
                    await self._look()
                await asyncio.gather(*self._sending)
        for each in self._sending:
            each.cancel()  # what it has claimed is due again soon
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()

    def _rung(self, topics: frozenset[str]) -> None:
        if CLOSED in topics:
            self._wanted.set()

    async def _loop(self) -> None:
        seconds = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wanted.wait()
            self._wanted.clear()
            seconds = POLL_SECONDS * (1 + JITTER * self._jitter())
            try:
                due = await self._look()
            except StoreError as error:
                warn_of(log, "notices could not be looked at; trying again", error)
            else:
                if due is not None:
                    seconds = min(seconds, due)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self) -> float | None:
        """Begin to send what is due; return in how many seconds the next one is, None when nothing waits."""
        while True:
            due = await self._store.next_notice()
            if due is None:
                return None
            wait = due - await self._store.now()
            free = CONNECTIONS_MAX - len(self._sending)
            if wait > 0 or not free:
                return max(wait, 0.0) if free else None  # whoever is done looks again
            (claimed,) = await self._store.write([ClaimNotices(free, CLAIM_SECONDS)])
            if not claimed:
                return None
            for each in claimed:
                task = asyncio.create_task(self._send(each), name=f"holdfast notice {each.notice_id}")
                self._sending.add(task)
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wanted.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a notice could not be settled; it is due again in a minute", error=str(error))

    async def _send(self, notice: ClaimedNotice) -> None:
        answer = await self._try(notice)
        settled = self._settlement(notice, answer)
        if not answer.heard:
            log.warning(
                "a notice was not heard",
                notice_id=notice.notice_id,
                run_id=notice.run_id,
                attempt=notice.attempt,
                error=answer.error,
                wait_seconds=round(settled.seconds, 1) if settled.status == DUE else None,
            )
        await self._store.write([settled])
        self._meters.noticed(OUTCOMES[settled.status])

    async def _try(self, notice: ClaimedNotice) -> Answer:
        if is_encrypted(notice.url):
            return Answer(heard=False, error="its URL is encrypted with a key that is not here", final=True)
        record = await self._store.run(notice.execution)
        assert record is not None, "a run is never deleted"
        if self._sender is None:
            self._sender = await self._make_sender()
        body = notice_body(run_document(record, payloads=True))
        url = notice.url.decode()
        return await self._sender.send(url, f"notice-{notice.notice_id}", body, await self._store.now())

    def _settlement(self, notice: ClaimedNotice, answer: Answer) -> SettleNotice:
        if answer.heard:
            return SettleNotice(notice.notice_id, notice.attempt, SENT)
        error = answer.error[:ERROR_CHARACTERS_MAX]
        if answer.final or notice.attempt > len(RETRIES):
            return SettleNotice(notice.notice_id, notice.attempt, UNSENT, error=error)
        wait = max(RETRIES[notice.attempt - 1], answer.retry_after) * (1 + JITTER * self._jitter())
        return SettleNotice(notice.notice_id, notice.attempt, DUE, wait, error)


def notice_body(run: Run) -> bytes:
    """Return what is said about a run that has ended, as JSON text."""
    said = {"type": f"run.{run.status.lower()}", "timestamp": run.closed_at, "data": run}
    body = _encode(said)
    if len(body) > BODY_BYTES_MAX:
        short = msgspec.structs.replace(run, result=msgspec.UNSET, error=msgspec.UNSET)
        body = _encode({**said, "data": short, "truncated": True})
    return body
