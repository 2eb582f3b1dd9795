"""Measure how fast histories replay: `python -m benchmarks.replay`.

    python -m benchmarks.replay [--quick] [--json FILE] [--only CASE] [--repeats N]

Owns: the workflows, the histories they leave behind, what is timed.
Must not know: how anything is replayed.

Everything is measured without a store, the product in this process. `load` is from the bytes of a file to a history,
`replay` from there to a verdict. Temporal's own Replayer takes part, on a shorter run of the same logic, when
HOLDFAST_PEERS_PYTHON names a Python that has it; `make bench` sees to that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.machine import Machine, describe_machine
from benchmarks.rows import OURS, Ratio, Row, Sample, compare, summarize
from benchmarks.subject import PEERS_PYTHON, ROOT, SECONDS_MAX, Measured
from holdfast import task, workflow
from holdfast.authoring import definition_of
from holdfast.engine import CURRENT, Execution, Issued, decision_of
from holdfast.history import (
    AnyEvent,
    InputEvent,
    ScheduleTask,
    StartTimer,
    TaskCompleted,
    TimerFired,
    WorkflowStarted,
    to_json,
)
from holdfast.history.temporal import to_temporal
from holdfast.replay import Verdict, WorkflowReplayer, load_history

REPEATS: Final = 5
START: Final = 1_700_000_000.0
SYNCS: Final = 50
"""How many appends describe the disk: nothing here waits for it."""


@task
async def fetch(number: int) -> int:
    """Stand for work; a replay never does it."""
    return number


@workflow
async def sequence(count: int) -> int:
    """Do one step after the other."""
    total = 0
    for each in range(count):
        total += await fetch(each)
    return total


@workflow
async def fan(count: int) -> int:
    """Do a hundred steps at a time."""
    total = 0
    for start in range(0, count, 100):
        total += sum(await asyncio.gather(*(fetch(each) for each in range(start, start + 100))))
    return total


@workflow
async def sleepy(count: int) -> int:
    """Wait again and again."""
    for _ in range(count):
        await asyncio.sleep(60)
    return count


@dataclass(frozen=True)
class Case:
    """One workflow, and how many steps it takes."""

    name: str
    about: str
    workflow: Any
    steps: int


CASES: Final = (
    Case("sequence", "25,000 steps one after the other: 50,002 events", sequence, 25_000),
    Case("fan", "25,000 steps, a hundred at a time: 50,002 events", fan, 25_000),
    Case("timers", "25,000 timers: 50,002 events", sleepy, 25_000),
)
QUICK_STEPS: Final = 500
PEER: Final = "temporal"
PEER_STEPS: Final = 2_000
"""How many steps the peer's run has: six events each, and Temporal ends a run at 51,200."""
PEER_QUICK_STEPS: Final = 100


class _Unguarded:
    def enter(self) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""


def record(subject: Any, steps: int) -> list[AnyEvent]:
    """Return the history of a run whose every step has its outcome at once, as an owner would write it."""
    definition = definition_of(subject)
    execution = Execution(definition, _Unguarded(), _no_fan_out)
    started = WorkflowStarted(
        START, 0, definition.name, "run-1", "run-1", msgspec.json.encode(steps), 7, int(CURRENT), "", "3.11"
    )
    events: list[AnyEvent] = [started]
    pending = execution.advance(started, 1)
    while not execution.closed:
        answers = [_answer(each, START + len(events)) for each in pending]
        unrecorded, pending = pending, []
        events += [decision_of(each, START + len(events)) for each in unrecorded]
        for answer in answers:
            answer.issued = execution.issued
            events.append(answer)
            pending += execution.advance(answer, len(events))
    events += [decision_of(each, START + len(events)) for each in pending]
    execution.evict()
    return events


def _answer(issued: Issued, now: float) -> InputEvent:
    match issued.command:
        case ScheduleTask(step=step, input=payload):
            return TaskCompleted(now, -1, step, payload)
        case StartTimer(step=step, due=due):
            return TimerFired(max(now, due), -1, step)
        case command:
            raise AssertionError(f"no benchmark asks for {command}")


def _no_fan_out(*_: object) -> Any:
    raise AssertionError("no benchmark maps")


def measure(case: Case, *, steps: int, repeats: int) -> list[Sample]:
    """Return how fast a case's history is loaded and replayed."""
    content = to_json(record(case.workflow, steps))
    replayer = WorkflowReplayer(case.workflow)
    loads: list[float] = []
    replays: list[float] = []
    events = 0
    for _ in range(repeats):
        gc.collect()
        seconds, history = _timed(lambda: load_history(content))
        loads.append(seconds)
        seconds, result = _timed(lambda history=history: replayer.replay(history))
        replays.append(seconds)
        if result.verdict is not Verdict.IDENTICAL:
            raise AssertionError(f"{case.name} did not replay: {result.verdict}")
        events = result.events
    return [
        Sample("replay", "events/s", tuple(events / each for each in replays), events),
        Sample("load", "events/s", tuple(events / each for each in loads), events),
        Sample("load_and_replay", "s", tuple(one + other for one, other in zip(loads, replays, strict=True)), events),
    ]


def measure_peer(case: Case, *, steps: int, repeats: int, python: str) -> list[Sample]:
    """Return how fast Temporal's own Replayer takes a run of the same logic."""
    events = record(case.workflow, steps)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.json"
        file.write_bytes(to_temporal(events, for_sdk=True))
        script = str(ROOT / "benchmarks/peers/temporal_replay.py")
        options = ["--history", str(file), "--events", str(len(events)), "--repeats", str(repeats)]
        command = [str(ROOT / python) if os.sep in python else python, script, case.name, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)
    return list(msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured).samples)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    rows: tuple[Row, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0."""
    given = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        machine = describe_machine(Path(folder), SYNCS)
    print(*machine.lines(), sep="\n")
    python = os.environ.get(PEERS_PYTHON)
    if not python:
        print(f"No peer: {PEERS_PYTHON} does not name a Python that has it. `make bench` installs it.")
    rows: list[Row] = []
    for case in CASES:
        if given.only and case.name not in given.only:
            continue
        steps = QUICK_STEPS if given.quick else case.steps
        repeats = 1 if given.quick else given.repeats
        print(f"\n{case.name}: {f'{steps} steps, to see that it runs' if given.quick else case.about}")
        rows += _tell(summarize(case.name, OURS, measure(case, steps=steps, repeats=repeats)))
        if python:
            steps = PEER_QUICK_STEPS if given.quick else PEER_STEPS
            samples = measure_peer(case, steps=steps, repeats=repeats, python=python)
            rows += _tell(summarize(case.name, PEER, samples))
    for ratio in compare(rows):
        _tell_ratio(ratio)
    if given.json is not None:
        report = Report(machine, given.quick, tuple(rows))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0


def _tell(rows: list[Row]) -> list[Row]:
    for row in rows:
        spread = f"({row.low:,.4g} to {row.high:,.4g}, n={row.n})"
        print(f"  {row.system:<10}{row.metric:<18} {row.value:>10,.4g} {row.unit}  {spread}", flush=True)
    return rows


def _tell_ratio(ratio: Ratio) -> None:
    print(f"{ratio.case}: {ratio.metric} {ratio.times:g} times as fast as {ratio.system}'s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay")
    names = [case.name for case in CASES]
    parser.add_argument("--quick", action="store_true", help="a smoke test: few steps, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--only", choices=names, action="append", metavar="CASE", help=f"one of {', '.join(names)}")
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="N", help="how often each case is measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
