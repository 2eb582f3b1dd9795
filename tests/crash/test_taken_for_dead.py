"""A process that was taken for dead goes on serving its callers, while its work goes on elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from holdfast import Holdfast, signal, update, workflow
from holdfast.errors import RunClosedError
from holdfast.history import UpdateAccepted
from holdfast.ports.operations import Leave
from tests.crash.test_zombies import eventually
from tests.unit.worker.rig import on_loop

SECONDS_MAX = 20.0


@workflow
async def add(one: int, other: int) -> int:
    """Add two numbers."""
    return one + other


@workflow
class Gate:
    """Lets updates through once it was opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def run(self) -> str:
        """Wait until it was opened."""
        await self.opened.wait()
        return "open"

    @signal
    def open(self) -> None:
        """Open it."""
        self.opened.set()

    @update
    async def knock(self) -> str:
        """Answer at once."""
        return "not open" if not self.opened.is_set() else "open"

    @update
    async def go_through(self, name: str) -> str:
        """Wait until it was opened, and go through."""
        await self.opened.wait()
        return f"{name} is through"


@asynccontextmanager
async def two_stacks(folder):
    """Open two stacks on one store."""
    async with (
        Holdfast(definitions=[add, Gate], store=f"sqlite:///{folder / 'store.db'}") as one,
        Holdfast(definitions=[add, Gate], store=f"sqlite:///{folder / 'store.db'}") as other,
    ):
        yield one, other


async def take_for_dead(one, other):
    """End the membership of `one` behind its back; return what it was."""
    membership = one.stack.membership
    assert await other.stack.store.write([Leave(membership)]) == [True]
    return membership


async def wait_back(one, before):
    """Wait until a process is a member again."""
    await eventually(lambda: one.stack.membership not in (None, before))


@on_loop
async def test_it_still_starts_runs(tmp_path):
    """Somebody who starts a run in it does not hear of it."""
    async with two_stacks(tmp_path) as (one, other):
        before = await take_for_dead(one, other)
        handle = await one.client.start(add, 1, 2, id="sum")
        assert handle.created
        assert await handle.result(timeout=SECONDS_MAX) == 3
        await wait_back(one, before)
        assert await (await one.client.start(add, 3, 4, id="later")).result(timeout=SECONDS_MAX) == 7


@on_loop
async def test_who_waits_is_answered_from_elsewhere(tmp_path):
    """An update that was accepted is answered once, and a result arrives, by whoever has the run now."""
    async with two_stacks(tmp_path) as (one, other):
        handle = await one.client.start(Gate, id="gate")
        answer = asyncio.create_task(handle.update(Gate.go_through, "Ann", operation_id="u-1"))
        result = asyncio.create_task(handle.result(timeout=SECONDS_MAX))

        async def accepted():
            return [each for each in await handle.history() if isinstance(each.event, UpdateAccepted)]

        await eventually(accepted)
        before = await take_for_dead(one, other)
        await other.client.handle("gate").signal(Gate.open)
        assert await answer == "Ann is through"
        assert await result == "open"
        assert len(await accepted()) == 1
        await wait_back(one, before)


@on_loop
async def test_an_answer_may_be_fetched_after_the_end(tmp_path):
    """Whoever did not live to hear the answer to an update asks again with the same id, also when the run has ended."""
    async with Holdfast(definitions=[Gate], store=f"sqlite:///{tmp_path / 'store.db'}") as app:
        handle = await app.client.start(Gate, id="gate")
        await handle.signal(Gate.open)
        assert await handle.update(Gate.go_through, "Ann", operation_id="u-1") == "Ann is through"
        assert await handle.result(timeout=SECONDS_MAX) == "open"
        assert await handle.update(Gate.go_through, "Ann", operation_id="u-1") == "Ann is through"
        with pytest.raises(RunClosedError):
            await handle.update(Gate.go_through, "Bob", operation_id="u-2")
