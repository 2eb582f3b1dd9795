"""Measure what the same workflows take on each engine: `python -m benchmarks.engines`.

    python -m benchmarks.engines [--quick] [--json FILE] [--rounds N]

Owns: the workflows, once for us and once for Temporal's bare SDK; the turns in which they are timed.
Must not know: how any engine does it.

Three cases: five tasks one after the other, fifty at once, and a run that waits for a signal. Three systems: our engine
on a durable SQLite file, our adapter on a Temporal server, and Temporal's SDK by itself on the same server, outside its
sandbox as ours is. Client, workflows and tasks are in one process; the server, with a database file, is in another one.
The systems take turns, a few runs each, and who begins changes, so that whatever else the machine does hits all alike.
CPU time is that of the one process, so it has neither the server in it nor anybody's waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from temporalio import activity as their_activity
from temporalio import workflow as theirs
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.machine import Machine, describe_machine
from holdfast import Holdfast, task, wait_for_signal, workflow
from tests.servers.temporal import Temporal

STEPS: Final = 5
WIDTH: Final = 50
RUNS: Final = {"sequential": 10, "fan_out": 3, "signal": 10, "together": 1}
"""How many runs a turn has, of each case."""
TOGETHER: Final = 20
"""How many sequential runs are under way at once in `together`."""
ROUNDS: Final = 10
QUICK_ROUNDS: Final = 2
SYNCS: Final = 100
EMBEDDED, ADAPTER, BARE = "embedded", "adapter", "bare"
SYSTEMS: Final = (EMBEDDED, ADAPTER, BARE)
NAMES: Final = {
    EMBEDDED: "Holdfast's engine on SQLite",
    ADAPTER: "Holdfast on Temporal",
    BARE: "Temporal's SDK by itself",
}
CASES: Final = {
    "sequential": f"{STEPS} tasks one after the other, start to result",
    "fan_out": f"{WIDTH} tasks at once, start to result",
    "signal": "start, signal, result",
    "together": f"{TOGETHER} runs of {STEPS} tasks at once, until the last has ended",
}
QUEUE: Final = "bare"
TIMEOUT: Final = timedelta(minutes=1)

# --- The workflows, ours ---------------------------------------------------------------------------------------------


@task
async def double(number: int) -> int:
    """Do next to nothing."""
    return number * 2


@workflow
async def sequential(steps: int) -> int:
    """Call a task, and again with what it gave."""
    number = 1
    for _ in range(steps):
        number = await double(number)
    return number


@workflow
async def fan_out(width: int) -> int:
    """Call a task many times at once."""
    return sum(await asyncio.gather(*map(double, range(width))))


@workflow
async def signalled() -> str:
    """Wait for a signal."""
    return await wait_for_signal("go", type=str)


# --- The workflows, as Temporal's SDK has them ---------------------------------------------------------------------


@their_activity.defn(name="bare_double")
async def bare_double(number: int) -> int:
    """Do next to nothing."""
    return number * 2


@theirs.defn
class BareSequential:
    """Calls an activity, and again with what it gave."""

    @theirs.run
    async def run(self, steps: int) -> int:
        """Run."""
        number = 1
        for _ in range(steps):
            number = await theirs.execute_activity(bare_double, number, start_to_close_timeout=TIMEOUT)
        return number


@theirs.defn
class BareFanOut:
    """Calls an activity many times at once."""

    @theirs.run
    async def run(self, width: int) -> int:
        """Run."""
        calls = [theirs.execute_activity(bare_double, each, start_to_close_timeout=TIMEOUT) for each in range(width)]
        return sum(await asyncio.gather(*calls))


@theirs.defn
class BareSignalled:
    """Waits for a signal."""

    def __init__(self) -> None:
        self.said = ""

    @theirs.run
    async def run(self) -> str:
        """Run."""
        await theirs.wait_condition(lambda: bool(self.said))
        return self.said

    @theirs.signal
    def go(self, word: str) -> None:
        """Be told."""
        self.said = word


# --- The systems ---------------------------------------------------------------------------------------------------


class Ours:
    """Runs on Holdfast, whichever engine it has."""

    def __init__(self, app: Holdfast) -> None:
        self._client = app.client

    async def sequential(self, id: str) -> Any:
        """Run one to its end."""
        return await (await self._client.start(sequential, STEPS, id=id)).result()

    async def fan_out(self, id: str) -> Any:
        """Run one to its end."""
        return await (await self._client.start(fan_out, WIDTH, id=id)).result()

    async def signal(self, id: str) -> Any:
        """Run one to its end."""
        run = await self._client.start(signalled, id=id)
        await run.signal("go", "now")
        return await run.result()


class Bare:
    """Runs on Temporal's SDK."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def sequential(self, id: str) -> Any:
        """Run one to its end."""
        return await self._client.execute_workflow(BareSequential.run, STEPS, id=id, task_queue=QUEUE)

    async def fan_out(self, id: str) -> Any:
        """Run one to its end."""
        return await self._client.execute_workflow(BareFanOut.run, WIDTH, id=id, task_queue=QUEUE)

    async def signal(self, id: str) -> Any:
        """Run one to its end."""
        run = await self._client.start_workflow(BareSignalled.run, id=id, task_queue=QUEUE)
        await run.signal(BareSignalled.go, "now")
        return await run.result()


RESULTS: Final = {"sequential": 2**STEPS, "fan_out": WIDTH * (WIDTH - 1), "signal": "now"}


