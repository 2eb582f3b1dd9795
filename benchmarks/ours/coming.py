"""Maps over many items, one after the other, while workers come and go.

Owns: the case `map_changing`.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from benchmarks.automations import map_waiting
from benchmarks.ours.fleet import Place, orchestrating, workers
from benchmarks.rows import Sample
from holdfast import Holdfast


class Load:
    """Maps, of which there is always one under way."""

    def __init__(self, app: Holdfast, items: int, seconds: float) -> None:
        """Map over `items` items of `seconds` each, again and again."""
        self._app, self._items, self._seconds = app, items, seconds
        self._ended = 0
        self._run_id = ""
        self.is_over = False

    async def go_on(self) -> None:
        """Map until it is over.

        Raises:
            RuntimeError: an item is missing in the end of one.
        """
        while not self.is_over:
            handle = await self._app.client.start(map_waiting, self._items, self._seconds)
            self._run_id = handle.run_id
            if (result := await handle.result()) != self._items:
                raise RuntimeError(f"{self._items} items, and {result} results")
            self._run_id, self._ended = "", self._ended + self._items

    async def done(self) -> int:
        """Return how many items have their outcome."""
        ended, run_id = self._ended, self._run_id
        record = await self._app.stack.store.run(run_id) if run_id else None
        fan_outs = [] if record is None else await self._app.stack.store.fan_outs(record.execution_id)
        return max(self._ended, ended + sum(each.done for each in fan_outs))


async def measure(
    folder: Path, *, store: str, bus: str, items: int, seconds: float, processes: list[int], slots: int, stretch: float
) -> list[Sample]:
    """Let there be so many workers, one number after the other, for `stretch` seconds each, and count items."""
    samples = []
    place = Place(store, bus)
    async with orchestrating(place) as app, contextlib.AsyncExitStack() as everybody, asyncio.TaskGroup() as group:
        serving: list[contextlib.AsyncExitStack] = []
        load = Load(app, items, seconds)
        group.create_task(load.go_on())
        for number, count in enumerate(processes, 1):
            while len(serving) < count:
                one = await everybody.enter_async_context(contextlib.AsyncExitStack())
                await one.enter_async_context(workers(place, 1, slots))
                serving.append(one)
            while len(serving) > count:
                await serving.pop().aclose()  # it finishes what it has
            before, began = await load.done(), time.perf_counter()
            await asyncio.sleep(stretch)
            done = await load.done() - before
            rate = done / (time.perf_counter() - began)
            samples.append(Sample(f"stretch_{number}_workers_{count}", "items/s", (rate,), done))
        load.is_over = True
    return samples
