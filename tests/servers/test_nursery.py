"""Children of a nursery are processes like any other. This module is the program that is loaded."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.nursery import Nursery
from tests.unit.worker.rig import wait_until

REHEARSED: list[str] = []


def rehearse() -> None:
    """Do something that children can see."""
    REHEARSED.append("here")


def main(what: str) -> None:
    """Be the program: say something, and end as told."""
    print(*sys.argv[1:], os.environ["WORD"], *REHEARSED, os.getpid(), flush=True)
    if what == "fail":
        raise SystemExit(3)
    if what == "wait":
        signal.pause()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Return a nursery of this module."""
    nursery = Nursery(__name__)
    yield nursery
    nursery.close()


@pytest.mark.parametrize(("what", "sent", "code"), [
    ("return", None, 0),
    ("fail", None, 1),
    ("wait", signal.SIGKILL, -signal.SIGKILL),
    ("wait", signal.SIGTERM, -signal.SIGTERM),
])  # fmt: skip
def test_a_child_is_a_process(nursery: Nursery, what: str, sent: int | None, code: int) -> None:
    """It has arguments, an environment and an output of its own, and its end is told."""

    async def run() -> None:
        child = await nursery.start(what, env={"WORD": "w"})
        assert (await child.stdout.readline()).split() == [what.encode(), b"w", b"here", str(child.pid).encode()]
        if sent is not None:
            os.kill(child.pid, sent)
        assert await child.communicate() == (b"", None)
        assert child.returncode == await child.wait() == code
        with pytest.raises(ProcessLookupError):
            child.kill()

    asyncio.run(run())


def test_children_end_with_their_nursery() -> None:
    """Nothing is left of a nursery that is closed."""

    async def run() -> int:
        nursery = Nursery(__name__)
        try:
            child = await nursery.start("wait", env={"WORD": "w"})
            await child.stdout.readline()
        finally:
            await asyncio.to_thread(nursery.close)
        await child.communicate()
        return child.pid

    pid = asyncio.run(run())
    asyncio.run(wait_until(lambda: not Path(f"/proc/{pid}").exists()))
