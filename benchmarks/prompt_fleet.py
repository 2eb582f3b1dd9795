"""Measure durable tasks that share a long prefix, on several worker processes: `python -m benchmarks.prompt_fleet`.

    python -m benchmarks.prompt_fleet [--quick] [--json FILE] [--tasks N] [--tokens N] [--manuals N] [--workers N]

Owns: the processes, what is timed, what makes a measurement void.
Must not know: how tasks find the worker that holds their prefix.

All tasks are queued at once, and each asks its own question about a manual. Each worker is a process with one slot and
a model process of its own, on one thread, and keeps what it computed in a folder of its own, as on machines apart.
Nothing is held when the clock starts; the workers have joined. It is measured with tasks that say their prefix and with
tasks that do not. What was computed and read is what the model's server says, as the store recorded it of each task.

In the last case a worker that holds a manual is killed with SIGKILL once half of the answers are there, and another one
is started in its place. Its folder is shared by all then, as on one machine. All answers have to be there, one for each
question, and what comes after has to be read from disk.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.machine import Machine, describe_machine
from benchmarks.prompt_tasks import POOL, VARIABLE, Answered, Bench, answer, desk, manuals_of, models
from benchmarks.rows import Row, Sample, percentile, summarize
from holdfast import Holdfast
from holdfast.testing.models import write_tiny_model

AFFINE: Final = "prefix said"
ANYWHERE: Final = "not said"
TASKS: Final = 40
TOKENS: Final = 16_384
OUTPUT: Final = 32
WORKERS: Final = (1, 2, 4)
WIDTH: Final = 128
SYNCS: Final = 100
HELD_SHARE: Final = 0.9
"""A task found its prefix when so much of it was read."""
STOP_SECONDS: Final = 60.0
RUN_SECONDS: Final = 3_600.0
LOOK_SECONDS: Final = 0.05


class Outcome(msgspec.Struct, frozen=True):
    """What one run of all tasks came to."""

    workers: int
    """Processes; 0 where the process that measures did it itself."""
    system: str
    makespan: float
    """Seconds from the start of the run to its result."""
    p95: float
    """Seconds from the start of the run until 95 % of the answers were there."""
    hits: int
    """Tasks whose prefix was read, and not computed."""
    tasks: int
    computed: int
    """Tokens of prompts that were computed, as far as tasks ended that had them computed: those are what is paid."""
    prompt: int
    """Tokens of prompts in all."""
    killed: bool = False
    restored: int = 0
    """Tasks of processes begun after the kill that read their prefix though their process had computed none."""


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    outcomes: tuple[Outcome, ...]
    rows: tuple[Row, ...]
    failures: tuple[str, ...]


class Workers:
    """The worker processes of one run."""

    def __init__(self, store: str, folder: Path, told: Bench, *, shared: bool) -> None:
        """Have them serve `store`, and keep what they compute below `folder`: each by itself, unless `shared`."""
        self._store = store
        self._folder = folder
        self._told = told
        self._shared = shared
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start one more."""
        kv = self._folder / ("kv" if self._shared else f"kv-{len(self._processes)}")
        told = msgspec.structs.replace(self._told, kv=str(kv))
        environment = {**os.environ, VARIABLE: msgspec.json.encode(told).decode()}
        command = ["worker", "benchmarks.prompt_tasks", "--pool", f"{POOL}=1", "--store", self._store]
        with (self._folder / "workers.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen([sys.executable, "-m", "holdfast", *command], env=environment, stdout=log, stderr=log)
            )

    def stop(self) -> None:
        """Stop all that are left."""
        for each in self._processes:
            each.terminate()
        for each in self._processes:
            try:
                each.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


@contextmanager
def workers_at(store: str, folder: Path, told: Bench, count: int, *, shared: bool) -> Iterator[Workers]:
    """Have so many workers serve a store."""
    workers = Workers(store, folder, told, shared=shared)
    try:
        for _ in range(count):
            workers.start()
        yield workers
    finally:
        workers.stop()


async def measure(
    folder: Path, told: Bench, workers: int, tasks: int, *, affinity: bool = True, kill: bool = False
) -> Outcome:
    """Run all tasks on so many workers; with `kill`, kill one that holds a manual once half of the answers came."""
    store = f"sqlite:///{folder / 'store.db'}"
    prefixes = [each.digest for each in manuals_of(told.tokens, told.manuals)] if affinity else []
    pools = {} if workers else {"pools": {POOL: 1}}
    async with Holdfast(store=store, definitions=[desk, answer], **pools) as app:
        with workers_at(store, folder, told, workers, shared=kill) as processes:
            await _until(lambda: _serving(app), workers)
            began = time.perf_counter()
            handle = await app.client.start(desk, tasks, prefixes, id="desk")
            ended: list[float] = []
            look = asyncio.create_task(_note_answers(app, ended, began))
            killed = await _kill(app, processes, tasks) if kill else 0
            answers: list[Answered] = await handle.result()
            makespan = time.perf_counter() - began
            look.cancel()
            with suppress(asyncio.CancelledError):
                await look
        if not workers:
            for each in models():
                await each.aclose()
        used = {each.key: each.usage for each in await app.stack.store.run_model_usage("desk")}
    ended += [makespan] * (tasks - len(ended))
    usages = [used[f"answer#{number + 1}"] for number in range(tasks) if f"answer#{number + 1}" in used]
    computed = sum((each.input_tokens or 0) - (each.cache_read_tokens or 0) for each in usages)
    after = {each.pid for each in answers} - ({killed} if kill else set())
    texts = [each.text for each in answers]
    assert [len(text) for text in texts] == [told.output] * tasks, "an answer is missing"
    return Outcome(
        workers,
        AFFINE if affinity else ANYWHERE,
        makespan,
        percentile(ended, 95),
        sum((each.cache_read_tokens or 0) >= HELD_SHARE * told.tokens for each in usages),
        tasks,
        computed,
        sum(each.input_tokens or 0 for each in usages),
        kill,
        sum(_was_restored(pid, answers, used, told) for pid in after) if kill else 0,
    )


def _was_restored(pid: int, answers: Sequence[Answered], used: dict[str, Any], told: Bench) -> bool:
    """Say whether a process read a manual although none of its tasks had it computed."""
    its = [used[f"answer#{n + 1}"] for n, each in enumerate(answers) if each.pid == pid and f"answer#{n + 1}" in used]
    return bool(its) and all((each.cache_read_tokens or 0) >= HELD_SHARE * told.tokens for each in its)


@contextmanager
def told_here(told: Bench, folder: Path) -> Iterator[None]:
    """Have this process be told what workers are, for a measurement without any."""
    os.environ[VARIABLE] = msgspec.json.encode(msgspec.structs.replace(told, kv=str(folder / "kv"))).decode()
    try:
        yield
    finally:
        for llm in models():
            local = llm.speaker.endpoint.local
            assert local is not None, "it is one"
            local.close()
        models.cache_clear()
        del os.environ[VARIABLE]


async def _serving(app: Holdfast) -> int:
    return sum(each.kind == "worker" and each.state == "alive" for each in await app.stack.store.members())


async def _answered(app: Holdfast) -> int:
    return sum(each.requests for each in await app.stack.store.run_model_usage("desk"))


async def _until(count: Any, least: int) -> None:
    """Wait until there are so many. Raises TimeoutError."""
    async with asyncio.timeout(RUN_SECONDS):
        while await count() < least:  # noqa: ASYNC110 - what is counted is in the store
            await asyncio.sleep(LOOK_SECONDS)


async def _note_answers(app: Holdfast, ended: list[float], began: float) -> None:
    """Note when answers came, as often as it looks."""
    while True:
        now = time.perf_counter() - began
        ended += [now] * (await _answered(app) - len(ended))
        await asyncio.sleep(LOOK_SECONDS)


async def _kill(app: Holdfast, processes: Workers, tasks: int) -> int:
    """Kill a worker that holds a manual, once half of the answers are there, and start another; return which it was."""
    await _until(lambda: _answered(app), tasks // 2)
    living = [each for each in await app.stack.store.members() if each.kind == "worker" and each.state == "alive"]
    holder = next((each for each in living if each.prefixes), living[0])
    os.kill(holder.pid, signal.SIGKILL)
    processes.start()
    return holder.pid


def tell(outcomes: Sequence[Outcome]) -> None:
    """Print the table."""
    head = f"{'workers':>7} {'prefix':>12} {'makespan, s':>12} {'95 % after, s':>14} {'hit rate':>9}"
    print(f"\n{head} {'computed':>10} {'of':>10}")
    for each in outcomes:
        print(
            f"{each.workers:>7} {each.system:>12} {each.makespan:>12.1f} {each.p95:>14.1f}"
            f" {100 * each.hits / each.tasks:>8.1f}% {each.computed:>10,} {each.prompt:>10,}"
            + (f"  one killed; {each.restored} read it from disk" if each.killed else "")
        )


def rows_of(outcome: Outcome) -> list[Row]:
    """Return an outcome in the form of all other measurements."""
    case = f"prompt fleet {outcome.workers}{' killed' if outcome.killed else ''}"
    figures = (
        ("makespan", "s", outcome.makespan),
        ("95 %", "s", outcome.p95),
        ("hits", "%", outcome.hits * 100.0 / outcome.tasks),
    )
    return summarize(
        case, outcome.system, [Sample(name, unit, (value,), outcome.tasks) for name, unit, value in figures]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0, or 1 when a measurement is void."""
    given = _parser().parse_args(arguments)
    tokens, tasks = (256, 4) if given.quick else (given.tokens, given.tasks)
    counts = given.workers or ((0,) if given.quick else WORKERS)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        machine = describe_machine(base, SYNCS)
        print(*machine.lines(), sep="\n")
        path = write_tiny_model(base / "tiny.gguf", width=WIDTH)
        print(f"\n{tasks} tasks, {given.manuals} manuals of {tokens:,} tokens, answers of {OUTPUT} tokens", flush=True)
        told = Bench(str(path), "", tokens, given.manuals, OUTPUT, 1)
        plans = [(count, affinity, False) for count in counts for affinity in (True, False)]
        plans += [(counts[min(1, len(counts) - 1)], True, True)]
        outcomes: list[Outcome] = []
        for number, (count, affinity, kill) in enumerate(plans[:1] if given.quick else plans):
            folder = base / f"{number}"
            folder.mkdir()
            with nullcontext() if count else told_here(told, folder):
                outcomes.append(asyncio.run(measure(folder, told, count, tasks, affinity=affinity, kill=kill)))
            tell(outcomes[-1:])
    tell(outcomes)
    failures = [
        f"{each.workers} workers, one killed: nothing was read from disk afterwards"
        for each in outcomes
        if each.killed and not each.restored
    ]
    for failure in failures:
        print(f"VOID: {failure}", file=sys.stderr)
    if given.json is not None:
        rows = tuple(row for each in outcomes for row in rows_of(each))
        report = Report(machine, given.quick, tuple(outcomes), rows, tuple(failures))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_fleet")
    parser.add_argument("--quick", action="store_true", help="a smoke test: a short prefix, in this process")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--tasks", type=int, default=TASKS, metavar="N", help="how many tasks")
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="N", help="how long a manual is")
    parser.add_argument("--manuals", type=int, default=1, metavar="N", help="how many manuals")
    parser.add_argument("--workers", type=int, action="append", metavar="N", help="on so many workers alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
