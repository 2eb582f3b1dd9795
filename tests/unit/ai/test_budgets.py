"""Money and tokens: what tasks ask models for is written down, and paid from budgets that nobody exceeds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast import Holdfast, Retry, task, workflow
from holdfast.ai import LLM, Budget, cached
from holdfast.errors import DefinitionError
from holdfast.ports.operations import Amount, GrantBudget
from holdfast.testing.models import HostedModel
from tests.unit.worker.rig import on_loop, wait_for

MANUAL = cached("Rule: be brief and never guess.\n" * 400, ttl="1h", name="manual")
MODEL = "anthropic:claude-sonnet-5-5"
NANO = 1_000_000_000
AGENTS = 8


@pytest.fixture
def provider(monkeypatch):
    """Give a provider."""
    with HostedModel(lambda asked: f"Heard: {asked.prompt}") as found:
        monkeypatch.setenv("TEST_MODEL_KEY", found.key)
        yield found


def llm_at(provider, **options):
    """Return a model that is asked there."""
    return LLM(MODEL, base_url=provider.url, api_key="env:TEST_MODEL_KEY", **options)


def questions(llm):
    """Return a workflow whose tasks ask it, one for each question."""

    @task(retry=Retry(attempts=2, initial="1ms"))
    async def ask(question: str) -> str:
        return await llm.generate(question)

    @workflow
    async def interview(questions: list[str]) -> list[str]:
        return [await ask(each) for each in questions]

    return interview, ask


@on_loop
async def test_what_a_run_asked_is_written_down_by_its_steps(tmp_path, provider):
    """Tokens, dollars, and what the cache saved, as the provider counted them."""
    interview, ask = questions(llm_at(provider, system=MANUAL))
    async with Holdfast(definitions=[interview, ask], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(interview, ["One?", "Two?", "Three?"], id="r")
        assert await handle.result() == ["Heard: One?", "Heard: Two?", "Heard: Three?"]
        steps = await app.stack.store.run_model_usage("r")
        assert [(each.key, each.requests, each.lost) for each in steps] == [(f"ask#{n}", 1, 0) for n in (1, 2, 3)]
        (total,) = await app.stack.store.model_usage("model", 0.0)
        counted = provider.counted
        assert total.usage.cache_read_tokens == sum(each.read for each in counted)
        assert total.usage.cache_write_tokens == sum(each.written for each in counted)
        assert total.usage.paid < total.usage.uncached
        (prefix,) = await app.stack.store.model_usage("prefix", 0.0)
        assert (prefix.key, prefix.name, prefix.requests) == (MANUAL.digest, "manual", 3)
        assert [each.key for each in await app.stack.store.model_usage("workflow", 0.0)] == ["interview"]
        assert await app.stack.store.budgets() == []


@on_loop
async def test_many_agents_keep_to_one_budget_and_go_on_when_it_has_more(tmp_path, provider):
    """What a request may cost is set aside before it is sent; who finds nothing left is parked; nobody pays twice."""
    limit, longest = 700, 100
    budget = Budget(tokens=limit, per="workflow", name="team")
    interview, ask = questions(llm_at(provider, budget=budget, settings={"max_tokens": longest}))
    async with Holdfast(definitions=[interview, ask], store=f"sqlite:///{tmp_path}/a.db") as app:
        handles = [
            await app.client.start(interview, [f"Question {n}? " + "Why? " * 60], id=f"r-{n}") for n in range(AGENTS)
        ]

        async def parked():
            runs, _ = await app.stack.store.runs(status="PARKED")
            return runs

        async def all_settled():
            held = sum(each.held.tokens for each in await app.stack.store.budgets())
            return True if held == 0 and len(await parked()) + len(provider.asked) == AGENTS else None

        await wait_for(all_settled)
        (kept,) = await app.stack.store.budgets()
        most_of_one = max(each.total for each in provider.counted) + longest
        assert limit <= kept.spent.tokens <= limit + most_of_one
        before = len(provider.asked)
        assert 0 < before < AGENTS
        assert "budget 'team' of workflow interview is used up" in (await parked())[0].parked
        (resumed,) = await app.stack.store.write([GrantBudget("team", "workflow", "interview", Amount(0, 1_000_000))])
        assert resumed == AGENTS - before
        for each in handles:
            await each.result()
        assert len(provider.asked) == AGENTS


@on_loop
async def test_a_request_that_is_refused_costs_nothing_and_one_that_breaks_off_all_it_might(tmp_path, provider):
    """Of what was set aside."""
    llm = llm_at(provider, budget=Budget(usd=1, per="day"))
    interview, ask = questions(llm)
    async with Holdfast(definitions=[interview, ask], store=f"sqlite:///{tmp_path}/a.db") as app:
        provider.give_trouble("rate limit", retry_after="0")
        await (await app.client.start(interview, ["One?"], id="r")).result()
        (first,) = await app.stack.store.budgets()
        assert (await app.stack.store.run_model_usage("r"))[0].requests == 1
        provider.give_trouble("cut off")
        await (await app.client.start(interview, ["One?"], id="s")).result()
        (second,) = await app.stack.store.budgets()
        assert second.spent.usd > 3 * first.spent.usd
        assert second.held == Amount()


@on_loop
async def test_a_budget_of_dollars_needs_a_price(tmp_path, provider):
    """A model whose price nobody knows is not asked."""
    llm = LLM("openai-chat:mine", base_url=f"{provider.url}/v1", api_key="env:TEST_MODEL_KEY", budget=Budget(usd=1))
    interview, ask = questions(llm)
    async with Holdfast(definitions=[interview, ask], store=f"sqlite:///{tmp_path}/a.db") as app:
        handle = await app.client.start(interview, ["One?"], id="r")
        with pytest.raises(Exception, match="nobody knows what it costs"):
            await handle.result()
        assert provider.counted == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "needs usd= or tokens="),
        ({"usd": 0}, "has to be above 0"),
        ({"usd": "much"}, "has to be above 0"),
        ({"usd": float("nan")}, "has to be above 0"),
        ({"tokens": 0}, "a whole number above 0"),
        ({"tokens": True}, "a whole number above 0"),
        ({"usd": 1, "per": "week"}, "has to be one of"),
        ({"usd": 1, "name": ""}, "name of a Budget"),
    ],
)
def test_what_is_no_budget_is_refused(wrong, said):
    """With what is wrong and what is right."""
    with pytest.raises(DefinitionError, match=said):
        Budget(**wrong)


def test_a_budget_is_exact_to_the_nano_dollar():
    """However it is written."""
    assert (
        Budget(usd="0.1").limit.usd == Budget(usd=0.1).limit.usd == Budget(usd=Decimal("0.1")).limit.usd == NANO // 10
    )
