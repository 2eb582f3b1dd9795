"""What the workers of `benchmarks.prompt_fleet` do: answer questions about long manuals.

Owns: the task and the workflow.
Must not know: how many workers there are, what is measured.

Each process reads from its environment which model it computes with, and where it keeps what it computed.
"""

from __future__ import annotations

import asyncio
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
TOLD: Final = msgspec.json.decode(os.environ.get(VARIABLE, '["","",256,1,8,1]').encode(), type=Bench, strict=False)


def manuals_of(tokens: int, count: int) -> list[Cached]:
    """Return so many manuals, each of so many tokens."""
    return [cached(f"Manual {number}. {text_of(tokens)}"[:tokens]) for number in range(count)]


HERE: Final = local(TOLD.model, ctx=TOLD.tokens + SPARE_TOKENS, slots=1, kv_dir=TOLD.kv, threads=TOLD.threads)
LLMS: Final = [
    LLM(HERE, system=manual, settings={"extra_body": {"grammar": f"root ::= [a-z]{{{TOLD.output}}}"}})
    for manual in manuals_of(TOLD.tokens, TOLD.manuals)
]


@task(pool=POOL, timeout="15m", retry=Retry(attempts=3, initial="10ms"))
async def answer(number: int) -> Answered:
    """Answer a question about one of the manuals."""
    text = await LLMS[number % len(LLMS)].generate(f"Question {number}: what does rule {number * 7} say?")
    return Answered(os.getpid(), text)


@workflow
async def desk(many: int, prefixes: list[str]) -> list[Answered]:
    """Answer so many questions. Tasks say the prefixes, by turns; none where there are none."""
    named = [answer.options(prefix=each) for each in prefixes] or [answer.options()]
    return list(await asyncio.gather(*(named[number % len(named)](number) for number in range(many))))
