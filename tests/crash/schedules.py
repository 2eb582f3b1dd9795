"""Two controllers on one store, killed again and again in the middle of what they do; each due time is one run.

Owns: the controllers, killing them, and what their schedules must come to.
Must not know: how schedules go forward.

    python -m tests.crash.schedules [--kills 40] [--seed 7] [--folder FOLDER] [--plant BUG]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from holdfast import Client, Holdfast, schedule, workflow
from holdfast.app import load_settings, verify_store
from holdfast.authoring.schedules import Times
from holdfast.controller.schedules import Actor
from holdfast.ports.operations import STARTED, RunFilter
from holdfast.stores.sql import statements
from holdfast.stores.sqlite.head import HeadFile
from holdfast.stores.sqlite.write import Writer
from holdfast.testing.faults import FAULTS_VARIABLE, LOG_VARIABLE, Faults, read_last_words

PLACES: Final = {
    "commit-begins": ("before", Writer, "_operate"),
    "commit-operated": ("after", Writer, "_operate"),
    "commit-durable": ("before", HeadFile, "write"),
    "commit-noted": ("after", HeadFile, "write"),
}
"""Where a kill may hit: before the step is written, before COMMIT, after it, and after it was noted beside the file."""
VISITS_MAX: Final = 8
READY_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 6.0
"""How long to wait for a fault to strike, before the controller is killed from outside."""
NAMES: Final = ("second", "beat", "minutes")


@schedule("second", every="1s", overlap="allow")
@schedule("beat", cron="*/2 * * * * *", timezone="Europe/Riga", overlap="allow")
@schedule("minutes", cron="* * * * * *", overlap="allow", jitter="500ms")
@workflow
async def waiting() -> None:
    """Wait for a signal that never comes: nobody runs it."""
    await asyncio.Event().wait()


# --- The controllers -----------------------------------------------------------------------------------------------


def take_steps_twice() -> None:
    """Let everybody take a step, whatever the schedule's revision is by now. A planted bug."""
    known = dict(statements.load("holdfast.stores.sqlite"))
    known["schedule_standing"] = "SELECT 0, next_at FROM schedules WHERE name = ?1"
    known["read_schedule"] = known["read_schedule"].replace("revision,", "0,")
    statements.load = lambda _package: known


def act_early() -> None:
    """Act on due times before they have come. A planted bug."""
    fires_at = Times.fires_at
    Times.fires_at = lambda times, due: fires_at(times, due) - 0.4  # type: ignore[method-assign]


def start_beside_the_note() -> None:
    """Note a start without carrying it out. A planted bug."""
    take = Actor.take

    async def noted(actor: Actor, read: Any, step: Any, action: str = "") -> Any:
        lost = replace(step, act=None) if read.name == "beat" else step
        return await take(actor, read, lost, action)

    Actor.take = noted  # type: ignore[method-assign]


BUGS: Final[dict[str, Callable[[], None]]] = {
    each.__name__: each for each in (take_steps_twice, act_early, start_beside_the_note)
}


