"""A plain function waits for coroutines as if it were one, and nothing that comes up on the way is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from holdfast.stores.postgres.bridge import across, wait


async def double(number: int) -> int:
    """Return twice the number, or refuse it."""
    await asyncio.sleep(0)
    if number < 0:
        raise ValueError(number)
    return number * 2


def test_results_cross() -> None:
    """What a coroutine returns is what `wait` returns, deep inside plain functions."""

    def add_up(numbers: list[int], start: int) -> int:
        return start + sum(wait(double(number)) for number in numbers)

    assert asyncio.run(across(add_up, [1, 2, 3], start=100)) == 112


def test_errors_cross_both_ways() -> None:
    """A coroutine's error comes up at `wait`, and the function's own at `across`."""

    def try_two() -> int:
        with suppress(ValueError):
            wait(double(-1))
        return wait(double(-2))

    with pytest.raises(ValueError, match="-2"):
        asyncio.run(across(try_two))


def test_a_function_that_never_waits_just_returns() -> None:
    """Nothing has to be waited for."""
    assert asyncio.run(across(len, "abc")) == 3


def test_two_at_once_keep_apart() -> None:
    """While one function waits, another one runs; each goes on where it was."""
    order: list[str] = []

    def work(name: str) -> str:
        for round_ in range(3):
            order.append(f"{name}{round_}")
            wait(asyncio.sleep(0))
        return name

    async def both() -> list[str]:
        return await asyncio.gather(across(work, "a"), across(work, "b"))

    assert asyncio.run(both()) == ["a", "b"]
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_cancellation_reaches_the_function() -> None:
    """A function that is cancelled while it waits cleans up there."""
    cleaned: list[str] = []

    def work() -> None:
        try:
            wait(asyncio.Event().wait())
        finally:
            cleaned.append("up")

    async def cancel() -> None:
        task = asyncio.create_task(across(work))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert cleaned == ["up"]
