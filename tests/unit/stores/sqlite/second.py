"""What a second process does to a store; started by `keeper.second`.

Owns: one function for each thing a second process may do.
Must not know: which test asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from tests.unit.stores.sqlite.keeper import Author, opened


def say(word: object) -> None:
    """Say a line to whoever started this."""
    print(word, flush=True)


async def write_flat_out(path: Path, runs: str) -> None:
    """Append to `runs` runs at once, as fast as it goes, for ever; say each commit that was acknowledged."""
    async with opened(path) as store:
        author = Author(store)
        await author.join()
        names = [f"p{os.getpid()}-{number}" for number in range(int(runs))]
        await author.start(*names)
        commits = 0
        while True:
            await author.append(*names)
            commits += 1
            say(commits)
            await asyncio.sleep(0)


async def die_in_commit(path: Path, at: str) -> None:
    """Kill itself between the last statement of its `at`th commit and the commit; say those before it."""
    async with opened(path) as store:
        author = Author(store)
        await author.join()
        await author.start("victim")
        connection = store._connection
        assert connection is not None
        commits = 0

        def hook() -> bool:
            if commits + 1 == int(at):
                os.kill(os.getpid(), signal.SIGKILL)
            return False

        connection.set_commit_hook(hook)
        while True:
            await author.append("victim")
            commits += 1
            say(commits)


async def hold_the_turn(path: Path) -> None:
    """Hold the turn until told otherwise."""
    async with opened(path) as store:
        await store._turn.take()
        say("held")
        await asyncio.to_thread(sys.stdin.readline)
        store._turn.give()
        say("given")


async def start_runs(path: Path, count: str) -> None:
    """Start `count` runs, one a write; say how many milliseconds each took."""
    async with opened(path) as store:
        author = Author(store)
        await author.join()
        for number in range(int(count)):
            began = time.perf_counter()
            await author.start(f"s{os.getpid()}-{number}")
            say((time.perf_counter() - began) * 1e3)


if __name__ == "__main__":
    function, path, *arguments = sys.argv[1:]
    asyncio.run(globals()[function](Path(path), *arguments))
