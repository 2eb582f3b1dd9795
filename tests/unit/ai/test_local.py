"""Local models: a real server in a process of its own, with a tiny model that is written here."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys

import pytest

from holdfast import Holdfast, task, workflow
from holdfast.ai import LLM, cached, local
from holdfast.errors import DefinitionError, HoldfastWarning, ModelRequestError
from holdfast.testing.models import write_tiny_model
from tests.programs import require_package
from tests.unit.authoring.recorder import on_loop

BRIEF = {"extra_body": {"grammar": 'root ::= "Six."'}, "temperature": 0.0}
"""Random weights do not know when to end."""
FULL_BYTES = 64 << 10
"""A prefix takes more."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Give a model."""
    require_package("xllamacpp", "local-llm")
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def here(path, tmp_path_factory):
    """Give the model with two slots, and its process; all tests use it that leave it as it was."""
    found = local(path, ctx=2_048, slots=2, kv_dir=tmp_path_factory.mktemp("kv"), threads=1)
    asyncio.run(found.reach())
    yield found
    found.close()


@pytest.fixture
def mortal(path, tmp_path):
    """Give the model for a test that ends its process."""
    found = local(path, ctx=2_048, slots=2, kv_dir=tmp_path / "kv", threads=1)
    yield found
    found.close()


@pytest.fixture
def manual(request):
    """Give a prefix that no other test has."""
    return cached(f"Rule of {request.node.name}: be brief and never guess. " * 12, name="manual")


def llm_of(here, system, **options):
    """Return a model that answers briefly."""
    return LLM(here, system=system, settings=BRIEF, **options)


@on_loop
async def test_a_prefix_is_computed_once_used_by_every_slot_and_read_after_a_restart(mortal, manual):
    """The server's own counts say so: written once, read by all others, also in the next process."""
    async with llm_of(mortal, manual) as llm:
        answers = await asyncio.gather(*(llm.generate(f"How many legs has ant {number}?") for number in range(4)))
    assert answers == ["Six."] * 4
    used = llm.spending.usage
    assert used.cache_write_tokens > 0.9 * len(manual.text)
    assert used.cache_write_tokens < 1.2 * len(manual.text)
    assert used.cache_read_tokens > 3 * 0.9 * len(manual.text)
    assert mortal.held == {manual.digest}
    assert mortal.holdings[manual.digest] > 0, "it was measured what computing it costs"
    mortal.close()
    assert mortal.held == frozenset()
    async with llm_of(mortal, manual) as again:
        assert await again.generate("How many eyes?") == "Six."
    assert again.spending.usage.cache_write_tokens == 0
    assert again.spending.usage.cache_read_tokens > 0.9 * len(manual.text)
    assert mortal.held == {manual.digest}


@on_loop
async def test_answers_stream_and_have_types(here, manual):
    """As those of hosted models; and what streams is counted."""
    async with llm_of(here, manual) as llm:
        async with llm.stream("How many legs?") as pieces:
            assert "".join([piece async for piece in pieces]) == "Six."
        assert llm.spending.usage.cache_write_tokens > 0
    seven = LLM(here, system=manual, settings={"extra_body": {"grammar": 'root ::= "7"'}})
    assert await seven.generate("How many?", output=int) == 7
    assert seven.spending.usage.cache_read_tokens > 0.9 * len(manual.text)
    await seven.aclose()


@on_loop
async def test_an_exact_model_answers_the_same_with_a_prefix_and_without(path, tmp_path, manual):
    """To the last of many tokens; what it keeps is kept apart from what others keep."""
    exact = local(path, ctx=2_048, kv_dir=tmp_path, threads=1, exact=True)
    usual = local(path, ctx=2_048, kv_dir=tmp_path, threads=1)
    greedy = {"extra_body": {"grammar": "root ::= [a-z ]{64}"}, "temperature": 0.0}
    try:
        for question in ("How many legs?", "How many eyes, and why that many?"):
            kept = await LLM(exact, system=manual, settings=greedy).generate(question)
            assert kept == await LLM(exact, system=manual.text, settings=greedy).generate(question)
        (file,) = tmp_path.glob("*.kv")
        size = file.stat().st_size
        assert await llm_of(usual, manual).generate("Legs?") == "Six."
        assert min(each.stat().st_size for each in tmp_path.glob("*.kv")) < 0.6 * size
    finally:
        exact.close()
        usual.close()


@on_loop
async def test_another_prefix_reads_nothing(here, manual):
    """The negative control: its first character differs."""
    async with llm_of(here, manual) as llm, llm_of(here, cached("X" + manual.text[1:])) as other:
        await llm.generate("How many legs?")
        await other.generate("How many legs?")
    assert other.spending.usage.cache_read_tokens == 0
    assert other.spending.usage.cache_write_tokens > 0.9 * len(manual.text)


