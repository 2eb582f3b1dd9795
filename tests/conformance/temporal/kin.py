"""Workflows of Holdfast's that do what Temporal's SDK has other words for; `kin/` has what a server recorded of them.

Owns: the tasks and workflows, what each is started with, and what it comes to.
Must not know: which engine runs them.
"""

# ruff: noqa: D102, D103 - what they do is what they are

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from holdfast.authoring import (
    Retry,
    Saga,
    TaskDefinition,
    callback,
    continue_as_new,
    definition_of,
    get_run,
    lock,
    map_tasks,
    now,
    query,
    semaphore,
    set_attributes,
    side_effect,
    signal,
    start_child,
    task,
    update,
    wait_for_signal,
    workflow,
)
from holdfast.errors import ChildError, FanOutError, MessageError, TaskError


@task
async def fetch(article: str) -> str:
    return article.upper()


@task(retry=Retry(attempts=1))
async def undo(times: list[int]) -> None:
    if not STATE["mended"]:
        raise ValueError("it cannot be undone yet")


@task(retry=Retry(attempts=1))
async def refuse(reason: str) -> str:
    raise ValueError(reason)


STATE: Final = {"mended": False}
"""Whether what was broken is whole again: somebody outside mends it while a run is parked."""


@workflow
async def pay(amount: int) -> int:
    await fetch("receipt")
    return amount * 2


@workflow
async def fail(reason: str) -> None:
    raise ValueError(reason)


@workflow
async def wait(word: str) -> str:
    return f"{word} {await wait_for_signal('word', type=str)}"


@workflow
async def parent(amount: int) -> list[Any]:
    """Has children that complete, fail, are told something, are stopped, run out of time, and cannot begin."""
    seen: list[Any] = [await start_child(pay, amount)]
    seen += await asyncio.gather(start_child(pay, 1, key="one"), start_child(pay, 2, id="chosen"))
    try:
        await start_child(fail, "no paper")
    except ChildError as error:
        seen.append(f"{error.status} {error.type}: {error.text}")
    told = start_child(wait, "told")
    await told.started
    await told.signal("word", "yes")
    seen.append(await told)
    stopped = start_child(wait, "stopped")
    await stopped.started
    stopped.cancel()
    try:
        await stopped
    except asyncio.CancelledError:
        seen.append("stopped")
    try:
        await start_child(wait, "late", timeout="300ms")
    except ChildError as error:
        seen.append(f"{error.status} {error.type}: {error.text}")
    try:
        await start_child(pay, 3, id="chosen")
    except ChildError as error:
        seen.append(f"{error.status} {error.type}: {error.text}")
    return seen


@workflow
async def hasty(word: str) -> str:
    """Leave a child that has not begun yet, and stop another one before that has begun."""
    start_child(pay, 1, parent_close="abandon")
    other = start_child(wait, word, parent_close="abandon")
    await asyncio.sleep(0)
    other.cancel()
    await fetch(word)
    return word


@workflow
async def sender(other: str) -> list[str]:
    """Tells another run something and stops it, and nobody the same."""
    await get_run(other).signal("word", "hello")
    await get_run(f"{other}-2").cancel("not needed")
    seen = []
    try:
        await get_run("nobody").signal("word", "hello")
    except MessageError as error:
        seen.append(f"{error.type}: {error.text}")
    try:
        await get_run("nobody").cancel()
    except MessageError as error:
        seen.append(f"{error.type}: {error.text}")
    return seen


def six() -> int:
    return 6


def broken() -> int:
    raise LookupError("nobody knows")


async def never() -> int:
    await asyncio.Event().wait()
    return 0


async def slow() -> int:
    with suppress(TimeoutError):
        async with asyncio.timeout(9):  # longer than one workflow task may take
            await asyncio.Event().wait()
    return 9


@workflow
async def effects(article: str) -> list[Any]:
    """Has side effects one after the other, together with tasks and each other, failed and given up."""
    seen: list[Any] = [await side_effect(six), await side_effect(six)]
    await fetch(article)
    seen += await asyncio.gather(fetch("a"), side_effect(six), fetch("b"), side_effect(six))
    try:
        await side_effect(broken)
    except TaskError as error:
        seen.append(f"{error.type}: {error.text}")
    try:
        async with asyncio.timeout(0.2):
            await side_effect(never)
    except TimeoutError:
        seen.append("late")
    before = now()
    seen.append(await side_effect(six))
    seen.append(now() >= before)
    await asyncio.sleep(0.1)
    return seen


@workflow
async def patient(article: str) -> list[Any]:
    """Has a side effect that takes longer than a workflow task, and a task meanwhile."""
    return list(await asyncio.gather(side_effect(slow), fetch(article)))


@workflow
class counter:  # noqa: N801 - its name is data
    """Goes on as a new execution, with messages that it has not read."""

    async def run(self, number: int) -> list[str]:
        await fetch(str(number))
        first = await wait_for_signal("word", type=str)
        if number < 2:
            continue_as_new(number + 1)
        return [first, await wait_for_signal("word", type=str)]


@workflow
class basket:  # noqa: N801 - its name is data
    """Is asked and told, while it is paused, too."""

    def __init__(self) -> None:
        self.articles: list[str] = []
        self.closed = asyncio.Event()

    async def run(self) -> list[str]:
        await self.closed.wait()
        return self.articles

    @query
    def count(self) -> int:
        return len(self.articles)

    @update
    async def add(self, article: str) -> int:
        self.articles.append(await fetch(article))
        return len(self.articles)

    @signal
    async def put(self, article: str) -> None:
        self.articles.append(await fetch(article))

    @signal
    def close(self) -> None:
        self.closed.set()


