"""Taskiq on Redis, doing what the product does in `benchmarks/ours`. Runs in an environment of its own.

    python benchmarks/peers/taskiq_fleet.py CASE --folder FOLDER --parameters JSON

Owns: the peer's task, and each case in the peer's own idiom; prints the samples as JSON.
Must not know: the product, how often a case is repeated.

Nothing of it is durable: the queue is a list in Redis, which keeps nothing on disk here; a task that a killed worker
had is lost. In `queue` all tasks are sent at once and the rate is that at which they are drained, their sending
included; results are counted, and nobody waits for each of them.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from redis.asyncio import Redis
from samples import percentiles, sample
from taskiq.serializers import JSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

REDIS = "HOLDFAST_BENCHMARK_REDIS"
"""Variable that names the Redis of the queue; results are in its database number 1."""
LOOK_SECONDS = 0.02
LOOK_CLOSELY_SECONDS = 0.001
WARM_UPS = 20
SENT_TOGETHER = 64

queue_url = os.environ.get(REDIS, "redis://127.0.0.1:6379/0")
results_url = queue_url.rpartition("/")[0] + "/1"
broker = ListQueueBroker(queue_url).with_result_backend(
    RedisAsyncResultBackend(results_url, serializer=JSONSerializer())
)


@broker.task(task_name="step")
async def step(number):
    """Do nothing."""
    return number


class Workers:
    """Worker processes under the peer's own supervisor, while the block lasts."""

    def __init__(self, processes, slots):
        """Describe them."""
        self._command = [
            *[sys.executable, "-m", "taskiq", "worker", "taskiq_fleet:broker", "--log-level", "ERROR"],
            *["--workers", str(processes), "--max-async-tasks", str(slots)],
        ]

    def __enter__(self):
        """Start them."""
        self._running = subprocess.Popen(self._command, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL)

    def __exit__(self, *_):
        """End them."""
        self._running.terminate()
        self._running.wait()


async def queue(jobs, rounds, processes, slots):
    """Send `jobs` tasks and see how long until all are done, `rounds` times, after a small round to warm up."""
    rates = []
    async with Redis.from_url(results_url) as results:
        await results.flushdb()
        with Workers(processes, slots):
            await drain(results, WARM_UPS)
            for _ in range(rounds):
                began = time.perf_counter()
                await drain(results, jobs)
                rates.append(jobs / (time.perf_counter() - began))
    return [sample("tasks", "tasks/s", rates, jobs)]


async def drain(results, jobs):
    """Send tasks, and wait until all have their results."""

    async def send(numbers):
        for number in numbers:
            await step.kiq(number)

    await asyncio.gather(*[send(range(first, jobs, SENT_TOGETHER)) for first in range(SENT_TOGETHER)])
    while await results.dbsize() < jobs:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(LOOK_SECONDS)
    await results.flushdb()


async def round_trip(jobs, processes, slots):
    """Send one task after the other, and see how long until there is its result."""
    seconds = []
    with Workers(processes, slots):
        for number in range(jobs + WARM_UPS):
            began = time.perf_counter()
            sent = await step.kiq(number)
            await sent.wait_result(check_interval=LOOK_CLOSELY_SECONDS, timeout=60)
            if number >= WARM_UPS:
                seconds.append(time.perf_counter() - began)
    return percentiles("trip_", seconds)


CASES = {"queue": queue, "round_trip": round_trip}


async def carry_out(case, parameters):
    """Carry out a case between the broker's beginning and end."""
    await broker.startup()
    try:
        return await CASES[case](**parameters)
    finally:
        await broker.shutdown()


def main():
    """Carry out the case that the command line names."""
    parser = argparse.ArgumentParser(prog="taskiq_fleet.py")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parameters", type=json.loads, default={})
    given = parser.parse_args()
    if REDIS not in os.environ:  # the broker is made when this is imported, here and in the workers alike
        url = given.parameters.pop("bus")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {REDIS: url})
    given.parameters.pop("bus")
    print(json.dumps({"samples": asyncio.run(carry_out(given.case, given.parameters))}), flush=True)


if __name__ == "__main__":
    main()
