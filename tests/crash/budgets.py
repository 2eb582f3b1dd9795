"""Many agents that ask a model at once, and pay from one budget: it is kept, and what it may cost is set aside before.

Owns: the agents, the provider that looks into the store before it answers, and what is found.
Must not know: what an agent asks for.

    python -m tests.crash.budgets [AGENTS]

Each agent is a run of its own. Before the provider answers, it reads the store as any other process would: the request
has to be there, with what it may cost set aside. Those that find nothing left are parked; given more, they go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from holdfast import Holdfast, workflow
from holdfast.ai import Budget
from holdfast.ai.agents import HoldfastDurability
from holdfast.ports.operations import Amount, GrantBudget, RunFilter
from holdfast.testing.models import Asked, HostedModel
from tests.unit.worker.rig import wait_for

AGENTS: Final = 200
LONGEST: Final = 100
"""Tokens of an answer, at most."""
LIMIT_PER_AGENT: Final = 60
"""Tokens that there are for each agent: fewer than it needs, so that some find nothing left."""
QUESTION: Final = "Why? " * 60
SECONDS: Final = 300.0
MORE: Final = Amount(0, 1_000_000)


@dataclass
class Found:
    """What came of it."""

    agents: int
    asked: int = 0
    """How many requests the provider got before there was more."""
    parked: int = 0
    spent: int = 0
    limit: int = 0
    most_of_one: int = 0
    asked_in_all: int = 0
    unreserved: list[str] = field(default_factory=list)
    """What was wrong with what stood in the store when a request arrived."""

    @property
    def wrong(self) -> list[str]:
        """Say what is not as it has to be."""
        said = self.unreserved[:3]
        if self.spent > self.limit + self.most_of_one:
            said.append(f"{self.spent} of {self.limit} tokens were spent, and a request takes {self.most_of_one}")
        if self.asked + self.parked != self.agents or not self.parked:
            said.append(f"of {self.agents} agents {self.asked} asked and {self.parked} were parked")
        if self.asked_in_all != self.agents:
            said.append(f"{self.agents} agents asked {self.asked_in_all} times")
        return said


async def fan_out(folder: Path, agents: int) -> Found:
    """Have so many agents ask at once, from too small a budget; then let it have more."""
    found = Found(agents, limit=agents * LIMIT_PER_AGENT)
    path = folder / "store.db"

    def look(asked: Asked) -> None:
        with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as database:
            calls = sum(1 for _ in database.execute("SELECT 1 FROM model_calls WHERE lapses_at IS NOT NULL"))
            held = sum(row[0] for row in database.execute("SELECT held_tokens FROM budgets"))
        if not calls or held < asked.body["max_tokens"]:
            found.unreserved.append(f"the provider was asked while {calls} requests and {held} tokens were set aside")

    with HostedModel(before_answer=look) as provider:
        budget = Budget(tokens=found.limit, per="workflow", name="team")
        agent: Agent[None, str] = Agent(
            AnthropicModel(
                "claude-sonnet-5-5", provider=AnthropicProvider(api_key=provider.key, base_url=provider.url)
            ),
            name="desk",
            capabilities=[HoldfastDurability(budget=budget)],
            model_settings={"max_tokens": LONGEST, "max_retries": 0},  # type: ignore[typeddict-unknown-key]
        )

        @workflow
        async def desk(question: str) -> str:
            return (await agent.run(question)).output

        async with Holdfast(store=f"sqlite:///{path}", definitions=[desk]) as app:
            store = app.stack.store
            runs = [await app.client.start(desk, QUESTION, id=f"agent-{n}") for n in range(agents)]

            async def all_settled() -> bool | None:
                parked = await store.count(RunFilter(statuses=("PARKED",)), agents)
                held = sum(each.held.tokens for each in await store.budgets())
                return True if not held and parked + len(provider.asked) == agents else None

            await wait_for(all_settled, SECONDS)
            found.asked, found.spent = len(provider.asked), sum(each.spent.tokens for each in await store.budgets())
            found.parked = agents - found.asked
            found.most_of_one = max(each.total for each in provider.counted) + LONGEST
            await store.write([GrantBudget("team", "workflow", "desk", MORE, runs=agents)])
            for each in runs:
                assert (await each.result()).startswith("You said: Why?")
        found.asked_in_all = len(provider.asked)
    return found


def main(arguments: list[str]) -> int:
    """Have many agents ask; return 0 when the budget was kept."""
    agents = int(arguments[0]) if arguments else AGENTS
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(fan_out(Path(folder), agents))
    print(f"agents: {found.agents}, answered within the budget: {found.asked}, parked: {found.parked}")
    print(f"spent: {found.spent} of {found.limit} tokens; a request takes {found.most_of_one} at most")
    print(f"requests in all, after there was more: {found.asked_in_all}; {time.monotonic() - began:.1f} s")
    print("WRONG: " + "; ".join(found.wrong) if found.wrong else "the budget was kept, and nobody paid twice")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
