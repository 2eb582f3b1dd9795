"""Agents of Pydantic AI as workflows use them, against a provider that runs here."""

from __future__ import annotations

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from holdfast import Holdfast, Retry, workflow
from holdfast.ai.agents import HoldfastDurability
from holdfast.errors import DefinitionError, RunFailedError
from holdfast.history import History
from holdfast.replay import WorkflowReplayer
from holdfast.testing.models import HostedModel
from tests.unit.authoring.recorder import on_loop

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


def test_options_are_checked():
    """Where they are written."""
    with pytest.raises(DefinitionError, match="has to be a Retry"):
        HoldfastDurability(retry=3)
