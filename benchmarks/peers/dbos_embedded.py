"""DBOS Transact on SQLite, doing what the product does in `benchmarks/ours`. Runs in an environment of its own.

    python benchmarks/peers/dbos_embedded.py CASE --folder FOLDER --journal wal|delete --parameters JSON

Owns: the peer's workflows, and each case in the peer's own idiom; prints the samples as JSON.
Must not know: the product, how often a case is repeated.

Durability: `synchronous=FULL` is set on every connection, so that each commit waits for the disk, as the product's do.
`--journal delete` is how DBOS comes: it leaves SQLite's rollback journal on. `--journal wal` makes the file a
write-ahead-log one before DBOS opens it, which saves it two or three of four waits for the disk.

A workflow is called the fastest way: awaited directly where one runs at a time, started as asyncio tasks of at most
`at_once` where many do. (Queues poll, and are slower.)
"""

import argparse
import asyncio
import json
import sqlite3  # noqa: TID251 - the peer keeps its file with it
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy
from dbos import DBOS, SetWorkflowID
from samples import percentiles, sample

STEPS_BEFORE_GATE = 3
LOOK_SECONDS = 0.01

arrivals = []


@DBOS.step()
async def step(number):
    """Do nothing, durably."""
    return number


@DBOS.workflow()
async def sequence(steps):
    """Take some steps one after the other."""
    for number in range(steps):
        await step(number)
    return steps


@DBOS.workflow()
async def spread(steps):
    """Take some steps all at once."""
    return sum(await asyncio.gather(*[step(number) for number in range(steps)]))


@DBOS.step()
async def noted_step(number):
    """Do nothing, durably, and say in this process that it was done."""
    arrivals.append("step")
    return number


@DBOS.step()
async def gate(path):
    """Let everybody through once `path` exists, and nobody before."""
    arrivals.append("gate")
    if not Path(path).exists():  # noqa: ASYNC240 - a stat, of a local file
        await asyncio.Event().wait()
    return True


@DBOS.workflow()
async def gated(path):
    """Take some steps, stand at the gate, take one more."""
    for number in range(STEPS_BEFORE_GATE):
        await noted_step(number)
    await gate(path)
    await step(0)
    return True


# --- Setting up ------------------------------------------------------------------------------------------------------


def _sync_every_commit(connection, _record):
    connection.execute("PRAGMA synchronous=FULL")


def open_dbos(folder, journal):
    """Launch DBOS on a file in `folder`."""
    path = folder / "dbos.sqlite"
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _sync_every_commit)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.close()
    launch_dbos(f"sqlite:///{path}")
    return path


def launch_dbos(url, **config):
    """Launch DBOS on a database."""
    DBOS(
        config={
            "name": "benchmark",
            "system_database_url": url,
            "log_level": "ERROR",
            "application_version": "1",
            "executor_id": "local",
            **config,
        }
    )
    DBOS.launch()


def close_dbos():
    """Stop DBOS without waiting for anything."""
    DBOS.destroy(workflow_completion_timeout_sec=0)


# --- Cases -----------------------------------------------------------------------------------------------------------


async def throughput(folder, journal, runs, steps, rounds, at_once):
    """Run `runs` runs, `at_once` at a time, `rounds` times, after a small round to warm up."""
    open_dbos(folder, journal)
    return await many(runs, steps, rounds, at_once)


async def many(runs, steps, rounds, at_once):
    """As `throughput`, on whatever was launched."""
    turn = asyncio.Semaphore(at_once)

    async def one():
        async with turn:
            await sequence(steps)

    await asyncio.gather(*[one() for _ in range(min(runs, 20))])
    rates, costs = [], []
    for _ in range(rounds):
        began, began_cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*[one() for _ in range(runs)])
        rates.append(runs * steps / (time.perf_counter() - began))
        costs.append((time.process_time() - began_cpu) / (runs * steps) * 1e6)
    return [sample("steps", "steps/s", rates, runs * steps), sample("cpu", "us/step", costs, runs * steps)]


async def sequential(folder, journal, runs):
    """Run one workflow of one step, and one of ten, again and again, never two at once."""
    open_dbos(folder, journal)
    samples = []
    for steps in (1, 10):
        samples += percentiles(f"{steps}_step_", await latencies(sequence, steps, runs))
    return samples


async def fan_out(folder, journal, steps, rounds):
    """Run one workflow that gathers `steps` steps."""
    open_dbos(folder, journal)
    seconds = await latencies(spread, steps, rounds)
    return [sample("latency", "ms", [each * 1e3 for each in seconds])]


async def latencies(workflow, steps, runs, warm_ups=1):
    """Return how long each of `runs` runs took, in seconds."""
    seconds = []
    for number in range(runs + warm_ups):
        began = time.perf_counter()
        await workflow(steps)
        if number >= warm_ups:
            seconds.append(time.perf_counter() - began)
    return seconds


async def recovery(folder, journal, runs):
    """Kill a process with `runs` runs half-way, start another, and time it."""
    # Nothing else runs on this event loop: it may block.
    arguments = [
        *[sys.executable, __file__],
        *["--folder", str(folder), "--journal", journal, "--parameters", json.dumps({"runs": runs})],
    ]
    with subprocess.Popen([*arguments, "recovery-interrupted"], stdout=subprocess.PIPE) as first:  # noqa: ASYNC220
        first.stdout.readline()
        first.kill()
    (folder / "gate").touch()
    began = time.monotonic()
    with subprocess.Popen([*arguments, "recovery-recovered"], stdout=subprocess.PIPE) as second:  # noqa: ASYNC220
        opening, opened, first_end, last_end, again = json.loads(second.stdout.readline())
        second.kill()
    return [
        sample("from_process_start", "s", [last_end - began], runs),
        sample("from_open", "s", [last_end - opening], runs),
        sample("first_to_last", "s", [last_end - first_end], runs),
        sample("open", "s", [opened - opening]),
        sample("steps_repeated", "steps", [again], runs * STEPS_BEFORE_GATE),
    ]


async def be_interrupted(folder, journal, runs):
    """Bring all runs to the gate, say so, and stay."""
    open_dbos(folder, journal)
    turn = asyncio.Semaphore(32)

    async def one(number):
        async with turn:
            with SetWorkflowID(f"run-{number}"):
                return await DBOS.start_workflow_async(gated, str(folder / "gate"))

    await asyncio.gather(*[one(number) for number in range(runs)])
    while arrivals.count("gate") < runs:  # noqa: ASYNC110 - the steps know of no event
        await asyncio.sleep(LOOK_SECONDS)
    print("all at the gate", flush=True)
    await asyncio.Event().wait()


async def recover(folder, journal, runs):
    """Open the file the other process left, and report when its runs had ended, on the machine's monotonic clock."""
    opening = time.monotonic()
    path = open_dbos(folder, journal)
    opened = time.monotonic()
    reading = sqlite3.connect(path, timeout=30)
    first_end, ended = 0.0, 0
    while ended < runs:
        await asyncio.sleep(LOOK_SECONDS)
        (ended,) = reading.execute("SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'").fetchone()
        if ended and not first_end:
            first_end = time.monotonic()
    last_end = time.monotonic()
    print(json.dumps([opening, opened, first_end, last_end, arrivals.count("step")]), flush=True)
    await asyncio.Event().wait()


CASES = {
    "throughput": throughput,
    "sequential": sequential,
    "fan_out": fan_out,
    "recovery": recovery,
    "recovery-interrupted": be_interrupted,
    "recovery-recovered": recover,
}


def main():
    """Carry out the case that the command line names."""
    parser = argparse.ArgumentParser(prog="dbos_embedded.py")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--journal", choices=("wal", "delete"), default="wal")
    parser.add_argument("--parameters", type=json.loads, default={})
    given = parser.parse_args()
    samples = asyncio.run(CASES[given.case](given.folder, given.journal, **given.parameters))
    print(json.dumps({"samples": samples}), flush=True)
    close_dbos()


if __name__ == "__main__":
    main()
