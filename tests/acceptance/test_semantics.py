"""Patches, side effects and sagas on a whole stack, with a real store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast, Retry, RunFailedError, RunHandle, Saga, TaskError, patched, side_effect, task, workflow
from holdfast.errors import RunCancelledError
from holdfast.history import PatchMarked, SideEffectRecorded, TaskScheduled
from holdfast.ports.operations import PARKED, TERMINAL
from tests.unit.worker.rig import on_loop, wait_until

App = Callable[..., AbstractAsyncContextManager[Holdfast]]

SEEN: list[str] = []
"""What tasks did, in order."""
CLOSED: set[str] = set()
"""Orders whose refund fails at the moment."""


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    SEEN.clear()
    CLOSED.clear()


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Return what makes a stack on one store."""

    def make(*definitions: Any) -> AbstractAsyncContextManager[Holdfast]:
        return Holdfast(definitions=[*definitions, book, refund], store=f"sqlite:///{tmp_path / 'store.db'}")

    return make


@task
async def book(order: str) -> str:
    """Book an order; those that are full fail."""
    SEEN.append(f"book {order}")
    if order == "full":
        raise TypeError("no seats")
    return order


@task(retry=Retry(attempts=2, initial="1ms"))
async def refund(order: str) -> None:
    """Give the money back, if the bank is open for this order."""
    if order in CLOSED:
        raise ConnectionError("the bank is closed")
    SEEN.append(f"refund {order}")


async def parked(handle: RunHandle[Any]) -> str:
    """Wait until a run is parked; return why."""
    while (record := await handle.describe()).status != PARKED:
        assert record.status not in TERMINAL, record
        await asyncio.sleep(0.01)  # looks again
    return record.parked


# --- Patches -----------------------------------------------------------------------------------------------------


@workflow(name="changing")
async def as_it_was(order: str) -> str:
    """Book one thing, and wait for a word."""
    await book(order)
    await asyncio.Event().wait() if order == "stuck" else None
    await asyncio.sleep(0.01)
    return await book("old")


@workflow(name="changing")
async def as_it_is(order: str) -> str:
    """Do the same with a guarded change in the end."""
    await book(order)
    await asyncio.Event().wait() if order == "stuck" else None
    await asyncio.sleep(0.01)
    return await book("new" if patched("newer") else "old")


@on_loop
async def test_a_patch_is_remembered_first_in_its_page(app: App) -> None:
    """The mark is durable with the first thing that follows from it."""
    async with app(as_it_is) as stack:
        handle = await stack.client.start(as_it_is, "a", id="r")
        assert await handle.result() == "new"
        history = [each.event for each in await handle.history()]
    (mark,) = [each for each in history if isinstance(each, PatchMarked)]
    assert isinstance(history[history.index(mark) + 1], TaskScheduled)


# --- Side effects ------------------------------------------------------------------------------------------------


async def read_flag() -> int:
    """Answer after a while."""
    SEEN.append("flag")
    await asyncio.sleep(0)
    return 7


@workflow
async def asking() -> list[Any]:
    """Ask for a plain value, for one that takes its time, and for one that fails."""
    first = await side_effect(lambda: os.environ["HOLDFAST_TEST_REGION"])
    second, third = await asyncio.gather(side_effect(read_flag), side_effect(lambda: (1, {"a": first})))
    try:
        await side_effect(lambda: 1 / 0)
    except TaskError as error:
        return [first, second, third, error.type]
    return []


@on_loop
async def test_side_effects_are_recorded_and_not_asked_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions run outside the guard; their values are JSON."""
    monkeypatch.setenv("HOLDFAST_TEST_REGION", "north")
    async with app(asking) as stack:
        handle = await stack.client.start(asking, id="r")
        assert await handle.result() == ["north", 7, [1, {"a": "north"}], "ZeroDivisionError"]
        recorded = [each.event for each in await handle.history() if isinstance(each.event, SideEffectRecorded)]
    assert next(each.result for each in recorded) == b'"north"'
    assert SEEN == ["flag"]


@workflow
async def impatient() -> str:
    """Give up on a side effect that never answers."""
    try:
        async with asyncio.timeout(0.01):
            await side_effect(asyncio.Event().wait)
    except TimeoutError:
        return "gave up"
    return "?"


@on_loop
async def test_a_side_effect_that_is_not_wanted_any_more_is_stopped(app: App) -> None:
    """A durable time-out cancels it; the run goes on, and nothing is left behind."""
    async with app(impatient) as stack:
        assert await (await stack.client.start(impatient, id="r")).result() == "gave up"


# --- Sagas -------------------------------------------------------------------------------------------------------


@workflow
async def trip(orders: list[str]) -> list[str]:
    """Book several things, or none."""
    async with Saga() as saga:
        for order in orders:
            saga.add(refund, order)
            await book(order)
        await asyncio.Event().wait() if orders[-1] == "wait" else None
    return orders


@on_loop
async def test_a_failing_step_undoes_the_others(app: App) -> None:
    """In reverse, the failed one included; then the run fails with what failed."""
    async with app(trip) as stack:
        handle = await stack.client.start(trip, ["a", "b", "full"], id="r")
        with pytest.raises(RunFailedError, match="no seats"):
            await handle.result()
    assert SEEN == ["book a", "book b", "book full", "refund full", "refund b", "refund a"]


@on_loop
async def test_a_cancelled_saga_undoes_everything_before_it_ends(app: App) -> None:
    """The cancellation is acknowledged, everything is undone, and then the run is CANCELLED."""
    async with app(trip) as stack:
        handle = await stack.client.start(trip, ["a", "wait"], id="r")
        await wait_until(lambda: SEEN == ["book a", "book wait"])
        await handle.cancel("changed my mind")
        with pytest.raises(RunCancelledError):
            await handle.result()
    assert SEEN[2:] == ["refund wait", "refund a"]


@on_loop
async def test_a_failing_compensation_parks_the_run_until_it_is_resumed(app: App) -> None:
    """The reason says what is undone and what is not; resumed, it is tried again, also by another process."""
    CLOSED.add("b")
    async with app(trip) as stack:
        handle = await stack.client.start(trip, ["a", "b", "full"], id="r")
        reason = await parked(handle)
        assert reason.startswith("COMPENSATION refund('b') failed: TaskError: [HF501] task refund#")
        assert "Undone: refund('full'). Not undone: refund('b'), refund('a')." in reason
        await handle.resume()  # nothing has changed: it is parked again
        assert "refund('b') failed" in await parked(handle)
    CLOSED.clear()
    async with app(trip) as stack:
        handle = stack.client.handle("r", trip)
        assert (await handle.describe()).status == PARKED
        await handle.resume()
        with pytest.raises(RunFailedError, match="no seats"):
            await handle.result()
    assert SEEN == ["book a", "book b", "book full", "refund full", "refund b", "refund a"]
