"""Freeze a stack that shares its store, again and again, for longer than its lease; then let it go on.

Owns: freezing and waking, choosing where, and counting where it hit.
Must not know: what is checked.

    python -m tests.crash.freezes --freezes 50 --seed 7 [--runs 100] [--stacks 2] [--folder FOLDER]

A frozen stack is a zombie: it loses its runs and tasks to others, and does not know when it goes on. So a step may be
asked for again by one that is late. But all of them ask for the same, because nobody goes on from what is not durable.
Only one stack is ever frozen: whoever was away himself does not judge others until he has watched them for a lease.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from holdfast import Client
from holdfast.testing.faults import read_last_words
from tests.crash.inspection import Inspector
from tests.crash.kills import STUCK_SECONDS, Campaign, Tally
from tests.crash.stack import PLACES
from tests.crash.workload import Feeder, Journal

LOOK_SECONDS = 1.0
LEASE_SECONDS = 2.0
WORDS_MAX = 4_000
"""How much is shown of what the stacks said last."""
DEATHS_SHARE = 0.25
"""How often a frozen stack is killed in the end, rather than woken; another takes its place."""
FREEZES_ARMED = 40
"""How many places a stack is armed with; it freezes at each of them, unless it ends before."""
VISITS_BETWEEN = {"drain": 3_000, "commit": 300, "effect": 1_500}


class FreezeCampaign(Campaign):
    """One store, one receiver, and several stacks, of which some are frozen."""

    async def freeze(self, freezes: int, runs: int, *, stacks: int = 2) -> Tally:
        """Freeze `freezes` times while there are `runs` runs under way, then let all runs end, and check everything."""
        began = time.monotonic()
        client = await Client.connect(f"sqlite:///{self.store}")
        self._ended: list[asyncio.subprocess.Process] = []  # those that were killed here; another may not be there yet
        processes: list[asyncio.subprocess.Process] = []
        try:
            inspector = Inspector(client._stack.store, self.folder, zombies=True)
            feeder = Feeder("outside", client, self.folder / "pieces", Journal(self.folder / "journal-outside"))
            feeding = asyncio.create_task(feeder.feed())
            try:
                async with asyncio.TaskGroup() as group:
                    freezing = group.create_task(self._freeze_all(processes))
                    for number in range(stacks):
                        processes.append(await self._start("" if number else self._arm()))
                        await processes[-1].stdout.readline()
                    while sum(self.tally.kills.values()) < freezes and not inspector.problems:
                        self._add_pieces(runs - (self._pieces - inspector.closed), ())
                        await asyncio.sleep(LOOK_SECONDS)
                        await inspector.look_after_death()
                        ended = [each for each in processes if each.returncode and each not in self._ended]
                        said = (self.folder / "output").read_text(encoding="utf-8", errors="replace")[-WORDS_MAX:]
                        inspector.problems += [f"{each} ended by itself; the stacks said:\n{said}" for each in ended]
                    freezing.cancel()
            finally:
                for process in processes:
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
                if not inspector.problems:
                    await self._let_all_end(inspector, STUCK_SECONDS)
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

    def _arm(self) -> str:
        faults, visits = [], Counter[str]()
        for _ in range(FREEZES_ARMED):
            place = self._random.choice(list(PLACES))
            visits[place] += max(1, int(VISITS_BETWEEN[PLACES[place][0]] ** self._random.uniform(0.4, 1.0)))
            faults.append(f"{place}:{visits[place]}=stop")
        return " ".join(faults)

    async def _freeze_all(self, processes: list[asyncio.subprocess.Process]) -> None:
        """Whenever a stack freezes at a place, or every now and then at any time, leave it so for about a lease."""
        due = time.monotonic() + self._random.uniform(0.2, 3.0)
        while True:
            await asyncio.sleep(0.01)
            frozen = next((each for each in processes if _state(each.pid) == "T"), None)
            if frozen is not None:
                words = [each for each in read_last_words(self.folder / "words") if each.pid == frozen.pid]
                place = words[-1].fault.place
                self.tally.kinds[PLACES[place][0]] += 1
            elif processes and time.monotonic() > due:
                frozen, place = processes[0], "any time"
                os.kill(frozen.pid, signal.SIGSTOP)
                self.tally.kinds[place] += 1
            else:
                continue
            self.tally.kills[place] += 1
            await asyncio.sleep(self._lease * self._random.uniform(0.2, 3.0))
            if self._random.random() < DEATHS_SHARE:
                self._ended.append(frozen)
                frozen.kill()
                await frozen.wait()
                processes[0] = await self._start(self._arm())
                await processes[0].stdout.readline()
            else:
                os.kill(frozen.pid, signal.SIGCONT)
            due = time.monotonic() + self._random.uniform(0.2, 3.0)


def _state(pid: int) -> str:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return "X"


def main() -> None:
    """Run one campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--freezes", type=int, default=50)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--stacks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-freezes-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        campaign = FreezeCampaign(folder, arguments.seed, lease=LEASE_SECONDS)
        tally = asyncio.run(campaign.freeze(arguments.freezes, arguments.runs, stacks=arguments.stacks))
    print(tally.lines().replace(" kills in ", " freezes in "))
    if tally.problems:
        print(f"{len(tally.problems)} problems, seed {arguments.seed}")
        print("\n".join(tally.problems[:40]))
        raise SystemExit(1)


if __name__ == "__main__":
    main()
