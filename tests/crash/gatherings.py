"""Two controllers on one store that are killed at every boundary of a commit, while events gather; each is in one run.

Owns: the controllers, the events they add, and what has to be true in the end.
Must not know: how events gather.

    python -m tests.crash.gatherings [--events 400] [--kills 40] [--plant BUG]

Both controllers add the same events, each under its id, from the first one in each of their lives; so every event is
added many times, by two at once, and again after a kill that nobody knows the outcome of.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from holdfast import Batch, Client, Holdfast, workflow
from holdfast.app import load_settings, verify_store
from holdfast.client import EmbeddedEngine
from holdfast.history import WorkflowStarted
from holdfast.ports.operations import KeepSecret
from holdfast.stores.sql import statements
from holdfast.testing.faults import FAULTS_VARIABLE, LOG_VARIABLE, Faults, read_last_words
from tests.crash.schedules import PLACES

KEYS: Final = 3
SIZE: Final = 4
WITHIN: Final = "200ms"
VISITS_MAX: Final = 12
LIFE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1


@workflow
async def gathered(events: list[int]) -> None:
    """Be begun: nobody runs it."""


def begin_in_two_commits() -> None:
    """Begin the run in one commit, and note it in the next. A planted bug."""
    start_next = EmbeddedEngine.start_next

    async def carry_out(engine: EmbeddedEngine, act: Any, note: Any) -> Any:
        request = msgspec.structs.replace(act.request, run_id=f"{act.request.run_id}-{uuid4().hex}")
        await start_next(engine, request, act.policy)
        (result,) = await engine._store.write([note(KeepSecret("planted", b"1"))])
        return result

    EmbeddedEngine.carry_out = carry_out  # type: ignore[method-assign]


def forget_ids() -> None:
    """Add an event that came before once more. A planted bug."""
    known = dict(statements.load("holdfast.stores.sqlite"))
    known["find_gathered"] += " AND 0"
    known["put_gathered"] = known["put_gathered"].replace("?4, ?5", "?4 || random(), ?5")
    statements.load = lambda _package: known


BUGS: Final[dict[str, Callable[[], None]]] = {each.__name__: each for each in (begin_in_two_commits, forget_ids)}


async def serve(store: str, events: int) -> None:
    """Be a controller that adds all events, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Holdfast(definitions=[gathered], store=store, roles=("controller",), log_level="ERROR") as app:
        batch = Batch(SIZE, within=WITHIN)
        for number in range(events):
            await app.client.gather(gathered, number, key=str(number % KEYS), batch=batch, event_id=f"e-{number}")
        due = await app.stack.store.next_gathering()
        while due is not None:
            await asyncio.sleep(LOOK_SECONDS)  # what was added begins by itself, and soon
            due = await app.stack.store.next_gathering()
        print("done", flush=True)
        await stop.wait()


def campaign(folder: Path, events: int, kills: int, plant: str = "") -> tuple[Counter[str], list[str]]:
    """Let two controllers live, and die `kills` times; return how often they died where, and what is wrong."""
    store = f"sqlite:///{folder / 'store.db'}"
    places = list(PLACES)
    lives = 0

    def start(fault: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.crash.gatherings", "--child", store, "--events", str(events)]
        return subprocess.Popen(
            argv + (["--plant", plant] if plant else []),
            cwd=Path(__file__).parents[2],
            env={**os.environ, FAULTS_VARIABLE: fault, LOG_VARIABLE: str(folder / "last-words")},
            stdout=subprocess.PIPE,
            text=True,
        )

    while lives < kills:
        # Both at once, each to die at a place of its own.
        pair = []
        for _ in range(2):
            visit = 2 + (lives // len(places)) * 3 % VISITS_MAX
            pair.append(start(f"{places[lives % len(places)]}:{visit}=kill"))
            lives += 1
        for each in pair:
            each.communicate(timeout=LIFE_SECONDS)
    last = start("")
    assert last.stdout is not None
    said = last.stdout.readline().strip()
    last.terminate()
    last.communicate(timeout=LIFE_SECONDS)
    problems = [] if said == "done" else [f"the last controller said {said!r}"]
    problems += asyncio.run(_check(store, events))
    return Counter(each.fault.place for each in read_last_words(folder / "last-words")), problems


async def _check(store: str, events: int) -> list[str]:
    """Find every event that is not in exactly one run."""
    seen: Counter[int] = Counter()
    async with await Client.connect(store) as client:
        cursor: str | None = ""
        while cursor is not None:
            records, cursor = await client.store.runs(cursor=cursor or None, limit=500)
            for each in records:
                (first, *_) = await client.engine.history(each.run_id)
                assert isinstance(first.event, WorkflowStarted)
                seen.update(msgspec.json.decode(first.event.input, type=list[int]))
    problems = [f"event {number} is in {seen[number]} runs" for number in range(events) if seen[number] != 1]
    return problems + [f"holdfast verify: {each}" for each in verify_store(load_settings(store=store)).problems]


def main() -> None:
    """Be a controller, or run a campaign."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--child")
    parser.add_argument("--plant", choices=sorted(BUGS), default="")
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--kills", type=int, default=40)
    arguments = parser.parse_args()
    if arguments.child:
        if arguments.plant:
            BUGS[arguments.plant]()
        with ExitStack() as block:
            faults = Faults.armed()
            for place, (when, owner, name) in PLACES.items():
                wrap = faults.before if when == "before" else faults.after
                block.enter_context(wrap(owner, name, place))
            asyncio.run(serve(arguments.child, arguments.events))
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-gatherings-") as folder:
        kills, problems = campaign(Path(folder), arguments.events, arguments.kills, arguments.plant)
    print(f"{sum(kills.values())} kills {dict(kills)}; {problems or 'good'}")
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()
