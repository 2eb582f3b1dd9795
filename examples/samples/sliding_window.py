"""Work through a long list, never more than a few at a time, and with a history that stays short.

Each record is a child of its own, which tells its parent when it is done: the parent goes on as new executions, and
what a child returns reaches only the execution that has started it. A signal reaches whichever there is.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pydantic import BaseModel

from examples.samples import outside
from holdfast import all_handlers_finished, continue_as_new, get_run, signal, start_child, task, workflow

PER_EXECUTION: Final = 4
"""How many records each execution begins with; thousands where it is not to be shown."""


class Batch(BaseModel):
    """A list, and how far it is."""

    records: int
    window: int
    """How many records may be under way at once."""
    begun: int = 0
    under_way: list[int] = []
    done: int = 0


@task
async def process(record: int) -> None:
    """Do what is to be done with a record."""
    await outside.ask(f"record {record}")


@workflow
async def handle_record(record: int, batch: str) -> None:
    """Process a record, and tell the batch."""
    await process(record)
    await get_run(batch).signal(SlidingWindow.done, record)


@workflow
class SlidingWindow:
    """Works through a batch."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.changed = asyncio.Event()

    async def run(self, batch: Batch, id: str) -> int:
        """Work through a batch; return how many records were done.

        Args:
            batch: what is to be done, and how far it is.
            id: what this run is called, for those that tell it something.
        """
        stop = min(batch.records, batch.begun + PER_EXECUTION)
        while batch.begun < stop:
            await self._has_place(batch)
            batch.under_way.append(batch.begun)
            name = f"{id}/{batch.begun}"
            await start_child(handle_record, batch.begun, id, id=name, parent_close="abandon").started
            batch.begun += 1
        while batch.begun == batch.records and batch.under_way:
            await self._next(batch)
        if batch.under_way or batch.begun < batch.records:
            assert all_handlers_finished()  # ours do not wait, so none is under way
            self._take(batch)
            continue_as_new(batch, id)
        return batch.done

    @signal
    def done(self, record: int) -> None:
        """Hear that a record is done."""
        self.came.append(record)
        self.changed.set()

    async def _has_place(self, batch: Batch) -> None:
        self._take(batch)
        while len(batch.under_way) >= batch.window:
            await self._next(batch)

    async def _next(self, batch: Batch) -> None:
        await self.changed.wait()
        self._take(batch)

    def _take(self, batch: Batch) -> None:
        for record in self.came:
            batch.under_way.remove(record)
            batch.done += 1
        self.came.clear()
        self.changed.clear()