@asynccontextmanager
async def all_systems(server: Temporal, folder: Path) -> AsyncIterator[dict[str, Ours | Bare]]:
    """Run all three in this process."""
    definitions = [sequential, fan_out, signalled, double]
    here, there = (f"sqlite:///{folder / name}.db" for name in (EMBEDDED, ADAPTER))
    client = await Client.connect(server.target)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareSequential, BareFanOut, BareSignalled],
        activities=[bare_double],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=100,
    )
    pools = {"default": 100}
    async with (
        Holdfast([], here, definitions=definitions, pools=pools, log_level="ERROR") as embedded,
        Holdfast([], there, definitions=definitions, pools=pools, engine=server.url, log_level="ERROR") as adapter,
        worker,
    ):
        yield {EMBEDDED: Ours(embedded), ADAPTER: Ours(adapter), BARE: Bare(client)}


# --- Measuring -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Taken:
    """What the runs of one case on one system took, in seconds."""

    latencies: list[float]
    cpu: list[float]
    """CPU time of this process for each run."""


class Row(msgspec.Struct, frozen=True):
    """One case on one system."""

    case: str
    system: str
    p50_ms: float
    low_ms: float
    """A quarter of the runs took less."""
    high_ms: float
    """A quarter took more."""
    cpu_ms: float
    runs: int


class Ratio(msgspec.Struct, frozen=True):
    """One case, compared."""

    case: str
    adapter_to_bare: float
    """Time on Temporal through our adapter, by time with its bare SDK: the middle of what each round says."""
    adapter_to_bare_cpu: float
    bare_to_embedded: float


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    rounds: int
    rows: list[Row]
    ratios: list[Ratio]


async def turn(case: str, system: Ours | Bare, prefix: str) -> Taken:
    """Make one turn of a case."""
    taken = Taken([], [])
    for number in range(RUNS[case]):
        began, cpu = time.perf_counter(), time.process_time()
        if case == "together":
            ids = [f"{prefix}-{number}-{each}" for each in range(TOGETHER)]
            came = await asyncio.gather(*map(system.sequential, ids))
            assert set(came) == {RESULTS["sequential"]}
        else:
            run: Callable[[str], Awaitable[Any]] = getattr(system, case)
            assert await run(f"{prefix}-{number}") == RESULTS[case]
        taken.latencies.append(time.perf_counter() - began)
        taken.cpu.append(time.process_time() - cpu)
    return taken


async def measure(server: Temporal, folder: Path, rounds: int) -> dict[tuple[str, str], list[Taken]]:
    """Take turns; return what each took, by case and system."""
    found: dict[tuple[str, str], list[Taken]] = {(case, name): [] for case in CASES for name in SYSTEMS}
    async with all_systems(server, folder) as systems:
        for number in range(-1, rounds):  # one before it counts
            for case in CASES:
                for place in range(len(SYSTEMS)):
                    name = SYSTEMS[(place + number) % len(SYSTEMS)]
                    taken = await turn(case, systems[name], f"{case}-{name}-{number}")
                    if number >= 0:
                        found[case, name].append(taken)
    return found


def summarize(found: dict[tuple[str, str], list[Taken]]) -> tuple[list[Row], list[Ratio]]:
    """Return rows and ratios; a ratio is the middle one of those of each round."""
    rows = []
    for (case, system), turns in found.items():
        latencies = [each for taken in turns for each in taken.latencies]
        low, middle, high = statistics.quantiles(latencies, n=4) if len(latencies) > 1 else latencies * 3
        cpu = statistics.median(each for taken in turns for each in taken.cpu)
        rows.append(Row(case, system, *(round(each * 1e3, 2) for each in (middle, low, high, cpu)), len(latencies)))
    ratios = [
        Ratio(
            case,
            _ratio(found[case, ADAPTER], found[case, BARE], "latencies"),
            _ratio(found[case, ADAPTER], found[case, BARE], "cpu"),
            _ratio(found[case, BARE], found[case, EMBEDDED], "latencies"),
        )
        for case in CASES
    ]
    return rows, ratios


def _ratio(above: Sequence[Taken], below: Sequence[Taken], what: str) -> float:
    each = [
        statistics.median(getattr(one, what)) / statistics.median(getattr(other, what))
        for one, other in zip(above, below, strict=True)
    ]
    return round(statistics.median(each), 2)


def tell(report: Report) -> None:
    """Print a report."""
    print(*report.machine.lines(), "", sep="\n")
    for case, words in CASES.items():
        print(words)
        for row in report.rows:
            if row.case == case:
                span = f"{row.low_ms:g} to {row.high_ms:g}"
                print(f"  {NAMES[row.system]:28} {row.p50_ms:9g} ms  ({span}), CPU {row.cpu_ms:g} ms, {row.runs} runs")
    print()
    for each in report.ratios:
        print(
            f"{each.case:12} adapter / bare SDK: {each.adapter_to_bare:g} of the time,"
            f" {each.adapter_to_bare_cpu:g} of the CPU time; bare SDK / embedded: {each.bare_to_embedded:g}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="What the same workflows take on each engine.")
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--rounds", type=int, default=0, help=f"how many turns each system has; {ROUNDS} by default")
    parser.add_argument("--json", type=Path, default=None, help="write the report there")
    options = parser.parse_args(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    base = Path(os.environ.get("HOLDFAST_BENCHMARK_FOLDER") or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=base, prefix="engines-") as name, Temporal() as server:
        folder = Path(name)
        machine = describe_machine(folder, SYNCS)
        found = asyncio.run(measure(server, folder, rounds))
        gc.collect()  # nothing else closes a connection of the SDK's
    rows, ratios = summarize(found)
    report = Report(machine, rounds, rows, ratios)
    tell(report)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))


if __name__ == "__main__":
    main()
