"""Count what a kept prefix saves in money: `python -m benchmarks.prompt_costs`.

    python -m benchmarks.prompt_costs [--tokens N] [--tasks N] [--cold N]

Owns: the manual, the tasks, the table.
Must not know: how prefixes are kept, what a token costs.

Durable tasks that begin together, each with a question of its own about one long manual, ask a provider on this machine
that counts cached tokens from the bytes it sees. The table is what the store recorded of each of them, at the prices of
the model. Nothing is timed: a count does not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from holdfast import Client, Holdfast, task, workflow
from holdfast.ai import LLM, Cached, cached
from holdfast.ports.operations import NANO, ModelUsageRecord
from holdfast.testing.models import HostedModel

MODEL: Final = "anthropic:claude-sonnet-5-5"
KEY: Final = "PROMPT_COSTS_KEY"
TOKENS: Final = 65_000
TASKS: Final = 100
COLD: Final = 200
CHARACTERS_PER_TOKEN: Final = 4
"""As the provider on this machine counts."""
RULE: Final = "Rule {}: answer from this manual alone, be brief, and never guess.\n"
ANSWER: Final = "Rule 17 covers it: ask the desk, and attach the receipt. " * 4


def manual_of(tokens: int) -> str:
    """Return a text of so many tokens."""
    text = "".join(RULE.format(number) for number in range(tokens * CHARACTERS_PER_TOKEN // len(RULE) + 1))
    return text[: tokens * CHARACTERS_PER_TOKEN]


async def count(folder: Path, provider: HostedModel, system: str | Cached, many: int) -> ModelUsageRecord:
    """Ask in so many durable tasks at once; return what the store recorded of them."""
    llm = LLM(MODEL, system=system, base_url=provider.url, api_key=f"env:{KEY}")

    @task
    async def answer(number: int) -> str:
        return await llm.generate(f"Ticket {number}: which rule covers it?")

    @workflow
    async def desk(many: int) -> int:
        return len(await asyncio.gather(*(answer(number) for number in range(many))))

    store = f"sqlite:///{folder / 'store.db'}"
    async with llm, Holdfast(store=store, definitions=[desk, answer]) as app:
        handle = await app.client.start(desk, many, id="desk")
        assert await handle.result() == many
    async with await Client.connect(store) as client:
        (found,) = await client.store.model_usage("model", 0.0)
    return found


def usd(nano: int) -> str:
    """Return an amount as people write it."""
    return f"${Decimal(nano) / NANO:,.4f}"


def tell(rows: Sequence[tuple[str, ModelUsageRecord, int]]) -> None:
    """Print the table."""
    print(
        f"{'':<22} {'requests':>8} {'input':>10} {'read':>10} {'written':>9} {'output':>7} {'writes':>6} {'paid':>11}"
    )
    for what, each, writes in rows:
        used = each.usage
        print(
            f"{what:<22} {each.requests:>8,} {used.input_tokens or 0:>10,} {used.cache_read_tokens or 0:>10,}"
            f" {used.cache_write_tokens or 0:>9,} {used.output_tokens or 0:>7,} {writes:>6,} {usd(used.paid or 0):>11}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and print; return 0, or 1 when a cold prefix was written more than once."""
    given = _parser().parse_args(arguments)
    text = manual_of(given.tokens)
    cases = (
        (f"{given.tasks} tasks, without", text, given.tasks),
        (f"{given.tasks} tasks, cached(...)", cached(text, ttl="1h", name="manual"), given.tasks),
        (f"{given.cold} tasks, cached(...)", cached(text, ttl="1h", name="manual"), given.cold),
    )
    rows = []
    for what, system, many in cases:
        with tempfile.TemporaryDirectory() as name, HostedModel(lambda _: ANSWER) as provider:
            os.environ[KEY] = provider.key
            found = asyncio.run(count(Path(name), provider, system, many))
            rows.append((what, found, sum(each.written > 0 for each in provider.counted)))
    print(f"{MODEL}, a manual of {given.tokens:,} tokens, all tasks at once, nothing kept before\n")
    tell(rows)
    return 0 if all(writes <= 1 for _, _, writes in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_costs")
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="N", help="length of the manual")
    parser.add_argument("--tasks", type=int, default=TASKS, metavar="N", help="tasks of the table")
    parser.add_argument("--cold", type=int, default=COLD, metavar="N", help="tasks at one cold prefix")
    return parser


if __name__ == "__main__":
    sys.exit(main())
