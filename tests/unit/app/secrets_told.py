"""A workflow whose every value has a word in it that must not be readable in the store.

Owns: the words, and the ways in which values travel.
Must not know: how values are stored.
"""

from __future__ import annotations

import asyncio
import contextlib

from holdfast import Ledger, Retry, heartbeat, map_tasks, query, signal, start_child, task, task_info, update, workflow
from holdfast.errors import HoldfastError

WORDS = {
    name: f"canary-{name}-zq7"
    for name in (
        "input",
        "large",
        "task-input",
        "result",
        "failure",
        "first-failure",
        "progress",
        "item",
        "item-result",
        "item-failure",
        "signal",
        "update",
        "update-answer",
        "query",
        "query-answer",
        "memo",
        "ledger",
        "outcome",
        "raised",
        "reason",
    )
}


@task(record="before", retry=Retry(attempts=4, initial="1ms"))
async def speak(word: str, again: bool = False) -> str:
    """Answer through the queue; fail first, if so told."""
    if again and task_info().attempt < 3:
        heartbeat({"at": WORDS["progress"]})
        await asyncio.sleep(0)
        raise ValueError(WORDS["first-failure"])
    await asyncio.to_thread(Ledger().mark_done, f"entry {len(word)} {again}", WORDS["ledger"])
    return WORDS["result"]


@task(retry=Retry(attempts=1))
async def fail(word: str) -> str:
    """Fail for good."""
    assert word
    raise ValueError(WORDS["failure"])


@task(retry=Retry(attempts=1))
async def item(word: str) -> str:
    """Do one item; one of them fails."""
    if word.endswith("1"):
        raise ValueError(WORDS["item-failure"])
    return WORDS["item-result"]


@workflow
class Talk:
    """Say every word in every way."""

    def __init__(self) -> None:
        """Wait for one signal and one update."""
        self.heard: list[str] = []
        self.told = asyncio.Event()

    async def run(self, word: str, large: str) -> str:
        """Go through all of it."""
        assert word
        await speak(WORDS["task-input"])
        await speak(WORDS["task-input"], again=True)
        await speak(large)
        with contextlib.suppress(HoldfastError):
            await fail(WORDS["task-input"])
        await map_tasks(item, [f"{WORDS['item']} {n}" for n in range(3)], on_error="collect")
        while len(self.heard) < 2:
            await self.told.wait()
            self.told.clear()
        return WORDS["outcome"]

    @signal
    def tell(self, word: str) -> None:
        """Hear a word."""
        self.heard.append(word)
        self.told.set()

    @update
    async def add(self, word: str) -> str:
        """Hear a word, and answer one."""
        self.tell(word)
        return WORDS["update-answer"]

    @query
    def last(self, word: str) -> str:
        """Answer a word."""
        assert word is not None
        return WORDS["query-answer"]


@workflow
async def fall(word: str) -> None:
    """Fail."""
    assert word
    raise RuntimeError(WORDS["raised"])


@workflow
async def wait(word: str) -> str:
    """Wait to be cancelled."""
    await asyncio.sleep(3600)
    return word


@workflow
async def join(word: str) -> str:
    """Wait for a run that is there as for a child."""
    return await start_child(wait, word, id="child")
