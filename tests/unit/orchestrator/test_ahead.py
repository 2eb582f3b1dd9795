"""Messages are applied before the page that they stand in is written, and nothing acts before that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from holdfast import Holdfast, patched, query, signal, task, workflow
from holdfast.errors import StoreBusyError
from holdfast.history import AnyEvent, Input, open_page
from holdfast.orchestrator import Orchestrator
from holdfast.ports.operations import Append, Operation
from tests.unit.worker.rig import on_loop, wait_until

ran: list[str] = []


@task
async def note(word: str) -> str:
    """Say that this ran."""
    ran.append(word)
    return word


@task(record="before")
async def far(word: str) -> str:
    """Go through the queue."""
    return word


@workflow
class Listener:
    """Take words, and act on each in its own way."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.words: list[str] = []
        self.come = asyncio.Event()

    async def run(self, count: int) -> list[str]:
        """Return as many words as `count`."""
        done: list[str] = []
        while len(done) < count:
            while len(self.words) == len(done):
                self.come.clear()
                await self.come.wait()
            word = self.words[len(done)]
            if word == "near":
                await note(word)
            elif word == "changed":
                done.append("new" if patched("a change") else "old")
                continue
            elif word == "far":
                await far(word)
            done.append(word)
        return done

    @query
    def heard(self) -> list[str]:
        """Return the words so far."""
        return self.words

    @signal
    def say(self, word: str) -> None:
        """Take a word."""
        self.words.append(word)
        self.come.set()


async def pages_of(app: Holdfast, run_id: str) -> list[list[AnyEvent]]:
    """Return the events of a run, page by page."""
    record = await app.stack.store.run(run_id)
    assert record is not None
    return [open_page(each.body) for each in await app.stack.store.pages(record.execution_id)]


def names_of(pages: list[list[AnyEvent]]) -> list[list[str]]:
    """Return what kinds of events pages have, the first one left out."""
    return [[type(event).__name__ for event in page] for page in pages[1:]]


@on_loop
async def test_a_message_and_what_comes_of_it_stand_in_one_page(tmp_path: Path) -> None:
    """A signal that lets a run end, and the end, are one commit; so are a task's outcome and the next thing asked."""
    async with Holdfast(definitions=[Listener, far], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(Listener, 1, id="a")
        await handle.signal(Listener.say, "far")
        assert await handle.result(timeout=20) == ["far"]
        assert names_of(await pages_of(app, "a")) == [
            ["SignalReceived", "TaskScheduled"],
            ["TaskCompleted", "WorkflowCompleted"],
        ]


@on_loop
async def test_what_acts_at_once_waits_for_its_page(tmp_path: Path) -> None:
    """An attempt in this process begins when the message that led to it is history, and not before."""
    ran.clear()
    async with Holdfast(definitions=[Listener, note], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(Listener, 1, id="a")
        await handle.signal(Listener.say, "near")
        assert await handle.result(timeout=20) == ["near"]
        assert ran == ["near"]
        assert names_of(await pages_of(app, "a")) == [
            ["SignalReceived"],
            ["TaskScheduled", "TaskCompleted"],
            ["WorkflowCompleted"],
        ]


@on_loop
async def test_a_mark_still_stands_first_in_its_page(tmp_path: Path) -> None:
    """A patch that is asked for in a drain ahead is marked as ever: no page proves that drain without its mark."""
    async with Holdfast(definitions=[Listener], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(Listener, 1, id="a")
        await handle.signal(Listener.say, "changed")
        assert await handle.result(timeout=20) == ["new"]
        assert names_of(await pages_of(app, "a")) == [["SignalReceived"], ["PatchMarked", "WorkflowCompleted"]]


@on_loop
async def test_a_page_that_could_not_be_written_is_written_again(tmp_path: Path, monkeypatch: Any) -> None:
    """Messages that were applied for it are not applied twice, and those that came meanwhile are, in their order."""
    async with Holdfast(definitions=[Listener], store=f"sqlite:///{tmp_path}/a.db", log_level="CRITICAL") as app:
        handle = await app.client.start(Listener, 3, id="a")
        orchestrator = app.stack.engine.local
        assert isinstance(orchestrator, Orchestrator)
        live = orchestrator._memory.by_run["a"]
        write, refused = app.stack.store.write, []

        async def refuse(operations: Any, membership: Any = None) -> list[Any]:
            carries = any(isinstance(each, Append) and each.page is not None for each in operations)
            if carries and len(refused) < 2:
                refused.append(live.ahead)
                raise StoreBusyError("planted")
            return await write(operations, membership)

        monkeypatch.setattr(orchestrator._writer, "_store", _Writing(refuse))
        await handle.signal(Listener.say, "one")
        await wait_until(lambda: refused)
        await handle.signal(Listener.say, "two")
        await handle.signal(Listener.say, "three")
        assert await handle.result(timeout=20) == ["one", "two", "three"]
        assert refused[0] == 1, "it was applied ahead"
        pages = await pages_of(app, "a")
        said = [event for page in pages for event in page if isinstance(event, Input)][1:]
        assert [event.issued for event in said] == [0, 0, 0]
        assert await handle.query(Listener.heard) == ["one", "two", "three"], "which replays the history"


class _Writing:
    """A store of which only `write` is called."""

    def __init__(self, write: Any) -> None:
        self._write = write

    async def write(self, operations: list[Operation], membership: Any = None) -> list[Any]:
        return await self._write(operations, membership)