async def serve(store: str) -> None:
    """Be a controller until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Holdfast(definitions=[waiting], store=store, roles=("controller",), log_level="ERROR"):
        print("ready", flush=True)
        await stop.wait()


# --- The campaign --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> str:
        """Return it for a person."""
        return f"{sum(self.kills.values())} kills {dict(self.kills)}; runs {dict(self.runs)}; {self.problems or 'good'}"


class Campaign:
    """One store, and two controllers that are killed."""

    def __init__(self, folder: Path, seed: int, plant: str = "") -> None:
        """Use `folder`, which is empty."""
        self._folder = folder
        self._store = f"sqlite:///{folder / 'store.db'}"
        self._random = Random(seed)
        self._plant = plant
        self._running: list[subprocess.Popen[str] | None] = [None, None]
        self.tally = Tally()

    def run(self, kills: int) -> Tally:
        """Kill `kills` times, stop both, and check what is there."""
        try:
            for place in range(2):
                self._running[place] = self._start()
            for number in range(kills):
                self._kill(number % 2)
        finally:
            for each in self._running:
                if each is not None:
                    each.terminate()
                    each.communicate(timeout=READY_SECONDS)
        asyncio.run(self._check())
        return self.tally

    def _start(self, fault: str = "") -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.crash.schedules", "--child", self._store]
        process = subprocess.Popen(
            argv + (["--plant", self._plant] if self._plant else []),
            cwd=Path(__file__).parents[2],
            env={**os.environ, FAULTS_VARIABLE: fault, LOG_VARIABLE: str(self._folder / "last-words")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()  # empty when it was killed before it was ready
        if line.strip() not in {"ready", ""}:
            self.tally.problems.append(f"a controller said {line!r}")
        return process

    def _kill(self, place: int) -> None:
        """Let one of the two die where a fault says, or from outside, and start it again."""
        struck = len(read_last_words(self._folder / "last-words"))
        victim = self._running[place]
        assert victim is not None
        victim.kill()
        victim.communicate()
        self.tally.kills["any time"] += 1
        where = self._random.choice(list(PLACES))
        armed = self._start(f"{where}:{self._random.randint(1, VISITS_MAX)}=kill")
        try:
            armed.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            armed.kill()
            armed.communicate()
        words = read_last_words(self._folder / "last-words")
        self.tally.kills[words[-1].fault.place if len(words) > struck else "any time"] += 1
        self._running[place] = self._start()

    async def _check(self) -> None:
        """Find every due time that is not one run, and every run that is not one due time's."""
        problems = self.tally.problems
        async with await Client.connect(self._store) as client:
            for name in NAMES:
                runs = await self._runs(client, name)
                self.tally.runs[name] = len(runs)
                schedule = await client.store.schedule(name)
                if schedule is None or not runs:
                    problems.append(f"{name} did nothing")
                    continue
                dues = sorted(runs)
                step = 2 if name == "beat" else 1
                wanted = list(range(dues[0], dues[-1] + 1, step))
                if dues != wanted:
                    problems.append(f"{name}: {len(wanted)} times, {len(dues)} runs; {sorted(set(wanted) - set(dues))}")
                problems += [f"{name}: {due} began at {at}" for due, at in runs.items() if at < due]
                noted = await client.store.fires(name, 10_000)
                odd = [(each.outcome, each.due) for each in noted if each.outcome != STARTED]
                twice = [due for due, count in Counter(each.due for each in noted).items() if count > 1]
                if odd or twice:
                    problems.append(f"{name}: noted otherwise {odd[:3]}, twice {twice[:3]}")
                if f'"fired":{len(runs)}'.encode() not in schedule.state:
                    problems.append(f"{name}: {len(runs)} runs, and {schedule.state!r}")
        problems += [f"holdfast verify: {each}" for each in verify_store(load_settings(store=self._store)).problems]

    async def _runs(self, client: Client, name: str) -> dict[int, float]:
        """Return the runs of a schedule: due time to when each began."""
        found: dict[int, float] = {}
        cursor: str | None = None
        where = RunFilter(attributes=(("schedule", name),))
        while True:
            records, cursor = await client.store.runs(where=where, cursor=cursor, limit=500)
            for each in records:
                due = datetime.strptime(each.run_id.removeprefix(f"{name}-"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                found[int(due.timestamp())] = each.created_at
            if cursor is None:
                return found


def main() -> None:
    """Be a controller, or run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child")
    parser.add_argument("--plant", choices=sorted(BUGS), default="")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        if arguments.plant:
            BUGS[arguments.plant]()
        with ExitStack() as block:
            faults = Faults.armed()
            for place, (when, owner, name) in PLACES.items():
                wrap = faults.before if when == "before" else faults.after
                block.enter_context(wrap(owner, name, place))
            asyncio.run(serve(arguments.child))
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="holdfast-schedules-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tally = Campaign(folder, arguments.seed, arguments.plant).run(arguments.kills)
    print(f"{tally.lines()} in {time.monotonic() - began:.0f} s")
    sys.exit(1 if tally.problems else 0)


if __name__ == "__main__":
    main()
