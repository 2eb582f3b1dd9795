"""What a model writes is told while it is written: in epochs of attempts, beside the run's history."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import Holdfast, Retry, task, workflow
from holdfast.ai import LLM, publishing
from holdfast.errors import DefinitionError, StoreError
from holdfast.ports.operations import BROKEN, WHOLE
from holdfast.testing.models import HostedModel
from tests.unit.worker.rig import on_loop, wait_for

MODEL = "anthropic:claude-sonnet-5-5"
TEXT = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. \x00 \U0001f41c"


@pytest.fixture
def provider(monkeypatch):
    """Give a provider."""
    monkeypatch.setattr(publishing, "TELL_SECONDS", 0.001)
    with HostedModel(lambda _: TEXT) as found:
        monkeypatch.setenv("TEST_MODEL_KEY", found.key)
        yield found


def llm_at(provider):
    """Return a model that is asked there."""
    return LLM(MODEL, base_url=provider.url, api_key="env:TEST_MODEL_KEY")


async def text_of(store, name="write#1", execution="r"):
    """Return what was said in a stream: its epoch, its text, and how it ended."""
    found = await store.said(execution, name)
    return found and (found.epoch, b"".join(body for _, body in found.pieces).decode(), found.ended)


@on_loop
async def test_what_is_written_can_be_read_while_it_is_written(provider, tmp_path):
    """The first pieces stand in the store before the last is there; the history knows nothing of them."""
    llm = llm_at(provider)
    half, go_on = asyncio.Event(), asyncio.Event()

    @task
    async def write(question: str) -> str:
        said = ""
        async with llm.stream(question) as pieces:
            async for piece in pieces:
                said += piece
                if not half.is_set():
                    half.set()
                    await go_on.wait()
        return said

    @workflow
    async def desk() -> str:
        return await write("Write.")

    async with Holdfast(definitions=[desk, write], store=f"sqlite:///{tmp_path}/a.db") as app:
        run = await app.client.start(desk, id="r")
        await half.wait()

        async def begun():
            found = await text_of(app.stack.store)
            return found if found and found[1] else None

        epoch, text, ended = await wait_for(begun)
        assert (epoch, ended) == (1, "")
        assert TEXT.startswith(text)
        assert text != TEXT
        go_on.set()
        assert await run.result() == TEXT
        assert await text_of(app.stack.store) == (1, TEXT, WHOLE)
        (record,) = await app.stack.store.streams("r")
        assert (record.execution, record.name, record.characters) == ("r", "write#1", len(TEXT))
        assert (await app.stack.store.run_model_usage("r"))[0].requests == 1


@on_loop
async def test_another_attempt_begins_another_epoch(provider, tmp_path):
    """An answer that broke off says so, and what comes after it is not taken for its end."""
    llm = llm_at(provider)
    seen = []

    @task(retry=Retry(attempts=2, initial="1ms"))
    async def write() -> None:
        if seen:
            seen.append(await text_of(app.stack.store))
        seen.append(None)
        async with llm.stream("Write.") as pieces:
            assert [each async for each in pieces]
        async with llm.stream("Write.", name="again") as pieces:
            async for _ in pieces:
                break

    @workflow
    async def desk() -> None:
        await write()

    provider.give_trouble("cut off")
    async with Holdfast(definitions=[desk, write], store=f"sqlite:///{tmp_path}/a.db") as app:
        await (await app.client.start(desk, id="r")).result()
        epoch, text, ended = seen[1]
        assert (epoch, ended) == (1, BROKEN)
        assert TEXT.startswith(text)
        assert await text_of(app.stack.store) == (2, TEXT, WHOLE)
        epoch, text, ended = await text_of(app.stack.store, "write#1/again")
        assert (epoch, ended) == (1, BROKEN), "one that is not read to its end is not whole"
        with pytest.raises(DefinitionError, match="name of a stream"):
            async with llm.stream("Write.", name="a/b"):
                pass


@on_loop
async def test_a_task_whose_words_cannot_be_told_goes_on(provider, tmp_path, monkeypatch):
    """Telling is beside the point; outside of tasks there is nobody to tell."""
    llm = llm_at(provider)

    @task
    async def write() -> str:
        async with llm.stream("Write.") as pieces:
            return "".join([each async for each in pieces])

    @workflow
    async def desk() -> str:
        return await write()

    async def fails(*_):
        raise StoreError("the disk is gone")

    async def hangs(*_):
        await asyncio.Event().wait()

    async with Holdfast(definitions=[desk, write], store=f"sqlite:///{tmp_path}/a.db") as app:
        with monkeypatch.context() as broken:
            broken.setattr("holdfast.app.books.StoreBooks.open_stream", fails)
            assert await (await app.client.start(desk, id="r")).result() == TEXT
        assert await text_of(app.stack.store) is None
        with monkeypatch.context() as broken:
            broken.setattr("holdfast.app.books.StoreBooks.say", hangs)
            broken.setattr(publishing, "END_SECONDS", 0.01)
            assert await (await app.client.start(desk, id="s")).result() == TEXT
    async with llm.stream("Write.") as pieces:
        assert "".join([each async for each in pieces]) == TEXT
