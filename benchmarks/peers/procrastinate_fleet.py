"""Procrastinate on PostgreSQL, doing what the product does in `benchmarks/ours`. Runs in an environment of its own.

    python benchmarks/peers/procrastinate_fleet.py CASE --folder FOLDER --parameters JSON

Owns: the peer's task, and each case in the peer's own idiom; prints the samples as JSON.
Must not know: the product, how often a case is repeated.

It keeps no results, so whoever waits for a job looks at its row. In `queue` all jobs are deferred at once and the rate
is that at which they are drained, their deferring included: nobody waits for each of them, which is cheaper than what
the product does.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from procrastinate import App, PsycopgConnector
from samples import percentiles, sample

LOOK_SECONDS = 0.02
LOOK_CLOSELY_SECONDS = 0.001
WARM_UPS = 20
DEFERRED_TOGETHER = 1_000
UNFINISHED = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
STATUS = "SELECT status FROM procrastinate_jobs WHERE id = %s"
STATEMENTS = """
SELECT sum(calls)::bigint FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

app = App(connector=PsycopgConnector())


@app.task(name="step")
async def step(number):
    """Do nothing."""
    return number


def opened(store):
    """Return the app on a database; to be used as an asynchronous context."""
    return app.replace_connector(PsycopgConnector(conninfo=store))


class Workers:
    """Worker processes, while the block lasts."""

    def __init__(self, store, processes, slots):
        """Describe them."""
        given = json.dumps({"store": store, "slots": slots})
        self._command = [sys.executable, __file__, "worker", "--folder", ".", "--parameters", given]
        self._processes = processes

    def __enter__(self):
        """Start them."""
        self._running = [subprocess.Popen(self._command, stdout=subprocess.PIPE) for _ in range(self._processes)]
        for each in self._running:
            each.stdout.readline()

    def __exit__(self, *_):
        """End them."""
        for each in self._running:
            each.kill()
            each.communicate()


async def queue(store, jobs, rounds, processes, slots):
    """Defer `jobs` jobs and see how long until all are done, `rounds` times, after a small round to warm up."""
    rates = []
    with opened(store) as own:
        async with own.open_async(), await psycopg.AsyncConnection.connect(store, autocommit=True) as looking:
            await own.schema_manager.apply_schema_async()
            with Workers(store, processes, slots):
                await drain(own, looking, WARM_UPS)
                for _ in range(rounds):
                    began = time.perf_counter()
                    await drain(own, looking, jobs)
                    rates.append(jobs / (time.perf_counter() - began))
    return [sample("tasks", "tasks/s", rates, jobs)]


async def drain(own, looking, jobs):
    """Defer jobs, and wait until none is left."""
    deferrer = own.configure_task("step")
    for start in range(0, jobs, DEFERRED_TOGETHER):
        numbers = range(start, min(start + DEFERRED_TOGETHER, jobs))
        await deferrer.batch_defer_async(*[{"number": number} for number in numbers])
    while (await (await looking.execute(UNFINISHED)).fetchone())[0]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(LOOK_SECONDS)


async def round_trip(store, jobs, processes, slots):
    """Defer one job after the other, and see how long until its row says that it was done."""
    seconds = []
    with opened(store) as own:
        async with own.open_async(), await psycopg.AsyncConnection.connect(store, autocommit=True) as looking:
            await own.schema_manager.apply_schema_async()
            with Workers(store, processes, slots):
                deferrer = own.configure_task("step")
                for number in range(jobs + WARM_UPS):
                    began = time.perf_counter()
                    job = await deferrer.defer_async(number=number)
                    while (await (await looking.execute(STATUS, (job,))).fetchone())[0] != "succeeded":  # noqa: ASYNC110 - as above
                        await asyncio.sleep(LOOK_CLOSELY_SECONDS)
                    if number >= WARM_UPS:
                        seconds.append(time.perf_counter() - began)
    return percentiles("trip_", seconds)


async def idle(store, processes, slots, settle, seconds):
    """Let workers idle, and count their statements."""
    with opened(store) as own:
        async with own.open_async(), await psycopg.AsyncConnection.connect(store, autocommit=True) as looking:
            await own.schema_manager.apply_schema_async()
            await looking.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            with Workers(store, processes, slots):
                await asyncio.sleep(settle)
                began, counted = time.perf_counter(), await count(looking)
                await asyncio.sleep(seconds)
                statements = await count(looking) - counted - 1
                rate = statements / (time.perf_counter() - began)
    return [sample("statements", "queries/s", [rate], statements)]


async def count(looking):
    """Return how many statements there were in this database so far."""
    return (await (await looking.execute(STATEMENTS)).fetchone())[0]


async def worker(store, slots):
    """Be a worker until the end."""
    with opened(store) as own:
        async with own.open_async():
            print("serving", flush=True)
            await own.run_worker_async(concurrency=slots, install_signal_handlers=False)


CASES = {"queue": queue, "round_trip": round_trip, "idle": idle, "worker": worker}


def main():
    """Carry out the case that the command line names."""
    parser = argparse.ArgumentParser(prog="procrastinate_fleet.py")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parameters", type=json.loads, default={})
    given = parser.parse_args()
    print(json.dumps({"samples": asyncio.run(CASES[given.case](**given.parameters))}), flush=True)


if __name__ == "__main__":
    main()
