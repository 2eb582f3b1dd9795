"""A host that begins to answer otherwise in the middle of a thousand runs that have no type for it.

Owns: the runs, the moment, the mapping that is accepted, and counting.
Must not know: how contracts are learned, how mappings are found.

    python -m tests.crash.drifts --runs 1000 [--plant careless] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from holdfast import Client, Holdfast
from holdfast.http import http
from holdfast.ports.operations import COMPLETED, FAILED, DriftRecord, RunRecord
from holdfast.ports.store import Store
from holdfast.testing.fake_api import FakeApi
from tests.acceptance import outbound_tasks

PAGE = 500
STUCK_SECONDS = 90.0
"""How long nothing may end or be parked, before what is left counts as stuck."""
IN_FLIGHT_MAX = 128
"""So many calls may be under way when answers change: the slots of the stack."""


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    runs: int = 0
    completed: int = 0
    parked: int = 0
    """Runs that stood under the report."""
    reports: int = 0
    touched: int = 0
    """Answers of the new shape that were given before all others kept away."""
    mapping: str = ""
    bookings: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


async def run(folder: Path, runs: int, contract: Literal["learn"] | None = "learn", learn_from: int = 20) -> Tally:
    """Let a host change after one half of the runs; accept a mapping that is proven; return what came of it.

    Args:
        folder: where the store is.
        runs: how many; half of them have to be enough to learn from.
        contract: None plants a bug: nothing is learned, and nobody notices.
        learn_from: how many answers are learned from. Of those that come at once, one is.
    """
    tally = Tally(runs=runs)
    began = time.monotonic()
    numbers = count(1)
    store = f"sqlite:///{folder / 'store.db'}"
    with FakeApi() as api:
        api.route("GET", "/rates", lambda _: {"cents": 9_900})
        api.route("POST", "/bookings", lambda _: {"id": f"b-{next(numbers)}"})
        api.drift("/rates", "retyped", "cents", after=runs // 2)
        http.host(api.host, private=True, contract=contract, learn_from=learn_from)
        async with Holdfast([outbound_tasks], store, outbound_allow=("127.0.0.1",)) as app:
            handles = [
                await app.client.start(outbound_tasks.stay_untyped, api.url, id=f"s-{number}") for number in range(runs)
            ]
            async with await Client.connect(store) as other:
                reports = await _all_stand(other.store, runs, tally)
            tally.touched = len(api.requests("/rates")) - runs // 2
            _judge_parked(tally, reports, bookings=len(api.effects("/bookings")))
            if not tally.problems:
                told = await _accept(store, reports[0].drift)
                tally.mapping = told["mapping"]
                results = {await handle.result() for handle in handles}
                tally.completed = len(results)
                if len(results) != runs:
                    tally.problems.append(f"{runs} runs booked {len(results)} different nights")
        effects = api.effects("/bookings")
        tally.bookings = len(effects)
        if not tally.problems and [each.value for each in effects] != [{"cents": 9_900}] * runs:
            tally.problems.append(f"{len(effects)} nights were booked, not all of them for what they cost")
    tally.seconds = time.monotonic() - began
    return tally


async def _all_stand(store: Store, runs: int, tally: Tally) -> list[DriftRecord]:
    """Wait until every run has ended or is parked; return the reports."""
    before, changed_at = -1, time.monotonic()
    while True:
        reports = list(await store.drifts())
        stand = len(await _ended(store)) + sum(each.parked for each in reports)
        if stand == runs:
            return reports
        if stand != before:
            before, changed_at = stand, time.monotonic()
        elif time.monotonic() - changed_at > STUCK_SECONDS:
            tally.problems.append(f"nothing happened for {STUCK_SECONDS:.0f} s, and {stand} of {runs} runs stand")
            return reports
        await asyncio.sleep(0.2)  # looks again


async def _ended(store: Store) -> list[RunRecord]:
    found: list[RunRecord] = []
    for status in (COMPLETED, FAILED):
        cursor: str | None = None
        while True:
            records, cursor = await store.runs(status=status, cursor=cursor, limit=PAGE)
            found += records
            if cursor is None:
                break
    return found


def _judge_parked(tally: Tally, reports: list[DriftRecord], bookings: int) -> None:
    tally.reports, tally.parked = len(reports), sum(each.parked for each in reports)
    if tally.reports != 1:
        tally.problems.append(f"there are {tally.reports} reports of one change")
    if tally.touched > IN_FLIGHT_MAX:
        tally.problems.append(f"{tally.touched} calls were answered otherwise, and {IN_FLIGHT_MAX} were under way")
    if bookings != tally.runs - tally.parked:
        tally.problems.append(f"{bookings} nights are booked, and {tally.runs - tally.parked} runs got so far")


async def _accept(store: str, drift: int) -> dict[str, Any]:
    """Accept the first mapping that is proven by replaying other runs, as a person would."""
    arguments = ("drift", "accept", str(drift), outbound_tasks.__name__, "--store", store, "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast", *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told
    found: dict[str, Any] = json.loads(told)
    return found


def main() -> None:
    """Run a campaign, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--plant", choices=["careless"], help="learn nothing, which has to be seen")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="drifts-"))
    tally = asyncio.run(run(folder, given.runs, None if given.plant else "learn"))
    sys.stdout.write(json.dumps({name: getattr(tally, name) for name in tally.__slots__}, indent=1) + "\n")
    sys.exit(1 if tally.problems else 0)


if __name__ == "__main__":
    main()
