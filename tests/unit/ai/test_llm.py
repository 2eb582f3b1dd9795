"""A language model as automations use it, against a provider that runs here."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest
from pydantic import BaseModel

from holdfast import Holdfast, Retry, task, workflow
from holdfast.ai import LLM, Usage, cached
from holdfast.ai import line as line_module
from holdfast.errors import (
    AnswerError,
    DefinitionError,
    HoldfastWarning,
    ModelError,
    ModelRequestError,
    RateLimited,
    RunFailedError,
)
from holdfast.testing.models import HostedModel
from tests.unit.authoring.recorder import on_loop

MANUAL = cached("Rule: be brief and never guess.\n" * 400, ttl="1h", name="manual")
MANUAL_TOKENS = len(MANUAL.text) // 4
MODELS = ["anthropic:claude-sonnet-5-5", "openai:gpt-5.2", "openai:gpt-5.6", "openai-chat:gpt-4o"]


class Report(BaseModel):
    """What is asked for."""

    title: str
    pages: int


def answer(asked):
    """Give a report where one is asked for."""
    return {"title": "Ants", "pages": 3} if asked.is_structured or "JSON" in asked.prompt else f"Heard: {asked.prompt}"


def llm_at(provider, model=MODELS[0], **options):
    """Return a model that is asked there."""
    url = provider.url if model.startswith("anthropic") else f"{provider.url}/v1"
    return LLM(model, base_url=url, api_key="env:TEST_MODEL_KEY", **options)


@pytest.fixture
def provider(monkeypatch):
    """Give a provider."""
    with HostedModel(answer) as found:
        monkeypatch.setenv("TEST_MODEL_KEY", found.key)
        yield found


@pytest.mark.parametrize("system", ["You are brief.", MANUAL], ids=["plain", "kept"])
@pytest.mark.parametrize("model", MODELS)
@on_loop
async def test_answers_are_text_or_of_a_type(provider, model, system):
    """All providers, with a prefix that is kept and without."""
    async with llm_at(provider, model, system=system) as llm:
        assert await llm.generate("Are you there?") == "Heard: Are you there?"
        assert await llm.generate("A report.", output=Report) == Report(title="Ants", pages=3)
        assert llm.spending.requests == 2


@pytest.mark.parametrize("model", MODELS)
@on_loop
async def test_a_prefix_is_the_same_whatever_form_an_answer_has(provider, model):
    """One write, or none where nothing is said of it; all that follow read."""
    async with llm_at(provider, model, system=MANUAL) as llm:
        for form in (str, Report, dict[str, str | int], str):
            await llm.generate("Answer.", output=form)
    read = [each.read for each in provider.counted]
    assert read[0] == 0
    assert all(each > MANUAL_TOKENS - 128 for each in read[1:])
    assert llm.spending.usage.cache_read_tokens == sum(read)
    assert sum(each.written > 0 for each in provider.counted) <= 1


@on_loop
async def test_what_a_cache_saved_is_net_of_what_writing_to_it_cost(provider):
    """The first request costs more than without; the second earns it back."""
    async with llm_at(provider, system=MANUAL) as llm:
        await llm.generate("Once.")
        assert llm.spending.saved_usd < 0
        await llm.generate("Twice.")
        assert llm.spending.saved_usd > 0
        usage = llm.spending.usage
        assert usage.cache_write_tokens >= MANUAL_TOKENS
        assert usage.cache_read_tokens >= MANUAL_TOKENS
        assert llm.spending.usd > 0


async def ask_at_once(provider, many):
    """Send prompts at once to a cold cache; the first answers wait until nobody else can come."""
    async with llm_at(provider, system=MANUAL) as llm:
        await asyncio.gather(*(llm.generate(f"Question {number}.") for number in range(many)))
    return sum(each.written > 0 for each in provider.counted)


@on_loop
async def test_many_prompts_at_a_cold_prefix_pay_for_one_write(provider):
    """The first goes alone."""
    assert await ask_at_once(provider, 60) == 1
    assert len(provider.asked) == 60


def test_without_turns_each_prompt_pays(monkeypatch):
    """The planted bug is seen: nobody waits, and all of them write."""
    many = 12
    arrived = threading.Barrier(many, timeout=30)
    monkeypatch.setenv("TEST_MODEL_KEY", "test-key")
    monkeypatch.setattr(line_module.Warmth, "turn", lambda *_: line_module.AsyncExitStack())
    with HostedModel(before_answer=lambda _: arrived.wait()) as provider, warnings.catch_warnings():
        warnings.simplefilter("ignore", HoldfastWarning)
        assert asyncio.run(ask_at_once(provider, many)) == many


@on_loop
async def test_an_unstable_prefix_is_never_read_and_warned_of(provider):
    """A tool that comes with each prompt under another name stands before the prefix."""

    def tool(number):
        def look_up(word: str) -> str:
            """Look a word up."""
            return word

        look_up.__name__ = f"look_up_{number}"
        return look_up

    async with llm_at(provider, system=MANUAL) as llm:
        await llm.generate("One.", tools=[tool(1)])
        with pytest.warns(HoldfastWarning, match="'manual' .* was written twice and not read in between"):
            await llm.generate("Two.", tools=[tool(2)])
    assert [each.read for each in provider.counted] == [0, 0]


@on_loop
async def test_a_prefix_that_is_too_short_is_warned_of(provider):
    """The provider keeps nothing, and says nothing."""
    async with llm_at(provider, system=cached("Be brief.", name="short")) as llm:
        with pytest.warns(HoldfastWarning, match="'short' .* is not kept by the provider"):
            await llm.generate("Hello.")


TROUBLES = [
    ("rate limit", RateLimited, "come again later"),
    ("overload", RateLimited, "come again later"),
    ("garbage", ModelError, "no answer|did not|without content"),
    ("cut off", ModelError, "broke off|no answer"),
    ("too long", ModelRequestError, "prompt is too long"),
    ("unknown model", ModelRequestError, "no such model"),
]


@pytest.mark.parametrize("model", [MODELS[0], MODELS[1], MODELS[3]])
@pytest.mark.parametrize(("trouble", "kind", "words"), TROUBLES, ids=[each[0] for each in TROUBLES])
@on_loop
async def test_each_trouble_is_one_error_after_one_request(provider, trouble, kind, words, model):
    """Nothing is tried again here, and the next prompt is answered."""
    async with llm_at(provider, model) as llm:
        provider.give_trouble(trouble, retry_after="7")
        with pytest.raises(kind, match=words) as raised:
            await llm.generate("Hello.")
        if kind is RateLimited:
            assert raised.value.retry_after == 7
        assert raised.value.retryable is (kind is not ModelRequestError)
        assert await llm.generate("Again.") == "Heard: Again."


@on_loop
async def test_a_refusal_that_does_not_say_how_long_is_waited_for_all_the_same(provider):
    """Half a minute."""
    async with llm_at(provider) as llm:
        provider.give_trouble("rate limit")
        with pytest.raises(RateLimited) as raised:
            await llm.generate("Hello.")
    assert raised.value.retry_after == 30


def test_the_end_of_one_block_leaves_the_others_their_connection(monkeypatch):
    """Tasks that run beside each other each write `async with llm`: the last one closes."""
    monkeypatch.setenv("TEST_MODEL_KEY", "test-key")
    first_is_over = threading.Event()

    def hold(asked):
        if asked.prompt == "Second.":
            assert first_is_over.wait(30)

    async def ask(prompt):
        async with llm:
            return await llm.generate(prompt)

    async def both():
        second = asyncio.create_task(ask("Second."))
        assert await ask("First.") == "Heard: First."
        assert not llm.line().is_closed
        first_is_over.set()
        assert await second == "Heard: Second."
        assert llm.line().is_closed

    with HostedModel(answer, before_answer=hold) as provider:
        llm = llm_at(provider)
        asyncio.run(both())


@on_loop
async def test_keys_that_are_missing_or_wrong(provider, monkeypatch):
    """Which key, where it was looked for, and that another attempt is no use; a key itself is refused."""
    async with llm_at(provider) as llm:
        monkeypatch.delenv("TEST_MODEL_KEY")
        with pytest.raises(ModelRequestError, match="no key: TEST_MODEL_KEY is not set"):
            await llm.generate("Hello.")
        monkeypatch.setenv("TEST_MODEL_KEY", "stolen-key")
        with pytest.raises(ModelRequestError, match="does not accept the key") as raised:
            await llm.generate("Hello.")
        assert "stolen-key" not in str(raised.value)
    with pytest.raises(DefinitionError, match="where the key is, not what it is") as refused:
        LLM(MODELS[0], api_key="sk-secret")
    assert "sk-secret" not in str(refused.value)


def test_models_that_are_none():
    """No provider, and one that nobody knows."""
    with pytest.raises(DefinitionError, match="'gpt-4o' has no provider"):
        LLM("gpt-4o")
    with pytest.raises(DefinitionError, match="no provider 'nobody' of models"):
        LLM("nobody:gpt-4o")


@on_loop
async def test_others_answer_where_one_does_not(provider):
    """In order; the first refusal counts when none of them does; a wrong answer is not asked for elsewhere."""
    other = llm_at(provider, MODELS[3])
    async with llm_at(provider, fallback=[other]) as llm:
        provider.give_trouble("overload")
        assert await llm.generate("Hello.") == "Heard: Hello."
        assert provider.asked[-1].model == "gpt-4o"
        assert (llm.spending.requests, other.spending.requests) == (0, 1)
        provider.give_trouble("rate limit", retry_after="5")
        provider.give_trouble("overload", retry_after="9")
        with pytest.raises(RateLimited) as raised:
            await llm.generate("Hello.")
        assert raised.value.retry_after == 5


@pytest.mark.parametrize("system", ["", MANUAL], ids=["plain", "kept"])
def test_an_answer_that_does_not_fit_is_mended_or_refused(monkeypatch, system):
    """The model is told what is wrong, twice."""
    answers = [{"title": "Ants"}, {"title": "Ants", "pages": "many"}, {"title": "Ants", "pages": 3}]

    def say(asked):
        return answers.pop(0) if answers else {"title": 1}

    async def ask():
        async with llm_at(provider, system=system) as llm:
            assert await llm.generate("JSON", output=Report) == Report(title="Ants", pages=3)
            assert llm.spending.requests == 3
            with pytest.raises(AnswerError):
                await llm.generate("JSON", output=Report)

    monkeypatch.setenv("TEST_MODEL_KEY", "test-key")
    with HostedModel(say) as provider:
        asyncio.run(ask())
    assert "pages" in repr(provider.asked[1].body["messages"][-1])
    assert all(each.read for each in provider.counted[1:]) is bool(system)


@on_loop
async def test_answers_come_piece_by_piece(provider):
    """All pieces make the answer; one that breaks off says so after the last piece."""
    for model in (MODELS[0], MODELS[1], MODELS[3]):
        async with llm_at(provider, model, system=MANUAL) as llm:
            async with llm.stream("Tell me of ants, at some length.") as pieces:
                found = [each async for each in pieces]
            assert "".join(found) == "Heard: Tell me of ants, at some length."
            assert len(found) > 1
            assert llm.spending.usage.output_tokens > 0
            provider.give_trouble("cut off")
            with pytest.raises(ModelError):
                async with llm.stream("Tell me of ants, at some length.") as pieces:
                    assert [each async for each in pieces]


def test_prompts_are_functions(provider):
    """Called in a script, by the name on the model, and awaited; each returns the type it was made with."""
    llm = llm_at(provider)

    @llm.prompt(output=Report)
    def generate_report(ticket: str) -> str:
        """Write a report."""
        return f"Write a report on {ticket}"

    @llm.prompt()
    async def greet(name: str) -> str:
        return f"Greet {name}"

    assert generate_report("ants") == llm.generate_report("ants") == Report(title="Ants", pages=3)
    assert provider.asked[0].prompt == "Write a report on ants"
    assert generate_report.__doc__ == "Write a report."

    async def await_both():
        async with llm:
            return await greet("Ada"), await generate_report.acall("bees")

    assert asyncio.run(await_both()) == ("Heard: Greet Ada", Report(title="Ants", pages=3))
    assert llm.generate_sync("Hello.") == "Heard: Hello."

    async def block():
        generate_report("ants")

    with pytest.raises(DefinitionError, match=r"await generate_report\.acall"):
        asyncio.run(block())
    with pytest.raises(AttributeError, match="no prompt of that name"):
        _ = llm.generate_poem
    with pytest.raises(DefinitionError, match="has that name already"):
        llm.prompt(name="generate")(generate_report)

    @llm.prompt()
    def nothing() -> str:
        return None

    with pytest.raises(DefinitionError, match="returned NoneType, not its text"):
        nothing()


def test_a_task_asks_and_a_workflow_does_not(provider, tmp_path):
    """Attempts are the engine's; a time is waited for, what comes again is final, workflow code is told off."""
    llm = llm_at(provider)

    @task(retry=Retry(attempts=3, initial="1ms"))
    async def ask(question: str) -> str:
        async with llm:
            return await llm.generate(question)

    @workflow
    async def desk(question: str) -> str:
        return await ask(question)

    @workflow
    async def hasty(question: str) -> str:
        return await llm.generate(question)

    with Holdfast(store=f"sqlite:///{tmp_path}/store.db", definitions=[desk, hasty, ask]) as app:
        provider.give_trouble("rate limit", retry_after="0")
        provider.give_trouble("cut off")
        assert app.start(desk, "How many legs?").result() == "Heard: How many legs?"
        provider.give_trouble("unknown model", 3)
        with pytest.raises(RunFailedError, match="no such model"):
            app.start(desk, "Who?").result()
        assert provider.troubles == 2, "one attempt met one of them"
        with pytest.raises(RunFailedError, match="was called in workflow code"):
            app.start(hasty, "Who?").result()


def test_usage_that_was_not_said_is_not_nothing():
    """Sums know what one of them knows."""
    assert Usage() + Usage(1, None, 2, 3) == Usage(1, None, 2, 3)
    assert Usage(1, 2, None, 4) + Usage(1, None, None, 4) == Usage(2, 2, None, 8)
    assert not Usage().is_known


def test_prefixes_are_known_by_their_text(tmp_path):
    """A file and its text are one, whatever its line ends; what is no text is refused."""
    path = tmp_path / "manual.md"
    path.write_bytes(b"One.\r\nTwo.\r\n")
    assert cached(path).digest == cached("One.\nTwo.\n").digest
    assert cached(path).name == "manual.md"
    assert cached("One.", ttl="1h").digest == cached("One.").digest
    path.write_bytes(b"\xff\xfe")
    for wrong in (path, tmp_path / "none", " "):
        with pytest.raises(DefinitionError):
            cached(wrong)
    with pytest.raises(DefinitionError, match="one of '5m'"):
        cached("One.", ttl="2m")
