"""A workflow that calls a model over one conversation, again and again.

Owns: the conversation.
Must not know: how it is stored.
"""

from __future__ import annotations

import random

from holdfast import query, task, workflow


def say(number: int) -> dict[str, str]:
    """Return a message of some 700 characters."""
    return {"role": "user", "content": f"{number} {random.Random(number).randbytes(350).hex()}"}


@task
async def ask(messages: list[dict[str, str]], model: str) -> dict[str, object]:
    """Answer a conversation with a longer one."""
    return {"model": model, "messages": [*messages, say(len(messages))], "usage": len(messages)}


@workflow
class Converse:
    """Call a model so many times."""

    def __init__(self) -> None:
        """Begin with one message."""
        self.messages = [say(0)]

    async def run(self, calls: int) -> int:
        """Return how many messages there are."""
        for turn in range(calls):
            answer = await ask(self.messages, f"model-{turn}")
            self.messages = answer["messages"]
        return len(self.messages)

    @query
    def said(self) -> list[dict[str, str]]:
        """Return the conversation."""
        return self.messages
