"""Patches, side effects and sagas on a whole stack, with a real store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast import (
    Holdfast,
    Retry,
    RunFailedError,
    RunHandle,
    Saga,
    TaskError,
    continue_as_new,
    patched,
    run_info,
    side_effect,
    start_child,
    task,
    wait_for_signal,
    workflow,
)
from holdfast.errors import ChildError, RunCancelledError, RunTimedOutError
from holdfast.history import PatchMarked, SideEffectRecorded, TaskScheduled, WorkflowTimedOut
from holdfast.ports.operations import PARKED, TERMINAL, Reap
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


@pytest.mark.undisturbed("a side effect whose record is refused is asked again")
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
        assert reason.startswith("COMPENSATION refund (2) failed: refund#2 ended with ConnectionError.")
        assert "Undone: refund (3). Not undone: refund (2), refund (1)." in reason
        await handle.resume()  # nothing has changed: it is parked again
        assert "refund (2) failed" in await parked(handle)
    CLOSED.clear()
    async with app(trip) as stack:
        handle = stack.client.handle("r", trip)
        assert (await handle.describe()).status == PARKED
        await handle.resume()
        with pytest.raises(RunFailedError, match="no seats"):
            await handle.result()
    assert SEEN == ["book a", "book b", "book full", "refund full", "refund b", "refund a"]


# --- Time-outs of runs -------------------------------------------------------------------------------------------


@workflow
async def endless(orders: list[str]) -> None:
    """Wait for ever; cleaning up is nothing that a time-out asks for."""
    try:
        assert (run_info().deadline is not None) == bool(orders)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await book("cleaned up")


async def timed_out(handle: RunHandle[Any]) -> list[Any]:
    """Wait until a run has timed out; return its history."""
    with pytest.raises(RunTimedOutError):
        await handle.result()
    return [each.event for each in await handle.history()]


@on_loop
async def test_a_run_that_takes_too_long_times_out(app: App) -> None:
    """It ends as TIMED_OUT, its code is not asked, and no time-out means none."""
    async with app(endless) as stack:
        handle = await stack.client.start(endless, ["a"], id="r", timeout="20ms")
        short = await stack.client.start(endless, ["a"], id="s", timeout="1h", execution_timeout=0.02)
        free = await stack.client.start(endless, [], id="f")
        for each in (handle, short):
            assert isinstance((await timed_out(each))[-1], WorkflowTimedOut)
        assert (await free.describe()).status == "RUNNING"
    assert SEEN == []


@workflow
async def limited(orders: list[str]) -> str:
    """Have a child that takes too long, and say how that ended."""
    try:
        await start_child(endless, orders, timeout="20ms")
    except ChildError as error:
        return error.status
    return "it ended"


@on_loop
async def test_a_child_that_takes_too_long_times_out(app: App) -> None:
    """It ends as TIMED_OUT without its code being asked, and its parent hears of it."""
    async with app(endless, limited) as stack:
        handle = await stack.client.start(limited, ["a"], id="r")
        assert await handle.result() == "TIMED_OUT"
        assert isinstance((await timed_out(stack.client.handle("r:endless#1")))[-1], WorkflowTimedOut)
    assert SEEN == []


@workflow
async def again(began: str, number: int) -> list[str]:
    """Go on as a second execution, and say until when both may take."""
    until = str(run_info().deadline)
    if number == 1:
        continue_as_new(until, 2)
    return [began, until, run_info().execution]


@on_loop
async def test_the_time_of_a_run_is_that_of_all_its_executions(app: App) -> None:
    """Its time-out stays as it was, and the one for each execution begins anew."""
    async with app(again) as stack:
        whole = await (await stack.client.start(again, "", 1, id="r", timeout="1h")).result()
        assert whole[0] == whole[1]
        assert whole[2] == "r@2"
        handle = await stack.client.start(again, "", 1, id="s", execution_timeout="1h")
        each = await handle.result()
        assert each[0] < each[1]


@on_loop
async def test_a_time_out_is_durable(app: App, tmp_path: Path) -> None:
    """A run that slept through its deadline while nobody ran it is timed out by whoever comes next."""
    async with app(endless) as stack:
        await stack.client.start(endless, ["a"], id="r", timeout="50ms")
    async with app(endless) as stack:
        assert isinstance((await timed_out(stack.client.handle("r", endless)))[-1], WorkflowTimedOut)


@on_loop
async def test_a_run_that_nobody_runs_times_out_too(app: App) -> None:
    """Parked, or of a workflow that no process has: whoever looks for dead members ends it."""
    async with app() as stack:
        handle = await stack.client.start("nobody_has_this", {}, id="r", timeout="10ms")
        while (await handle.describe()).status == "RUNNING":
            await stack._stack.store.write([Reap(10)], stack._stack.membership)
            await asyncio.sleep(0.01)  # looks again
        assert isinstance((await timed_out(handle))[-1], WorkflowTimedOut)


# --- Versions ----------------------------------------------------------------------------------------------------


def version(name: str, *words: str, pinned: bool = False) -> Any:
    """Return a version of one workflow: it books words, one after the other, and waits for a signal in between."""

    async def versioned() -> list[str]:
        booked = []
        for word in words:
            booked.append(await book(word))
            await wait_for_signal("on")
        return [name, *booked]

    return workflow(name="versioned", version=name, pinned=pinned)(versioned)


@on_loop
async def test_a_diverged_run_goes_on_by_itself_when_fitting_code_arrives(app: App) -> None:
    """Begun under A; B is broken and parks it; C fits, and completes it without anybody's word."""
    a, b, c = version("A", "one", "two"), version("B", "other", "two"), version("C", "one", "three")
    async with app(a) as stack:
        handle = await stack.client.start(a, id="r")
        await wait_until(lambda: SEEN == ["book one"])
    async with app(b) as stack:
        handle = stack.client.handle("r", b)
        await handle.signal("on")
        assert (await parked(handle)).startswith("DIVERGED")
    async with app(b) as stack:  # the same code again changes nothing
        assert (await stack.client.handle("r", b).describe()).status == PARKED
    async with app(c) as stack:
        handle = stack.client.handle("r", c)
        await wait_until(lambda: SEEN == ["book one", "book three"])
        await handle.signal("on")
        assert await handle.result() == ["C", "one", "three"]


