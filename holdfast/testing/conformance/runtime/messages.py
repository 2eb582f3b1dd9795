"""Scenarios about messages: signals, queries, updates.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.authoring import all_handlers_finished, callback, query, signal, update, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.errors import UpdateRejectedError
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held, note


@workflow
class Collector:
    """Takes words by signal, once its first step is done."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, count: int) -> list[str]:
        """Apply `count` words in the order in which they came."""
        await apply_held("begun")
        return [await apply(await self.words.get()) for _ in range(count)]

    @signal
    def say(self, word: str) -> None:
        """Take a word."""
        self.words.put_nowait(word)


@scenario(result=["a", "b", "c", "d"], effects=["begun", "a", "b", "c", "d"])
async def signals_arrive_once_and_in_order(stage: Stage) -> RunHandle[Any]:
    """Signals that were acknowledged before the kill are there after it, each once, in the sender's order."""
    run = await stage.start(Collector, 4)
    await stage.effects(1)
    for word in ("a", "b"):
        await run.signal(Collector.say, word)
    await stage.middle()
    await run.signal(Collector.say, "c", operation_id="the-same")
    await run.signal(Collector.say, "c", operation_id="the-same")
    await run.signal(Collector.say, "d")
    return run


@workflow
async def listener(count: int) -> list[str]:
    """Wait for signals that no handler takes."""
    seen = [await apply_held("begun")]
    for _ in range(count):
        seen.append(await apply(await wait_for_signal("word", timeout="10m", type=str)))  # noqa: PERF401
    return seen


@scenario(result=["begun", "a", "b"], effects=["begun", "a", "b"])
async def signals_wait_for_who_waits_for_them(stage: Stage) -> RunHandle[Any]:
    """A signal that came before anybody waits for it is kept until somebody does."""
    run = await stage.start(listener, 2)
    await run.signal("word", "a")
    await stage.effects(1)
    await stage.middle()
    await run.signal("word", "b")
    return run


@workflow
class Account:
    """A sum that may be asked for and changed."""

    def __init__(self) -> None:
        self.total = 0
        self.closed = asyncio.Event()

    async def run(self) -> int:
        """Wait until it is closed."""
        await self.closed.wait()
        await asyncio.sleep(0)
        return self.total

    @query
    def balance(self, factor: int) -> int:
        """Return the sum, times `factor`."""
        return self.total * factor

    @update
    async def deposit(self, amount: int) -> int:
        """Add an amount, by a step; return the sum."""
        await apply(str(amount))
        self.total += amount
        return self.total

    @deposit.validator
    def _(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("nothing to deposit")

    @signal
    def close(self) -> None:
        """End the run."""
        self.closed.set()


@scenario(result=12, effects=["5", "7"])
async def updates_are_validated_applied_once_and_answered(stage: Stage) -> RunHandle[Any]:
    """An answered update is part of the run for ever; a rejected one was never there."""
    run = await stage.start(Account)
    answers = [await stage.update(run, Account.deposit, 5)]
    try:
        await stage.update(run, Account.deposit, -1)
    except UpdateRejectedError as error:
        answers.append(error.text)
    await stage.middle()
    answers.append(await stage.update(run, Account.deposit, 7))
    await run.signal(Account.close)
    if answers != [5, "nothing to deposit", 12]:
        raise AssertionError(f"answers: {answers}")
    return run


@scenario(result=5, effects=["5"])
async def queries_see_the_present_state(stage: Stage) -> RunHandle[Any]:
    """A query reads what the run has come to: under way, after a restart, and when it has ended."""
    run = await stage.start(Account)
    answers = [await stage.query(run, Account.balance, 1)]
    await stage.update(run, Account.deposit, 5)
    answers.append(await stage.query(run, Account.balance, 2))
    await stage.middle()
    answers.append(await stage.query(run, Account.balance, 3))
    await run.signal(Account.close)
    await run.result()
    answers.append(await stage.query(run, Account.balance, 4))
    if answers != [0, 10, 15, 20]:
        raise AssertionError(f"answers: {answers}")
    return run


@workflow
class Careful:
    """Ends when all its handlers have."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.changed = asyncio.Event()

    async def run(self) -> list[Any]:
        """Wait for one word, then for every handler that is under way."""
        while not self.done or not all_handlers_finished():
            self.changed.clear()
            await self.changed.wait()
            await asyncio.sleep(0)  # the handler that set it has ended by then
        return [*sorted(self.done), all_handlers_finished()]

    @signal
    async def work(self, word: str) -> None:
        """Work on a word, in steps."""
        self.done.append(await (apply_held if word == "slow" else apply)(word))
        self.changed.set()


@scenario(result=["quick", "slow", True], effects=["quick", "slow"])
async def a_run_can_wait_for_its_handlers(stage: Stage) -> RunHandle[Any]:
    """`all_handlers_finished()` is false while an async handler is under way, also after a restart."""
    run = await stage.start(Careful)
    await run.signal(Careful.work, "slow")
    await run.signal(Careful.work, "quick")
    await stage.effects(2)
    await stage.middle()
    return run


@workflow
async def asking_outside() -> list[str]:
    """Ask two outside systems, and tell them where to answer."""
    first, second = callback(type=str), callback(type=str)
    await note(first.url)
    await note(second.url)
    return [await apply_held(await first), await apply(await second), await first]


@scenario(result=["yes", "no", "yes"], effects=["yes", "no"])
async def a_callback_is_answered_once(stage: Stage) -> RunHandle[Any]:
    """Whoever has its URL answers, once and for good, whatever is killed; a forged or used URL is nobody's."""
    run = await stage.start(asking_outside)
    await stage.until(lambda: len(stage.receiver.requests()) >= 2)
    urls = list(dict.fromkeys(each.payload for each in stage.receiver.requests()))
    took = [await stage.answer(urls[0][:-2] + urls[1][-2:], "forged"), await stage.answer(urls[0], "yes")]
    await stage.effects(1)
    took.append(await stage.answer(urls[0], "no"))
    await stage.middle()
    took += [await stage.answer(urls[0], "no"), await stage.answer(urls[1], "no")]
    if took != [False, True, False, False, True]:
        raise AssertionError(f"answers taken: {took}")
    return run