@on_loop
async def test_a_server_of_ones_own_is_as_good(mortal, manual, monkeypatch):
    """Any address that speaks like OpenAI's: what it says it read is counted, once it has said so."""
    url, key = await mortal.reach()
    monkeypatch.setenv("SERVER_KEY", key)
    async with LLM(
        "openai-chat:tiny", system=manual, base_url=f"{url}/v1", api_key="env:SERVER_KEY", settings=BRIEF
    ) as llm:
        await llm.generate("How many legs?")
        assert llm.spending.usage.cache_read_tokens is None
        await llm.generate("How many eyes?")
        assert llm.spending.usage.cache_read_tokens > 0.9 * len(manual.text)


@on_loop
async def test_a_process_that_is_killed_is_followed_by_another(mortal, manual):
    """At the same place, for the same connections; the prefix is read from disk."""
    async with llm_of(mortal, manual) as llm:
        await llm.generate("How many legs?")
        process = mortal._running.server._process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert await llm.generate("How many eyes?") == "Six."
        assert llm.spending.usage.cache_read_tokens > 0.9 * len(manual.text)


SERVES = """
import asyncio, sys, time
from holdfast.ai import local
here = local(sys.argv[1], threads=1)
asyncio.run(here.reach())
print(here._running.server._process.pid, flush=True)
time.sleep(600)
"""


def test_a_process_ends_with_whoever_started_it(path):
    """Also where that was killed, and could tell nobody."""
    with subprocess.Popen([sys.executable, "-c", SERVES, str(path)], stdout=subprocess.PIPE) as starter:
        serving = os.pidfd_open(int(starter.stdout.readline()))
        try:
            starter.kill()
            ended, _, _ = select.select([serving], [], [], 30.0)
            assert ended
        finally:
            os.close(serving)


def test_a_task_asks_it(here, manual, tmp_path):
    """Which prefix was used is written down with the run, and costs nothing."""
    llm = llm_of(here, manual)

    @task
    async def answer(question: str) -> str:
        async with llm:
            return await llm.generate(question)

    @workflow
    async def desk() -> str:
        return await answer("How many legs?")

    with Holdfast(store=f"sqlite:///{tmp_path}/store.db", definitions=[desk, answer]) as app:
        assert app.start(desk).result() == "Six."


@on_loop
async def test_a_prompt_that_is_too_long_says_what_to_do(here, manual):
    """Whether it is the prefix or the question."""
    async with llm_of(here, manual) as llm:
        with pytest.raises(ModelRequestError, match=r"the prompt is too long(.|\n)*local\(\.\.\., ctx="):
            await llm.generate("Why? " * 600)
        assert await llm.generate("How many legs?") == "Six."
    async with llm_of(here, cached("Rule. " * 600)) as long:
        with pytest.raises(ModelRequestError, match=r"the prompt is too long(.|\n)*local\(\.\.\., ctx="):
            await long.generate("How many legs?")


@on_loop
async def test_a_folder_that_is_full_is_told_and_answers_go_on(path, tmp_path, manual):
    """The prefix is there all the same, in its slot; nothing is left of its file."""
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    found = local(path, ctx=2_048, kv_dir=tmp_path / "kv", threads=1)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, most))  # of the process that is started now
        await found.reach()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))
    try:
        async with llm_of(found, manual) as llm:
            with pytest.warns(HoldfastWarning, match=r"'manual' of model 'local:tiny.gguf' cannot be kept in"):
                assert await llm.generate("How many legs?") == "Six."
            assert await llm.generate("How many eyes?") == "Six."
        assert llm.spending.usage.cache_read_tokens > 0.9 * len(manual.text)
        assert list((tmp_path / "kv").iterdir()) == []
    finally:
        found.close()


@pytest.mark.parametrize("wrong", [{"ctx": 0}, {"slots": True}, {"slots": 1_000}, {"threads": -1}, {"ctx": 2.5}])
def test_what_is_said_of_a_model_is_checked(wrong):
    """Where it is written."""
    with pytest.raises(DefinitionError, match="has to be a whole number"):
        local("tiny.gguf", **wrong)


def test_a_model_here_has_no_address():
    """A server that runs already is asked by another name."""
    with pytest.raises(DefinitionError, match="takes no base_url"):
        LLM(local("tiny.gguf"), base_url="http://127.0.0.1:8080")


def test_tiny_models_of_one_seed_are_equal(path, tmp_path):
    """And of another are not."""
    same = write_tiny_model(tmp_path / "same.gguf").read_bytes()
    assert same == path.read_bytes()
    assert write_tiny_model(tmp_path / "other.gguf", seed=2).read_bytes() != same
    with pytest.raises(DefinitionError, match="multiple of 64"):
        write_tiny_model(tmp_path / "odd.gguf", width=100)
