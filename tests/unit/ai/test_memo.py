"""Answers that are given again: to the very same, apart from prompt caches, and at the cost of the answers alone."""

from __future__ import annotations

import contextlib

import apsw
import pytest
from pydantic import BaseModel

from holdfast import Holdfast, task, workflow
from holdfast.ai import LLM
from holdfast.errors import DefinitionError
from holdfast.testing.models import HostedModel
from tests.unit.worker.rig import on_loop

MODEL = "anthropic:claude-sonnet-5-5"
TURN = "What I say in each turn is a little longer than that. " * 12
FEW, MANY = 25, 100


class Report(BaseModel):
    """What is asked for."""

    title: str


@pytest.fixture
def provider(monkeypatch):
    """Give a provider that says something else each time."""
    said = iter(range(10_000))

    def answer(asked):
        return {"title": f"{next(said)}"} if "JSON" in asked.prompt else f"{next(said)}"

    with HostedModel(answer) as found:
        monkeypatch.setenv("TEST_MODEL_KEY", found.key)
        yield found


def llm_at(provider, **options):
    """Return a model that is asked there."""
    return LLM(MODEL, base_url=provider.url, api_key="env:TEST_MODEL_KEY", **options)


def asking(*llms):
    """Return a workflow that asks models, and has them write reports, and the tasks it has."""

    @task
    async def ask(question: str, which: int) -> str:
        return await llms[which].generate(question)

    @task
    async def report(question: str, which: int) -> str:
        return (await llms[which].generate(question, output=Report)).title

    @workflow
    async def desk(questions: list[tuple[str, int]]) -> list[str]:
        return [await (report if "JSON" in each[0] else ask)(*each) for each in questions]

    return [desk, ask, report]


def look_up(word: str) -> str:
    """Look a word up."""
    return word


@on_loop
async def test_the_very_same_is_answered_without_asking(provider, tmp_path):
    """By another run and another process, also with a type; anything else is asked, and so is who did not opt in."""
    memo, other = llm_at(provider, memo="30d"), llm_at(provider, memo="30d", settings={"max_tokens": 50})
    definitions = asking(memo, other, llm_at(provider))
    questions = [("One?", 0), ("JSON?", 0), ("One?", 1), ("One?", 2), ("One?", 2), ("One!", 0)]
    for number, expected in enumerate((["0", "1", "2", "3", "4", "5"], ["0", "1", "2", "6", "7", "5"])):
        async with Holdfast(definitions=definitions, store=f"sqlite:///{tmp_path}/a.db") as app:
            run = await app.client.start(definitions[0], questions, id=f"r-{number}")
            assert await run.result() == expected
    assert (memo.spending.requests, memo.spending.recalled) == (3, 3)
    assert await llm_at(provider, memo="30d").generate("One?") == "8", "outside of runs there is no store"
    with pytest.raises(DefinitionError, match="memo of an LLM"):
        llm_at(provider, memo="soon")


@on_loop
async def test_an_answer_whose_time_is_over_is_asked_for_again(provider, tmp_path):
    """And so is one with tools: what they do is to happen."""
    brief, lasting = llm_at(provider, memo="1ms"), llm_at(provider, memo=3_600)

    @task
    async def use(question: str) -> str:
        return await lasting.generate(question, tools=[look_up])

    @workflow
    async def tools() -> list[str]:
        return [await use("One?"), await use("One?")]

    definitions = asking(brief)
    async with Holdfast(definitions=[*definitions, tools, use], store=f"sqlite:///{tmp_path}/a.db") as app:
        run = await app.client.start(definitions[0], [("One?", 0)] * 2)
        assert await run.result() == ["0", "1"]
        assert await (await app.client.start(tools)).result() == ["2", "3"]


def bytes_in(path):
    """Return how much a store holds of what was asked and answered."""
    tables = {"blobs": "content", "events": "body", "model_answers": "body"}
    with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as database:
        return sum(
            next(database.execute(f"SELECT coalesce(sum(length({column})), 0) FROM {table}"))[0]
            for table, column in tables.items()
        )


@on_loop
async def test_prompts_and_answers_of_one_conversation_take_as_much_room_as_was_said(provider, tmp_path):
    """Each call is given all that was said before; four times as many take four times the room, not sixteen times."""
    llm, path, rooms = llm_at(provider, memo="30d"), tmp_path / "a.db", []

    @task
    async def reply(conversation: list[str]) -> str:
        if len(conversation) == 2 * FEW + 1:
            rooms.append(bytes_in(path))
        return await llm.generate("\n".join(conversation))

    @workflow
    async def talk() -> None:
        conversation: list[str] = []
        for number in range(MANY):
            conversation.append(f"{number}: {TURN}")
            conversation.append(await reply(conversation))

    async with Holdfast(definitions=[talk, reply], store=f"sqlite:///{path}") as app:
        await (await app.client.start(talk)).result()
    assert bytes_in(path) < 1.3 * MANY / FEW * rooms[0]
    handed_over = len(TURN) * MANY * MANY / 2
    assert bytes_in(path) < handed_over / 8
