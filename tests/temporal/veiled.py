"""A workflow on Temporal whose every value has a word in it that must not be readable there.

Owns: the ways in which values travel there besides those of `tests.unit.app.secrets_told`.
Must not know: how values are stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from holdfast import (
    ChildError,
    continue_as_new,
    get_run,
    heartbeat,
    query,
    side_effect,
    signal,
    start_child,
    task,
    update,
    wait_for_signal,
    workflow,
)

WORDS = {
    name: f"canary-{name}-wq3"
    for name in (
        "side-effect",
        "child-input",
        "child-result",
        "child-failure",
        "cause",
        "sent",
        "unread",
        "next-input",
        "next-result",
        "beaten",
        "query-failure",
        "update-failure",
        "refused",
    )
}


@task
def beat(folder: str) -> None:
    """Report progress, and wait to be let go."""
    heartbeat({"at": WORDS["beaten"]})
    Path(folder, "begun").write_text("", encoding="utf-8")  # a pipe
    Path(folder, "leave").read_text(encoding="utf-8")


@workflow
async def child(word: str) -> str:
    """Return a word, or fail with another one because of a third."""
    if word:
        return WORDS["child-result"]
    try:
        raise KeyError(WORDS["cause"])
    except KeyError as error:
        raise LookupError(WORDS["child-failure"]) from error


@workflow
class Passing:
    """Let words pass in all ways that there are, and go on."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def run(self, folder: str, word: str = "") -> str:
        """Return a word in the end."""
        if word:
            return WORDS["next-result"] + await wait_for_signal("later", type=str)
        await side_effect(lambda: WORDS["side-effect"])
        listener = start_child(listen)
        await get_run(await listener.started).signal("told", WORDS["sent"])
        await listener
        await start_child(child, WORDS["child-input"])
        with contextlib.suppress(ChildError):
            await start_child(child, "")
        await self.heard.wait()
        await beat(folder)
        continue_as_new(folder, WORDS["next-input"])
        raise AssertionError

    @signal
    def go(self) -> None:
        """Go on."""
        self.heard.set()

    @query
    def fail(self) -> None:
        """Fail."""
        raise LookupError(WORDS["query-failure"])

    @update
    async def change(self, word: str) -> None:
        """Fail."""
        raise LookupError(WORDS["update-failure"] + word)

    @change.validator
    def _(self, word: str) -> None:
        if word:
            raise ValueError(WORDS["refused"])


@workflow
async def listen() -> str:
    """Wait for one word."""
    return await wait_for_signal("told", type=str)
