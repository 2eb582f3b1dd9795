"""Workflows and tasks that the tests of the engine on Temporal run.

Owns: the definitions.
Must not know: which engine runs them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from holdfast import (
    Rate,
    Recovery,
    Retry,
    TaskError,
    TaskTimeoutError,
    lock,
    map_tasks,
    now,
    query,
    signal,
    task,
    task_info,
    update,
    wait_for_signal,
    workflow,
)


@task
async def fetch(article: str) -> str:
    """Return the article in capitals."""
    return article.upper()


@workflow
async def one_of_each(article: str) -> str:
    """Do one task, sleep once, and return what the task gave."""
    fetched = await fetch(article)
    await asyncio.sleep(0.01)
    return fetched


class SpoiltError(Exception):
    """What a workflow raises on purpose."""


@task(retry=Retry(attempts=2, initial="1ms"))
async def refuse(reason: str) -> None:
    """Fail."""
    raise ValueError(reason)


@task(timeout="50ms", retry=Retry(attempts=1))
async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


@workflow
async def doomed(reason: str) -> None:
    """Fail because of two tasks that do."""
    seen = []
    try:
        await refuse(reason)
    except TaskError as error:
        seen.append(f"{error.type}: {error.text} after {error.attempts}")
    try:
        await hang()
    except TaskTimeoutError as error:
        seen.append(f"{type(error).__name__}: {error.timeout}")
    raise SpoiltError(", then ".join(seen))


@task(rate=Rate("shop", 10, per="1s"))
async def limited() -> None:
    """Do nothing, ten times a second."""


@task(delay="300ms", fairness_key=lambda customer: customer, retry=Retry(attempts=1))
async def later(_: str) -> int:
    """Say which attempt it is."""
    return task_info().attempt


@workflow
async def patient() -> list[object]:
    """Call a task that is delayed; say which attempt gave its result, and whether it was not early."""
    before = now()
    return [await later("acme"), now() - before > timedelta(milliseconds=297)]


@task(recovery={"timeout": Recovery.park()})
async def recovering() -> None:
    """Do nothing, and park where that takes too long."""


@workflow
class Basket:
    """Takes articles until it is closed."""

    def __init__(self) -> None:
        self.articles: list[str] = []
        self.closed = asyncio.Event()

    async def run(self) -> list[str]:
        """Return the articles."""
        await self.closed.wait()
        return self.articles

    @query
    def count(self) -> int:
        """Return how many articles there are."""
        return len(self.articles)

    @query
    def price(self) -> int:
        """Fail: nobody knows."""
        raise LookupError("nobody knows")

    @update
    async def add(self, article: str) -> int:
        """Add an article, fetched; return how many there are."""
        self.articles.append(await fetch(article))
        return len(self.articles)

    @add.validator
    def _(self, article: str) -> None:
        if not article:
            raise ValueError("an article has a name")

    @signal
    def close(self) -> None:
        """End the run."""
        self.closed.set()


@workflow
async def locking(name: str = "bank") -> int:
    """Hold a lock until it is told to leave; return the token."""
    async with lock(name) as held:
        await wait_for_signal("leave")
        return held.token


@workflow
async def impatient(name: str) -> str:
    """Stand in a lock's line for a moment, then do without it."""
    try:
        async with asyncio.timeout(0.2), lock(name):
            return "inside"
    except TimeoutError:
        await wait_for_signal("leave")
        return "outside"


@workflow
async def failing(name: str) -> None:
    """Fail while a task of the run's own holds a lock."""

    async def hold() -> None:
        async with lock(name):
            inside.set()
            await asyncio.Event().wait()

    inside = asyncio.Event()
    holding = asyncio.create_task(hold())
    await inside.wait()
    raise SpoiltError(str(holding.done()))


@task
async def double(number: int) -> int:
    """Return twice the number."""
    return number * 2


@task(retry=Retry(attempts=1))
async def refuse_seven(number: int) -> int:
    """Return the number, unless it is seven."""
    if number == 7:
        raise ValueError("seven")
    return number


@workflow
async def mapped(count: int) -> list[int]:
    """Map over so many numbers; return how many results there are, their sum, and how many are out of order."""
    doubled = await map_tasks(double, range(count))
    return [len(doubled), sum(doubled), sum(each != 2 * place for place, each in enumerate(doubled))]


@workflow
async def spoilt(count: int) -> None:
    """Map over so many numbers, one of which fails."""
    await map_tasks(refuse_seven, range(count))


DEFINITIONS = (
    one_of_each,
    doomed,
    Basket,
    patient,
    later,
    locking,
    impatient,
    failing,
    mapped,
    spoilt,
    fetch,
    refuse,
    hang,
    double,
    refuse_seven,
)
"""All but what Temporal does not have."""


async def judged(run_id: str, recorded: str) -> Exception | None:
    """Return what Temporal's own Replayer says to a history as JSON."""
    from temporalio.client import WorkflowHistory  # here, as it may be missing
    from temporalio.worker import Replayer

    from holdfast.temporal import TemporalPlugin

    replayer = Replayer(workflows=[], plugins=[TemporalPlugin(definitions=DEFINITIONS)])
    history = WorkflowHistory.from_json(run_id, recorded)
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure
