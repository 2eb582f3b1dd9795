"""Temporal's own Replayer, on the same logic as `benchmarks/replay.py`. Runs in an environment of its own.

    python benchmarks/peers/temporal_replay.py CASE --history FILE --events N --repeats N

Owns: the peer's workflows, and timing its Replayer; prints the samples as JSON.
Must not know: the product, how the history came about.

`--events` is how many events the product has for the same run. Temporal writes about three times as many, for the
tasks around each step. Rates are told by the product's count, so that both say how fast the same run replays, and once
more by Temporal's own.
"""

import argparse
import asyncio
import gc
import json
import time
from datetime import timedelta
from pathlib import Path

from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

HOW = {"start_to_close_timeout": timedelta(seconds=60)}


@workflow.defn(name="sequence")
class Sequence:
    """Do one step after the other."""

    @workflow.run
    async def run(self, count: int) -> int:
        """Add up what the steps return."""
        total = 0
        for each in range(count):
            total += await workflow.execute_activity("fetch", each, **HOW)
        return total


@workflow.defn(name="fan")
class Fan:
    """Do a hundred steps at a time."""

    @workflow.run
    async def run(self, count: int) -> int:
        """Add up what the steps return."""
        total = 0
        for start in range(0, count, 100):
            steps = [workflow.execute_activity("fetch", each, **HOW) for each in range(start, start + 100)]
            total += sum(await asyncio.gather(*steps))
        return total


@workflow.defn(name="sleepy")
class Sleepy:
    """Wait again and again."""

    @workflow.run
    async def run(self, count: int) -> int:
        """Return how often it waited."""
        for _ in range(count):
            await asyncio.sleep(60)
        return count


CASES = {"sequence": Sequence, "fan": Fan, "timers": Sleepy}


async def measure(case, file, events, repeats):
    """Return samples of loading and of replaying a history."""
    text = file.read_text(encoding="utf-8")
    loads, replays, own = [], [], 0
    for _ in range(repeats):
        gc.collect()
        began = time.perf_counter()
        history = WorkflowHistory.from_json("run-1", text)
        loads.append(time.perf_counter() - began)
        own = len(history.events)
        # Without its sandbox, which would import every module anew.
        replayer = Replayer(workflows=[CASES[case]], workflow_runner=UnsandboxedWorkflowRunner())
        began = time.perf_counter()
        await replayer.replay_workflow(history)
        replays.append(time.perf_counter() - began)
    return [
        sample("replay", "events/s", [events / each for each in replays], events),
        sample("load", "events/s", [events / each for each in loads], events),
        sample("replay_own_count", "events/s", [own / each for each in replays], own),
    ]


def sample(metric, unit, values, of):
    """Return what was measured of one metric, each value standing for `of` events."""
    return {"metric": metric, "unit": unit, "values": values, "of": of}


def main():
    """Measure what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    samples = asyncio.run(measure(given.case, given.history, given.events, given.repeats))
    print(json.dumps({"samples": samples}), flush=True)


if __name__ == "__main__":
    main()
