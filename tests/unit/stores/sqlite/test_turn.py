"""One process writes at a time, everybody gets a turn, and a holder that dies gives it back."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from holdfast.errors import StoreBusyError
from holdfast.stores.sqlite.turn import Turn
from tests.unit.stores.sqlite.keeper import Author, opened, second


def test_the_turn_is_taken_by_one_at_a_time(tmp_path: Path) -> None:
    """While one object has the turn no other one gets it, in the order in which they came."""

    async def run() -> list[int]:
        turns = [Turn(tmp_path / "db") for _ in range(4)]
        order: list[int] = []
        holding = 0

        async def take(number: int) -> None:
            nonlocal holding
            await turns[number].take()
            assert holding == 0
            holding += 1
            order.append(number)
            await asyncio.sleep(0)
            holding -= 1
            turns[number].give()

        for turn in turns:
            turn.open()
        assert turns[0].take_now()
        assert not turns[1].take_now()
        waiting = [asyncio.create_task(take(number)) for number in (1, 2, 3)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert order == []
        turns[0].give()
        await asyncio.gather(*waiting)
        for turn in turns:
            turn.close()
        return order

    assert sorted(asyncio.run(run())) == [1, 2, 3]


def test_one_object_hands_the_turn_on_in_line(tmp_path: Path) -> None:
    """Writes of one process that wait for the turn get it one after another, first come first served."""

    async def run() -> list[int]:
        turn, other = Turn(tmp_path / "db"), Turn(tmp_path / "db")
        turn.open()
        other.open()
        order: list[int] = []

        async def take(number: int) -> None:
            await turn.take()
            order.append(number)
            turn.give()

        assert other.take_now()
        waiting = [asyncio.create_task(take(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert not turn.take_now()
        other.give()
        await asyncio.gather(*waiting)
        turn.close()
        other.close()
        return order

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_a_wait_ends_with_the_holder_named(tmp_path: Path) -> None:
    """Who waited too long is told which process has the turn, and the turn is not taken behind its back later."""

    async def run() -> None:
        turn, other = Turn(tmp_path / "db", wait_seconds_max=0.05), Turn(tmp_path / "db")
        turn.open()
        other.open()
        assert other.take_now()
        for _ in range(2):
            with pytest.raises(StoreBusyError, match=f"process {os.getpid()} has kept the turn"):
                await turn.take()
        other.give()
        turn.wait_seconds_max = 10.0
        for each in (other, turn, other):
            await each.take()
            each.give()
        turn.close()
        other.close()

    asyncio.run(run())


def test_a_cancelled_wait_leaves_the_turn(tmp_path: Path) -> None:
    """A write that is cancelled while it waits does not keep the turn from others."""

    async def run() -> None:
        turn, other = Turn(tmp_path / "db"), Turn(tmp_path / "db")
        turn.open()
        other.open()
        assert other.take_now()
        waiting = asyncio.create_task(turn.take())
        for _ in range(3):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        other.give()
        for each in (other, turn):
            await each.take()
            each.give()
        turn.close()
        other.close()

    asyncio.run(run())


def test_a_holder_that_is_killed_gives_the_turn_back(tmp_path: Path) -> None:
    """A write waits for a process that has the turn, and goes on when that process dies."""

    async def run() -> None:
        async with opened(tmp_path / "db") as store, second("hold_the_turn", tmp_path / "db") as process:
            assert await process.line() == "held"
            author = Author(store)
            writing = asyncio.create_task(author.join())
            done, _ = await asyncio.wait([writing], timeout=0.1)
            assert not done
            process.kill()
            await writing

    asyncio.run(run())


def test_a_stopped_holder_is_named(tmp_path: Path) -> None:
    """A write that waits for a stopped process ends with an error that names the process."""

    async def run() -> None:
        async with (
            opened(tmp_path / "db", wait_seconds_max=0.2) as store,
            second("hold_the_turn", tmp_path / "db") as process,
        ):
            assert await process.line() == "held"
            os.kill(process.pid, signal.SIGSTOP)
            with pytest.raises(StoreBusyError, match=f"process {process.pid} has kept the turn"):
                await Author(store).join()
            os.kill(process.pid, signal.SIGCONT)
            await process.tell()
            assert await process.line() == "given"
            await Author(store).join()

    asyncio.run(run())


def test_everybody_gets_a_turn(tmp_path: Path) -> None:
    """Under a process that writes flat out, another one's writes wait for about one transaction each."""

    async def run() -> list[float]:
        async with second("write_flat_out", tmp_path / "db", 200) as busy:
            assert await busy.line() == "1"
            async with second("start_runs", tmp_path / "db", 40) as starter:
                return [float(line) for line in await starter.rest()]

    times = sorted(asyncio.run(run()))
    assert len(times) == 40
    # SQLite's own busy handler, in this place: seconds. The bound is for machines that do other things as well.
    assert times[20] < 250
    assert times[-1] < 1_000
