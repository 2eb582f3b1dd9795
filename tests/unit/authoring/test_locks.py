"""Locks: the place is given back on every way out, also on the way in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from holdfast.authoring.locks import HeldLock, current_places, lock, semaphore
from holdfast.errors import DefinitionError, OutsideWorkflowError
from tests.unit.authoring.recorder import Recorder, inside_workflow, on_loop


async def _wait_in_line(run: Recorder, count: int) -> None:
    for _ in range(50):
        if len(run.acquired) == count:
            return
        await asyncio.sleep(0)
    raise AssertionError("nobody is in line")


@on_loop
async def test_a_block_holds_a_place_with_its_token() -> None:
    """Acquired on entering, released on leaving, the token in between."""
    with inside_workflow() as run:

        async def work() -> None:
            async with lock("a") as held:
                assert held == HeldLock("a", 7)
                assert not run.released
            async with semaphore("b", 3):
                pass

        task = asyncio.create_task(work())
        await _wait_in_line(run, 1)
        run.acquired[0][2].set_result(7)
        await _wait_in_line(run, 2)
        run.acquired[1][2].set_result(8)
        await task
        assert [(name, slots) for name, slots, _ in run.acquired] == [("a", 1), ("b", 3)]
        assert run.released == [future for _, _, future in run.acquired]


@on_loop
async def test_a_failing_block_gives_its_place_back() -> None:
    """An exception passes through, after the release."""
    with inside_workflow() as run:

        async def work() -> None:
            async with lock("a"):
                raise ValueError("inside")

        task = asyncio.create_task(work())
        await _wait_in_line(run, 1)
        run.acquired[0][2].set_result(1)
        with pytest.raises(ValueError, match="inside"):
            await task
        assert run.released == [run.acquired[0][2]]


@pytest.mark.parametrize("granted", [False, True])
@on_loop
async def test_cancelled_in_line_the_place_is_left(granted) -> None:
    """Cancelled while waiting, even in the very moment of the grant: nothing is held afterwards."""
    with inside_workflow() as run:

        async def work() -> None:
            async with lock("a"):
                raise AssertionError("never entered")

        task = asyncio.create_task(work())
        await _wait_in_line(run, 1)
        if granted:
            run.acquired[0][2].set_result(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert run.released == [run.acquired[0][2]]


@on_loop
async def test_one_lock_object_serves_several_coroutines() -> None:
    """As with asyncio.Lock, the same object may be entered by many; each gives back its own place."""
    with inside_workflow() as run:
        shared = lock("a")
        first_may_leave, second_may_leave = asyncio.Event(), asyncio.Event()

        async def work(leave: asyncio.Event) -> None:
            async with shared:
                await leave.wait()

        first = asyncio.create_task(work(first_may_leave))
        second = asyncio.create_task(work(second_may_leave))
        await _wait_in_line(run, 2)
        for number, (_, _, future) in enumerate(run.acquired):
            future.set_result(number)
        await asyncio.sleep(0)
        first_may_leave.set()
        await first
        assert run.released == [run.acquired[0][2]]
        second_may_leave.set()
        await second
        assert run.released == [run.acquired[0][2], run.acquired[1][2]]


@on_loop
async def test_another_task_may_leave_the_block() -> None:
    """An AsyncExitStack that is closed elsewhere still gives the place back."""
    with inside_workflow() as run:
        stack = AsyncExitStack()
        entering = asyncio.create_task(stack.enter_async_context(lock("a")))
        await _wait_in_line(run, 1)
        run.acquired[0][2].set_result(1)
        await entering
        await stack.aclose()
        assert run.released == [run.acquired[0][2]]


class Leases:
    """Grants places outside workflows, and writes down what happens to them."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @asynccontextmanager
    async def hold(self, name: str, slots: int) -> AsyncIterator[HeldLock]:
        """Hold a place for the block."""
        self.seen.append(f"take {name} {slots}")
        try:
            yield HeldLock(name, 5)
        except BaseException as error:
            self.seen.append(f"error {type(error).__name__}")
            raise
        finally:
            self.seen.append("leave")


@on_loop
async def test_elsewhere_a_provider_grants_leased_places() -> None:
    """Tasks and scripts take locks from whoever grants them there, and errors reach it."""
    leases = Leases()
    token = current_places.set(leases)
    try:
        block = semaphore("a", 2)
        assert (await block.__aenter__()).token == 5
        await block.__aexit__(ValueError, ValueError("x"), None)
        assert leases.seen == ["take a 2", "error ValueError", "leave"]
    finally:
        current_places.reset(token)


@on_loop
async def test_without_anybody_who_grants_there_is_no_lock() -> None:
    """A lock that would exclude nobody is an error."""
    with pytest.raises(OutsideWorkflowError, match="outside a workflow"):
        async with lock("a"):
            raise AssertionError("never entered")


@pytest.mark.parametrize("call", [lambda: lock(""), lambda: lock(5), lambda: lock("x" * 501)])
def test_a_lock_needs_a_name(call) -> None:
    """Empty, endless and odd names are refused."""
    with pytest.raises(DefinitionError):
        call()


@pytest.mark.parametrize("slots", [0, -1, 1.5, True, "2", 10**9])
def test_a_semaphore_needs_a_sensible_number_of_places(slots) -> None:
    """Slots are a whole number of at least one."""
    with pytest.raises(DefinitionError):
        semaphore("a", slots)
