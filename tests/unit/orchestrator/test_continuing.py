"""What comes while a run changes hands, or goes on as a new execution, reaches whoever has it then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from holdfast import Client, Holdfast, RunHandle, continue_as_new, signal, update, workflow
from holdfast.controller import ControllerService
from holdfast.history import WorkflowContinued
from holdfast.orchestrator import Orchestrator
from holdfast.ports.engine import RecordedEvent
from holdfast.ports.operations import ClaimRuns, Pause, ReleaseRuns, Resume
from tests.unit.worker.rig import on_loop, wait_until

WORDS = [f"word {number}" for number in range(24)]


@workflow
class Register:
    """Takes words, and goes on as a new execution after each turn of its code."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.words: list[str] = []
        self.closed = False
        self.changed = asyncio.Event()

    async def run(self, words: list[str]) -> list[str]:
        """Return the words, once it is closed."""
        self.words = [*words, *self.words]
        await self.changed.wait()
        if not self.closed:
            continue_as_new(self.words)
        return self.words

    @update
    def enter(self, word: str) -> str:
        """Take a word."""
        self.words.append(word)
        self.changed.set()
        return word

    @signal
    def close(self) -> None:
        """End the run."""
        self.closed = True
        self.changed.set()


@on_loop
async def test_no_update_is_lost_or_refused_between_two_executions(tmp_path: Path) -> None:
    """From this process and through the store, many at once: each is answered, and counted once."""
    store = f"sqlite:///{tmp_path}/a.db"
    async with Holdfast(definitions=[Register], store=store) as app, await Client.connect(store) as other:
        handle = await app.client.start(Register, [], id="r")
        there = other.handle("r", Register)
        asked = [
            (handle if number % 2 else there).update(Register.enter, word, timeout=20)
            for number, word in enumerate(WORDS)
        ]
        assert await asyncio.gather(*asked) == WORDS
        await handle.signal(Register.close)
        assert sorted(await handle.result()) == sorted(WORDS)
        assert int((await handle.describe()).execution.partition("@")[2]) > 2


@on_loop
async def test_an_update_waits_for_a_run_that_is_on_its_way_into_memory(tmp_path: Path) -> None:
    """A member that owns a run and has not read its history yet answers once it has, from here and from elsewhere."""
    store = f"sqlite:///{tmp_path}/a.db"
    async with Holdfast(definitions=[Register], store=store, poll_seconds=0.1) as app:
        handle = await app.client.start(Register, [], id="r")
        orchestrator = app.stack.engine.local
        assert isinstance(orchestrator, Orchestrator)
        live = orchestrator._memory.by_run["r"]
        claims, memory = orchestrator._claims, orchestrator._memory
        async with memory.arriving:
            orchestrator._departures.forget(live)
            await app.stack.store.write([ReleaseRuns((live.execution_id,), ready=True)], orchestrator.membership)
            (claimed,) = await app.stack.store.write([ClaimRuns(("Register",), 1)], orchestrator.membership)
            async with await Client.connect(store) as other:
                asked = [
                    asyncio.create_task(each.update(Register.enter, "word", timeout=20))
                    for each in (handle, other.handle("r", Register))
                ]
                await wait_until(lambda: len(memory.arriving._waiters or ()) >= 2)
                await claims.load_all(claimed)
                memory.arriving.release()
                try:
                    assert await asyncio.gather(*asked) == ["word", "word"]
                finally:
                    await memory.arriving.acquire()
        await handle.signal(Register.close)
        assert await handle.result() == ["word", "word"]


@on_loop
async def test_an_execution_that_went_on_has_an_end(tmp_path: Path) -> None:
    """Whoever watches or reads the first one, by its number, sees its own events up to its end, and no others."""
    async with Holdfast(definitions=[Register], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(Register, [], id="r")
        first = app.client.handle("r@1")
        watching = asyncio.create_task(_all(first))
        await handle.update(Register.enter, "word", timeout=20)
        async with asyncio.timeout(20):
            seen = await watching
        assert isinstance(seen[-1].event, WorkflowContinued)
        assert [each.id for each in seen] == [each.id for each in await first.history()]
        service = ControllerService(app.stack.engine, app.registry, app.stack.store, app.stack.clock)
        page = await service.runs.history("r@1")
        assert page.events[-1]["type"] == "WorkflowContinued"
        assert await service.runs.watch("r@1", after=len(seen)) is None
        await handle.signal(Register.close)
        await handle.result()


async def _all(handle: RunHandle[Any]) -> list[RecordedEvent]:
    return [each async for each in handle.watch()]


@on_loop
async def test_a_run_that_was_taken_and_claimed_again_stays(tmp_path: Path) -> None:
    """Given up because it was taken away, it is in memory again before that is written: it is not disowned."""
    async with Holdfast(definitions=[Register], store=f"sqlite:///{tmp_path}/a.db", poll_seconds=0.1) as app:
        handle = await app.client.start(Register, [], id="r")
        orchestrator = app.stack.engine.local
        assert isinstance(orchestrator, Orchestrator)
        memory, departures = orchestrator._memory, orchestrator._departures
        live = memory.by_run["r"]
        async with memory.arriving:
            await app.stack.store.write([Pause("r", "ada"), Resume("r")])
            departures.let_go(live)
            (claimed,) = await app.stack.store.write([ClaimRuns(("Register",), 1)], orchestrator.membership)
            await orchestrator._claims.load_all(claimed)
        again = memory.by_run["r"]
        await departures._disown(again.execution_id)
        assert memory.by_run["r"] is again is not live
        assert (await handle.describe()).owner
        await handle.signal(Register.close)
        assert await handle.result() == []
