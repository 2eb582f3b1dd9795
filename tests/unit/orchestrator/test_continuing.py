"""What comes while a run changes hands, or goes on as a new execution, reaches whoever has it then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Holdfast, RunHandle, continue_as_new, signal, update, workflow
from holdfast.controller import ControllerService
from holdfast.errors import StoreError
from holdfast.history import WorkflowContinued
from holdfast.orchestrator import Orchestrator
from holdfast.ports.engine import RecordedEvent
from holdfast.ports.operations import Append, ClaimRuns, Membership, Operation, Pause, ReleaseRuns, Resume
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
async def test_an_update_that_is_sent_again_is_the_same_one(tmp_path: Path) -> None:
    """Its run has gone on as other executions since, here and in a process that has never seen it."""
    store = f"sqlite:///{tmp_path}/a.db"
    async with Holdfast(definitions=[Register], store=store) as app:
        handle = await app.client.start(Register, [], id="r")
        for word in ("one", "two", "three", "one", "two"):
            assert await handle.update(Register.enter, word, operation_id=word, timeout=20) == word
    async with Holdfast(definitions=[Register], store=store) as app:
        handle = app.client.handle("r", Register)
        for word in ("three", "four", "one", "four"):
            assert await handle.update(Register.enter, word, operation_id=word, timeout=20) == word
        await handle.signal(Register.close)
        assert await handle.result() == ["one", "two", "three", "four"]
        anew = await app.client.start(Register, [], id="r", id_reuse_policy="allow_duplicate")
        assert await anew.update(Register.enter, "four", operation_id="four", timeout=20) == "four"
        await anew.signal(Register.close)
        assert await anew.result() == ["four"], "another run under the same id has never seen it"


@pytest.mark.parametrize("lost", [1, 2, 3])
@on_loop
async def test_an_update_is_counted_once_although_nobody_heard_that_its_run_went_on(tmp_path: Path, lost: int) -> None:
    """The answer to the commit is lost with which the run goes on; whoever waits is answered all the same."""
    store = f"sqlite:///{tmp_path}/a.db"
    async with Holdfast(definitions=[Register], store=store) as app, await Client.connect(store) as other:
        handle = await app.client.start(Register, [], id="r")
        there = other.handle("r", Register)
        losing = _lose_continuations(app, lost)
        asked = [
            each.update(Register.enter, word, timeout=20)
            for each, word in zip((handle, there) * 4, WORDS, strict=False)
        ]
        assert await asyncio.gather(*asked) == WORDS[:8]
        assert next(losing, None) is None, "no answer was lost"
        await handle.signal(Register.close)
        assert sorted(await handle.result()) == sorted(WORDS[:8])


def _lose_continuations(app: Holdfast, count: int) -> Iterator[int]:
    """Carry out the next `count` writes with which runs go on, and report them as failed. Gives those left to lose."""
    store, left = app.stack.store, iter(range(count))
    write = store.write

    async def lossy(operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        results = await write(operations, membership)
        goes_on = any(isinstance(each, Append) and each.closing and each.closing.continuation for each in operations)
        if goes_on and next(left, None) is not None:
            raise StoreError("planted: it was carried out, and the answer was lost")
        return results

    store.write = lossy  # type: ignore[method-assign]
    return left


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
