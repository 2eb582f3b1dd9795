"""Kill a whole stack again and again while runs of all shapes go on; in the end everything is as if nothing had died.

Owns: starting and killing the stack, choosing where, and counting where it hit.
Must not know: what is checked.

    python -m tests.crash.kills --kills 200 --seed 7 [--runs 200] [--folder FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from holdfast import Client
from holdfast.app import load_settings, verify_store
from holdfast.testing.faults import FAULTS_VARIABLE, LOG_VARIABLE, read_last_words
from tests.crash.inspection import Inspector
from tests.crash.shapes import FOLDER_VARIABLE
from tests.crash.signals import send
from tests.crash.stack import PLACES
from tests.crash.workload import Feeder, Journal, make_pieces, read_pieces, write_pieces

READY_SECONDS = 60.0
PATIENCE_SECONDS = 4.0
"""How long to wait for a fault to strike, before the stack is killed from outside."""
DEPLOYS_SHARE = 0.1
"""How often the stack is asked to end in good order instead."""
STUCK_SECONDS = 40.0
"""How long nothing may end, before what is left counts as stuck."""
VISITS_MAX: Mapping[str, int] = {"drain": 3_000, "commit": 300, "effect": 1_500}
"""A fault strikes at a visit up to this one; small numbers are as likely as large ones."""


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    kills: Counter[str] = field(default_factory=Counter)
    """Kills by place; `any time` for those that came from outside."""
    kinds: Counter[str] = field(default_factory=Counter)
    deploys: int = 0
    """How often the stack was asked to end in good order."""
    verified: int = 0
    runs: int = 0
    requests: int = 0
    repeated: int = 0
    """Requests for keys that had been asked for."""
    taken_for_dead: int = 0
    """How often a live stack lost its lease."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> str:
        """Return it for a person."""
        places = "".join(f"\n  {place:16} {count:5}" for place, count in sorted(self.kills.items()))
        return (
            f"{sum(self.kills.values())} kills in {self.seconds:.0f} s; {self.runs} runs, {self.requests} requests, "
            f"{self.repeated} repeated, {self.verified} stores verified, {self.deploys} times ended in good order, "
            f"{self.taken_for_dead} times taken for dead"
            f"{places}\n  {dict(self.kinds)}"
        )


