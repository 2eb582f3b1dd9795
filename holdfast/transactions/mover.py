"""What moves enqueued runs from an outbox to the store.

Owns: when an outbox is looked at, the order of starting and taking away, what becomes of a run that is refused.
Must not know: which database the outbox is in, how a run is started.

Theory of operation
===================

    read rows        the user's database
    start the runs   the store, in one commit       killed after this: the rows are there, and starting finds the runs
    take them away   the user's database

Starting is idempotent by run id and input, so nothing has to be locked and no two databases have to agree: any number
of movers may read the same row. A row is taken away by its number, so one that was enqueued anew meanwhile stays.

A run that the store refuses, because its id has other work, stays in the outbox with the reason, and is not tried
again. Everything else that goes wrong passes, or is somebody's to repair, and is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from holdfast.errors import EncodeError, InputError, RequestError
from holdfast.observe import logger
from holdfast.ports.engine import Engine, StartRequest
from holdfast.transactions.enqueue import read
from holdfast.transactions.outbox import DROP, REFUSE, TAKE, Place

ROWS_MAX: Final = 200
"""How many runs are moved in one commit."""
LOOK_SECONDS: Final = 0.5
"""How often an outbox is looked at. Nothing rings: a NOTIFY in each user's transaction would make them queue."""
TROUBLE_SECONDS: Final = 5.0
"""How long to wait after something went wrong."""
JITTER: Final = 0.2
"""A wait is longer by up to this share, so that movers do not look in step."""

log = logger("holdfast.outbox")


class Mover:
    """Moves what is enqueued in one database, while it is open. See the module's theory of operation."""

    def __init__(self, place: Place, engine: Engine, jitter: Callable[[], float]) -> None:
        """Move from `place` to where `engine` starts runs.

        Args:
            place: the user's database.
            engine: starts runs.
            jitter: uniform in [0, 1).
        """
        self._place = place
        self._engine = engine
        self._jitter = jitter
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._loop(), name="holdfast outbox")

    async def close(self) -> None:
        """Stop; what has been started and not taken away is found again by the next mover."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._place.close()

    async def _loop(self) -> None:
        while True:
            seconds = LOOK_SECONDS
            try:
                await self.move()
            except Exception as error:  # noqa: BLE001 - whatever it is, runs wait here
                log.warning("an outbox could not be moved; trying again", outbox=self._place.name, error=str(error))
                seconds = TROUBLE_SECONDS
            await asyncio.sleep(seconds * (1 + JITTER * self._jitter()))

    async def move(self) -> int:
        """Move everything that is there now; return how many runs were started or found.

        Raises:
            StoreError: the database or the store cannot be reached; what was moved before stays moved.
        """
        after = moved = 0
        while True:
            rows = await self._place.ask(TAKE, [{"after": after, "limit": ROWS_MAX}])
            if rows:
                moved += await self._move(rows)
                after = rows[-1][0]
            if len(rows) < ROWS_MAX:
                return moved

    async def _move(self, rows: Sequence[tuple[Any, ...]]) -> int:
        requests: dict[int, StartRequest] = {}
        refused: list[dict[str, Any]] = []
        for number, run_id, _, body, text in rows:
            try:
                requests[number] = read(text, body)
            except msgspec.MsgspecError as error:
                refused.append(self._refusal(number, run_id, f"the row cannot be read: {error}"))
        try:
            await self._engine.start(list(requests.values()))
        except (RequestError, InputError, EncodeError):  # of one of them: which, is found out one by one
            for number, request in list(requests.items()):
                reason = await _reason(self._engine.start([request]))
                if reason:
                    del requests[number]
                    refused.append(self._refusal(number, request.run_id, reason))
        if requests:
            await self._place.ask(DROP, [{"number": each} for each in requests])
        if refused:
            await self._place.ask(REFUSE, refused)
        return len(requests)

    def _refusal(self, number: int, run_id: str, reason: str) -> dict[str, Any]:
        log.error("an enqueued run was refused; it stays in the outbox", outbox=self._place.name, run_id=run_id)
        return {"reason": reason, "number": number}


async def _reason(start: Awaitable[Any]) -> str:
    """Return why a start is refused, or nothing."""
    try:
        await start
    except (RequestError, InputError, EncodeError) as error:
        return error.message()
    return ""
