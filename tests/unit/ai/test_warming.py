"""A cold prefix is written once by a whole fleet: processes take turns through the store, as tasks of one loop do."""

from __future__ import annotations

import asyncio
import time

import pytest

from holdfast import Holdfast, Retry, task, workflow
from holdfast.ai import LLM, cached
from holdfast.ai.warming import Warmth
from holdfast.app.books import StoreBooks
from holdfast.errors import StoreError
from holdfast.stores.sqlite import SQLiteStore
from holdfast.testing.models import HostedModel
from tests.unit.worker.rig import WallClock, on_loop

MANUAL = cached("Rule: be brief and never guess.\n" * 400, ttl="1h", name="manual")
LOOPS = 3
EACH = 8


@pytest.fixture
def provider(monkeypatch):
    """Give a provider."""
    with HostedModel() as found:
        monkeypatch.setenv("TEST_MODEL_KEY", found.key)
        yield found


@on_loop
async def test_models_that_know_nothing_of_each_other_write_a_prefix_once(tmp_path, provider):
    """Each has connections and memory of its own, as in processes of its own; the store tells them."""
    llms = [
        LLM("anthropic:claude-sonnet-5-5", system=MANUAL, base_url=provider.url, api_key="env:TEST_MODEL_KEY")
        for _ in range(LOOPS)
    ]

    @task(retry=Retry(attempts=2, initial="1ms"))
    async def ask(number: int) -> str:
        return await llms[number % LOOPS].generate(f"Question {number}.")

    @workflow
    async def interview(many: int) -> int:
        return len(await asyncio.gather(*(ask(number) for number in range(many))))

    async with Holdfast(definitions=[interview, ask], store=f"sqlite:///{tmp_path}/a.db") as app:
        assert await (await app.client.start(interview, LOOPS * EACH, id="r")).result() == LOOPS * EACH
        for llm in llms:
            await llm.aclose()
    assert sum(each.written > 0 for each in provider.counted) == 1


@on_loop
async def test_whoever_fails_leaves_the_turn_to_the_next(tmp_path):
    """And where the store does not answer, nobody waits."""
    store = SQLiteStore(tmp_path / "a.db", clock=WallClock(), synchronous="NORMAL")
    await store.open()
    try:
        books = StoreBooks(store, asyncio.get_running_loop(), WallClock())
        one, other = Warmth(time.monotonic), Warmth(time.monotonic)
        begun, order = asyncio.Event(), []

        async def fail():
            async with one.turn("p", 60.0, books):
                begun.set()
                order.append("fails")
                raise ConnectionError

        async def follow():
            await begun.wait()
            async with other.turn("p", 60.0, books):
                order.append("follows")

        failed, _ = await asyncio.gather(fail(), follow(), return_exceptions=True)
        assert isinstance(failed, ConnectionError)
        assert order == ["fails", "follows"]
        async with one.turn("p", 60.0, books), other.turn("p", 60.0, books):
            order.append("both")
    finally:
        await store.close()

    class Closed:
        async def warm(self, _):
            raise StoreError("closed", remedy="Open it.")

    async with one.turn("q", 60.0, Closed()), other.turn("q", 60.0, Closed()):
        order.append("without")
    assert order[2:] == ["both", "without"]