@workflow
async def parked(reason: str) -> str:
    """Parks itself, because what was done cannot be undone yet."""
    try:
        async with Saga() as saga:
            saga.add(undo, [1])
            await refuse(reason)
    except TaskError as error:
        return f"undone: {error.text}"
    return "done"


@task(retry=Retry(attempts=1))
async def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


@task
async def rest(_: int) -> None:
    await asyncio.Event().wait()


@workflow
async def mapped(count: int) -> list[Any]:
    """Map over many, over none, over some that fail, over what is given up, and beside a task."""
    seen: list[Any] = [sum(await map_tasks(odd, range(1, 2 * count, 2)))]
    seen.append(len(await map_tasks(odd, [])))
    outcomes = await map_tasks(odd, range(4), on_error="collect")
    seen.append([type(each).__name__ for each in outcomes])
    try:
        await map_tasks(odd, range(9))
    except FanOutError as error:
        seen.append(error.type)
    try:
        async with asyncio.timeout(0.3):
            await map_tasks(rest, range(3))
    except TimeoutError:
        seen.append("late")
    ink, both, pen = await asyncio.gather(fetch("ink"), map_tasks(odd, [1, 3]), fetch("pen"))
    return [*seen, ink, list(both), pen]


@workflow
async def locked(name: str) -> list[Any]:
    """Hold locks, wait for one in vain, give one up with something else to do, and end inside of one."""
    seen: list[Any] = []
    async with lock(name) as held:
        seen.append(held.token > 0)
        try:
            async with asyncio.timeout(0.3), lock(name):
                seen.append("twice")
        except TimeoutError:
            seen.append("late")
        seen.append(await fetch("inside"))

        async def wait_too() -> None:
            async with lock(name):
                await fetch("never")

        waiting = asyncio.create_task(wait_too())
        await asyncio.sleep(0.1)
        waiting.cancel()
        seen.append(await fetch("beside"))
    async with semaphore(f"{name}s", 2), semaphore(f"{name}s", 2):
        seen.append(await fetch("both"))
    hold = lock(name)
    await hold.__aenter__()
    return seen


@workflow
async def asked(question: str) -> list[Any]:
    """Open two callbacks, which are answered the other way round."""
    first, second = callback(), callback()
    await fetch(question)
    seen = [await second, await first]
    return [*seen, first.url != second.url]


@workflow
async def found(region: str) -> str:
    """Says what it is found by: something new, what it is already, something else, and nothing any more."""
    set_attributes({"region": region, "count": 1})
    await fetch(region)
    set_attributes({"region": region})
    set_attributes({"region": "us", "count": 1})
    await fetch(region)
    set_attributes({"region": None})
    await fetch(region)
    return region


TASKS: Final[tuple[TaskDefinition[Any, Any], ...]] = (fetch, undo, refuse, odd, rest)
WORKFLOWS: Final[dict[str, Any]] = {
    definition_of(each).name: each
    for each in (
        pay,
        fail,
        wait,
        parent,
        hasty,
        sender,
        effects,
        patient,
        counter,
        basket,
        parked,
        mapped,
        locked,
        asked,
        found,
    )
}
INPUTS: Final[dict[str, tuple[Any, ...]]] = {
    "parent": (5,),
    "hasty": ("now",),
    "sender": ("waiting",),
    "effects": ("ink",),
    "patient": ("ink",),
    "counter": (1,),
    "basket": (),
    "parked": ("no paper",),
    "mapped": (8,),
    "locked": ("bank",),
    "asked": ("why",),
    "found": ("eu",),
}
"""What each is started with that is recorded."""
ENDS: Final[dict[str, tuple[str, Any]]] = {
    "parent": (
        "COMPLETED",
        [
            10,
            2,
            4,
            "FAILED ValueError: no paper",
            "told yes",
            "stopped",
            "TIMED_OUT TimeoutError: Timed out",
            "NOT_STARTED RunConflictError: run 'chosen' exists already",
        ],
    ),
    "hasty": ("COMPLETED", "now"),
    "sender": (
        "COMPLETED",
        [
            "RunNotFoundError: Unable to signal external workflow because it was not found",
            "RunNotFoundError: Unable to cancel external workflow because not found",
        ],
    ),
    "effects": ("COMPLETED", [6, 6, "A", 6, "B", 6, "LookupError: nobody knows", "late", 6, True]),
    "patient": ("COMPLETED", [9, "INK"]),
    "counter": ("COMPLETED", ["second", "third"]),
    "basket": ("COMPLETED", ["INK", "PEN", "PAD"]),
    "parked": ("COMPLETED", "undone: no paper"),
    "mapped": (
        "COMPLETED",
        [
            64,
            0,
            ["Err", "Ok", "Err", "Ok"],
            "ValueError",
            "late",
            "INK",
            [1, 3],
            "PEN",
        ],
    ),
    "locked": ("COMPLETED", [True, "late", "INSIDE", "BESIDE", "BOTH"]),
    "asked": ("COMPLETED", ["because", "so", True]),
    "found": ("COMPLETED", "eu"),
}
"""What each comes to on Temporal."""