class Campaign:
    """One store, one receiver, and a stack that is killed."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        lease: float = 1.0,
        plant: str = "",
        visits_max: Mapping[str, int] = VISITS_MAX,
        deploys: float = DEPLOYS_SHARE,
    ) -> None:
        """Use `folder`, which is empty."""
        self.folder = folder
        self.store = folder / "store.db"
        self.tally = Tally()
        self._seed = seed
        self._random = Random(seed)
        self._lease = lease
        self._plant = plant
        self._visits_max = visits_max
        self._deploys = deploys
        self._pieces = 0

    async def run(
        self, kills: int, runs: int, *, only: tuple[str, ...] = (), verify_every: int = 5, stuck: float = STUCK_SECONDS
    ) -> Tally:
        """Kill `kills` times while there are `runs` runs under way, then let all runs end, and check everything.

        Args:
            kills: how often.
            runs: how many runs are kept under way.
            only: shapes; all by default.
            verify_every: the store is verified after each such kill.
            stuck: seconds without any run's end, after which those that are left count as stuck.
        """
        began = time.monotonic()
        client = await Client.connect(f"sqlite:///{self.store}")
        try:
            inspector = Inspector(client._stack.store, self.folder)
            feeder = Feeder("outside", client, self.folder / "pieces", Journal(self.folder / "journal-outside"))
            feeding = asyncio.create_task(feeder.feed())
            try:
                while sum(self.tally.kills.values()) < kills and not inspector.problems:
                    self._add_pieces(runs - (self._pieces - inspector.closed), only)
                    await self._kill_once()
                    await inspector.look_after_death()
                    if sum(self.tally.kills.values()) % verify_every == 0:
                        self._verify(inspector)
                if not inspector.problems:
                    await self._let_all_end(inspector, stuck)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            if not inspector.problems:
                await inspector.look_at_the_end()
            self._verify(inspector)
            self._count(inspector)
        finally:
            await client.close()
        self.tally.seconds = time.monotonic() - began
        return self.tally

    # --- Killing -----------------------------------------------------------------------------------------------------

    async def _kill_once(self) -> None:
        deploys = self._random.random() < self._deploys
        place, faults = ("", "") if deploys else self._choose()
        process = await self._start(faults)
        try:
            patience = PATIENCE_SECONDS if place else self._random.uniform(0.05, 3.0)
            async with asyncio.timeout(READY_SECONDS):
                if await process.stdout.readline():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(patience):
                            await process.wait()
                if deploys:
                    send(process, signal.SIGTERM)
                    await process.wait()
        finally:
            send(process, signal.SIGKILL)
            await process.wait()
        if deploys:
            self.tally.deploys += 1
            if process.returncode != 0:
                raise AssertionError(f"asked to end, the stack ended with {process.returncode}")
            return
        words = [each for each in read_last_words(self.folder / "words") if each.pid == process.pid]
        if process.returncode != -signal.SIGKILL:
            raise AssertionError(f"the stack ended by itself, with {process.returncode}; see {self.folder / 'output'}")
        hit = words[0].fault.place if words else "any time"
        self.tally.kills[hit] += 1
        self.tally.kinds[PLACES[hit][0] if words else "any time"] += 1

    def _choose(self) -> tuple[str, str]:
        # The kind that was hit least so far: all of them come to the same number.
        kinds = ["drain", "commit", "effect", "any time"]
        self._random.shuffle(kinds)
        kind = min(kinds, key=lambda each: self.tally.kinds[each])
        if kind == "any time":
            return "", ""
        places = [name for name, (of_kind, *_) in PLACES.items() if of_kind == kind]
        place = min(self._random.sample(places, len(places)), key=lambda each: self.tally.kills[each])
        visit = int(self._visits_max[kind] ** self._random.random())
        return place, f"{place}:{visit}=kill"

    async def _start(self, faults: str) -> asyncio.subprocess.Process:
        environment = {
            **os.environ,
            FOLDER_VARIABLE: str(self.folder),
            FAULTS_VARIABLE: faults,
            LOG_VARIABLE: str(self.folder / "words"),
        }
        plant = ["--plant", self._plant] if self._plant else []
        with (self.folder / "output").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.crash.stack", "--store", str(self.store)),
                *("--folder", str(self.folder), "--lease", str(self._lease), *plant),
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                cwd=Path(__file__).parents[2],
            )

    # --- The rest ----------------------------------------------------------------------------------------------------

    def _add_pieces(self, count: int, only: tuple[str, ...]) -> None:
        if count > 0:
            write_pieces(make_pieces(self._seed, count, first=self._pieces, only=only), self.folder / "pieces")
            self._pieces += count

    async def _let_all_end(self, inspector: Inspector, stuck: float) -> None:
        process = await self._start("")
        try:
            closed, since = -1, time.monotonic()
            while inspector.closed < self._pieces and time.monotonic() - since < stuck and process.returncode is None:
                await asyncio.sleep(0.3)
                await inspector._read_runs()
                if inspector.closed > closed:
                    closed, since = inspector.closed, time.monotonic()
            if inspector.closed < self._pieces:
                inspector.problems += [f"stuck: {each}" for each in inspector.open_runs()]
            send(process, signal.SIGTERM)
            async with asyncio.timeout(READY_SECONDS):
                await process.communicate()
            if process.returncode:
                inspector.problems.append(f"asked to end, the stack ended with {process.returncode}")
        finally:
            send(process, signal.SIGKILL)
            await process.wait()

    def _verify(self, inspector: Inspector) -> None:
        report = verify_store(load_settings(store=f"sqlite:///{self.store}"))
        self.tally.verified += 1
        inspector.problems += [f"holdfast verify: {each}" for each in report.problems]

    def _count(self, inspector: Inspector) -> None:
        requests = inspector._receiver.requests()
        tally = self.tally
        tally.runs = len(read_pieces(self.folder / "pieces"))
        tally.requests = len(requests)
        tally.repeated = len(requests) - len({each.key for each in requests})
        tally.taken_for_dead = len(inspector._joins()) - self._starts()
        tally.problems = inspector.problems

    def _starts(self) -> int:
        lines = (self.folder / "members").read_text(encoding="utf-8").splitlines()
        return len({line.split()[2] for line in lines})


def main() -> None:
    """Run one campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deploys", type=float, default=DEPLOYS_SHARE, help="share of ends in good order")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--folder", type=Path, help="kept; a temporary one by default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-kills-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        campaign = Campaign(folder, arguments.seed, deploys=arguments.deploys)
        tally = asyncio.run(campaign.run(arguments.kills, arguments.runs, only=tuple(arguments.only)))
    print(tally.lines())
    if arguments.json:
        result: dict[str, Any] = {name: getattr(tally, name) for name in Tally.__slots__}
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if tally.problems:
        print(f"{len(tally.problems)} problems, seed {arguments.seed}")
        print("\n".join(tally.problems[:40]))
        raise SystemExit(1)


if __name__ == "__main__":
    main()
