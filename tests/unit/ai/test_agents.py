"""Agents of Pydantic AI as workflows use them, against a provider that runs here."""

from __future__ import annotations

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from holdfast import Holdfast, Retry, side_effect, workflow
from holdfast.ai import LLM
from holdfast.ai.agents import HoldfastDurability
from holdfast.errors import DefinitionError, RunFailedError
from holdfast.history import History
from holdfast.replay import WorkflowReplayer
from holdfast.testing.models import HostedModel
from tests.unit.worker.rig import on_loop, wait_for

SETTINGS = {"max_retries": 0}
"""Holdfast tries again, and nobody else."""


@pytest.fixture
def provider():
    """Give a provider."""
    with HostedModel() as found:
        yield found


def agent_at(provider, *capabilities):
    """Return an agent that asks there."""
    model = AnthropicModel("claude-sonnet-5-5", provider=AnthropicProvider(api_key=provider.key, base_url=provider.url))
    return Agent(model, name="desk", capabilities=capabilities, model_settings=SETTINGS)


def app_of(definition, tmp_path):
    """Return a stack that runs one workflow."""
    return Holdfast(store=f"sqlite:///{tmp_path}/store.db", definitions=[definition])


def test_what_fails_is_tried_again_and_what_was_refused_is_not(provider, tmp_path):
    """A time is waited for, a broken answer counts, an unknown model is final; and a replay asks nobody."""
    agent = agent_at(provider, HoldfastDurability(retry=Retry(attempts=2, initial="1ms")))

    @workflow
    async def desk(question: str) -> str:
        return (await agent.run(question)).output

    with app_of(desk, tmp_path) as app:
        provider.give_trouble("rate limit", 2, retry_after="0")
        provider.give_trouble("cut off")
        run = app.start(desk, "How many legs?")
        assert run.result() == "You said: How many legs?"
        assert provider.troubles == 0
        asked = len(provider.asked)
        assert WorkflowReplayer(desk).replay(History([each.event for each in run.history()])).status == "COMPLETED"
        assert len(provider.asked) == asked
        provider.give_trouble("unknown model", 2)
        with pytest.raises(RunFailedError, match="not_found_error"):
            app.start(desk, "Who?").result()
        assert provider.troubles == 1, "one attempt met one of them"
        provider.give_trouble("cut off", 2)
        with pytest.raises(RunFailedError, match="not_found_error"):
            app.start(desk, "Who?").result()
        with pytest.raises(RunFailedError, match="broke off"):
            app.start(desk, "Who?").result()
        assert provider.troubles == 0, "two attempts met two of them"


@on_loop
async def test_outside_workflows_an_agent_is_what_it_was(provider):
    """It asks, and nothing is recorded."""
    agent = agent_at(provider, HoldfastDurability())
    assert (await agent.run("How many legs?")).output == "You said: How many legs?"


def test_an_agent_that_is_not_durable_may_not_ask_in_a_workflow(provider, tmp_path):
    """What the library notes for itself is its own business; a connection is not."""
    agent = agent_at(provider)

    @workflow
    async def desk(question: str) -> str:
        return (await agent.run(question)).output

    with app_of(desk, tmp_path) as app, pytest.raises(RunFailedError):
        app.start(desk, "How many legs?").result()
    assert provider.asked == []


def triage(agent):
    """Return a workflow that asks an agent once."""

    @workflow
    async def desk(question: str) -> str:
        return (await agent.run(question)).output

    return desk


@on_loop
async def test_what_an_agent_asks_is_written_down_and_a_replay_costs_nothing(provider, monkeypatch, tmp_path):
    """By the steps of its run, with the price; the run that is replayed asks nobody and pays nothing."""
    agent = agent_at(provider, HoldfastDurability())
    llm = LLM("anthropic:claude-sonnet-5-5", base_url=provider.url, api_key="env:TEST_MODEL_KEY")
    monkeypatch.setenv("TEST_MODEL_KEY", provider.key)

    @workflow
    async def desk(question: str) -> list[str]:
        return [(await agent.run(question)).output, await side_effect(lambda: llm.generate("How many eyes?"))]

    async with Holdfast(store=f"sqlite:///{tmp_path}/store.db", definitions=[desk]) as app:
        run = await app.client.start(desk, "How many legs?", id="r")
        assert await run.result() == ["You said: How many legs?", "You said: How many eyes?"]
        step, other = await app.stack.store.run_model_usage("r")
        assert (step.key, step.requests, step.lost) == ("side_effect#1", 1, 0)
        assert (other.key, other.requests) == ("side_effect#2", 1)
        assert step.usage.input_tokens == provider.counted[0].total
        assert step.usage.paid > 0
        (total,) = await app.stack.store.model_usage("model", 0.0)
        assert (total.key, total.requests) == ("anthropic:claude-sonnet-5-5", 2)
        events = [each.event for each in await run.history()]
        assert WorkflowReplayer(desk).replay(History(events)).status == "COMPLETED"
        assert [each.requests for each in await app.stack.store.model_usage("model", 0.0)] == [2]
        assert await app.stack.store.budgets() == []


@on_loop
async def test_a_provider_that_says_to_come_later_is_left_alone_by_all_agents_of_a_rate(provider, tmp_path):
    """The rate is frozen for as long as it said, and no other run asks meanwhile."""
    desk = triage(agent_at(provider, HoldfastDurability(rate="claude")))
    async with Holdfast(store=f"sqlite:///{tmp_path}/store.db", definitions=[desk]) as app:
        provider.give_trouble("rate limit", retry_after="3600")
        first = await app.client.start(desk, "One?", id="r-1")

        async def waits(run):
            open_timers = [each for each in await run.history() if type(each.event).__name__ == "TimerStarted"]
            return open_timers or None

        await wait_for(lambda: waits(first))
        second = await app.client.start(desk, "Two?", id="r-2")
        await wait_for(lambda: waits(second))
        assert (provider.troubles, provider.asked) == (0, []), "only the first one asked"
        assert await app.stack.store.model_usage("model", 0.0) == []


def test_options_are_checked():
    """Where they are written."""
    with pytest.raises(DefinitionError, match="has to be a Retry"):
        HoldfastDurability(retry=3)