@on_loop
async def test_a_pinned_run_is_for_the_version_it_began_with(app: App) -> None:
    """Another version leaves it alone, and takes new runs; the old one, when it is back, goes on with it."""
    old, new = version("1", "one", pinned=True), version("2", "two", pinned=True)
    async with app(old) as stack:
        await stack.client.start(old, id="r")
        await wait_until(lambda: SEEN == ["book one"])
    async with app(new) as stack:
        handle = await stack.client.start(new, id="s")
        await stack.client.handle("r").signal("on")
        await handle.signal("on")
        assert await handle.result() == ["2", "two"]
        record = await stack.client.handle("r").describe()
        assert (record.status, record.owner, record.code_version) == ("RUNNING", "", "1")
    async with app(old) as stack:
        assert await stack.client.handle("r", old).result() == ["1", "one"]


@on_loop
async def test_a_run_started_by_name_is_pinned_by_whoever_takes_it_first(app: App) -> None:
    """Whoever starts it by name does not know the version."""
    old, new = version("1", "one", pinned=True), version("2", "two", pinned=True)
    async with app() as stack:
        await stack.client.start("versioned", id="r")
    async with app(old) as stack:
        await wait_until(lambda: SEEN == ["book one"])
    async with app(new) as stack:
        handle = stack.client.handle("r")
        await handle.signal("on")
        record = await handle.describe()
        assert (record.owner, record.code_version) == ("", "1")
    async with app(old) as stack:
        assert await stack.client.handle("r", old).result() == ["1", "one"]


@on_loop
async def test_a_run_knows_its_version_and_its_deadline(app: App) -> None:
    """`run_info()` says what the run was started with."""

    @workflow(version="2026-11")
    async def about() -> list[Any]:
        info = run_info()
        return [info.code_version, dict(info.memo), info.deadline - info.started_at == timedelta(hours=1)]

    async with app(about) as stack:
        handle = await stack.client.start(about, id="r", timeout="1h")
        assert await handle.result() == ["2026-11", {}, True]
