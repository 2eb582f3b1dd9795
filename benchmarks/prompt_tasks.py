"""What the workers of `benchmarks.prompt_fleet` do: answer questions about long manuals.

Owns: the task and the workflow.
Must not know: how many workers there are, what is measured.

Each process reads from its environment which model it computes with, and where it keeps what it computed.
"""

from __future__ import annotations

import asyncio
import functools
import os
from typing import Final

import msgspec

from benchmarks.prompt_cache import SPARE_TOKENS, text_of
from holdfast import Retry, task, workflow
from holdfast.ai import LLM, Cached, cached, local

POOL: Final = "desk"


class Bench(msgspec.Struct, frozen=True, array_like=True):
    """What a process is told."""

    model: str
    kv: str
    tokens: int
    """How long each manual is."""
    manuals: int
    output: int
    """How long each answer is, in tokens."""
    threads: int


class Answered(msgspec.Struct, frozen=True):
    """What a task returns."""

    pid: int
    text: str


VARIABLE: Final = "HOLDFAST_BENCH_PROMPTS"


def manuals_of(tokens: int, count: int) -> list[Cached]:
    """Return so many manuals, each of so many tokens."""
    return [cached(f"Manual {number}. {text_of(tokens)}"[:tokens]) for number in range(count)]


@functools.cache
def models() -> list[LLM]:
    """Return a model for each manual: they share one process that computes."""
    told = msgspec.json.decode(os.environ[VARIABLE], type=Bench)
    here = local(told.model, ctx=told.tokens + SPARE_TOKENS, slots=1, kv_dir=told.kv, threads=told.threads)
    settings = {"extra_body": {"grammar": f"root ::= [a-z]{{{told.output}}}"}}
    return [LLM(here, system=manual, settings=settings) for manual in manuals_of(told.tokens, told.manuals)]


@task(pool=POOL, timeout="15m", retry=Retry(attempts=3, initial="10ms"))
async def answer(number: int) -> Answered:
    """Answer a question about one of the manuals."""
    llm = models()[number % len(models())]
    text = await llm.generate(f"Question {number}: what does rule {number * 7} say?")
    return Answered(os.getpid(), text)


@workflow
async def desk(many: int, prefixes: list[str]) -> list[Answered]:
    """Answer so many questions. Tasks say the prefixes, by turns; none where there are none."""
    named = [answer.options(prefix=each) for each in prefixes] or [answer.options()]
    return list(await asyncio.gather(*(named[number % len(named)](number) for number in range(many))))
