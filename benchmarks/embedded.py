"""Measure the embedded stack on SQLite, next to DBOS Transact on SQLite: `python -m benchmarks.embedded`.

    python -m benchmarks.embedded [--quick] [--json FILE] [--only CASE] [--folder FOLDER] [--profile]

Owns: the order in which systems take turns, the report for people and the one for programs.
Must not know: how any case is carried out.

Peers take part when HOLDFAST_PEERS_PYTHON names a Python that has them; `make bench` sees to that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.cases import CASES, Case
from benchmarks.machine import Machine, describe_machine
from benchmarks.rows import OURS, Ratio, Row, Sample, compare, summarize
from benchmarks.subject import PEERS_PYTHON, MeasuringError, Subject, subjects

QUICK_SYNCS: Final = 50
PERSISTENT: Final = Path("/var/tmp")
"""Where files are kept on a disk: a temporary folder in memory would make every durable write free."""

DURABILITY: Final = (
    "Every commit of every system waits for the disk: one fdatasync each in WAL mode with synchronous=FULL.",
    "holdfast: WAL, synchronous=FULL, as it comes.",
    "dbos: as it comes it uses SQLite's rollback journal with synchronous=FULL, four syncs a commit; that is",
    "      `dbos-rollback-journal`. `dbos` has its file switched to WAL first, which is faster and as durable.",
)


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    durability: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return how many measurements failed."""
    given = _parser().parse_args(arguments)
    cases = _chosen(given.only, given.profile)
    systems = subjects()
    folder = given.folder or (PERSISTENT if PERSISTENT.is_dir() else None)
    with tempfile.TemporaryDirectory(dir=folder, prefix="holdfast-benchmarks-") as base:
        machine = describe_machine(Path(base), *([QUICK_SYNCS] if given.quick else []))
        _tell_machine(machine, systems)
        samples, failures = _measure(cases, systems, Path(base), quick=given.quick, repeats=given.repeats)
    rows = [row for (case, system), each in samples.items() for row in summarize(case, system, each)]
    if given.quick:
        print("Quick: far less of everything than is said below, and once. The numbers only show that it runs.")
    for case in cases:
        _tell_case(case, [row for row in rows if row.case == case.name])
    _tell_ratios(compare(rows))
    report = Report(machine, given.quick, DURABILITY, tuple(rows), tuple(failures))
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    for failure in failures:
        print(f"\nFAILED {failure}", file=sys.stderr)
    return len(failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded")
    names = [case.name for case in CASES]
    parser.add_argument("--quick", action="store_true", help="a smoke test: few of everything, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--only", choices=names, action="append", metavar="CASE", help=f"one of {', '.join(names)}")
    parser.add_argument("--profile", action="store_true", help="only say where the CPU time of `throughput` goes")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often systems take turns, instead of each case's")
    parser.add_argument("--folder", type=Path, help="measure on the disk of this folder, instead of /var/tmp")
    return parser


def _chosen(only: list[str] | None, profile: bool) -> list[Case]:
    names = [*(only or ()), *(["profile"] if profile else [])]
    return [case for case in CASES if (case.name in names if names else not case.alone)]


def _measure(
    cases: Sequence[Case], systems: Iterable[Subject], base: Path, *, quick: bool, repeats: int | None
) -> tuple[dict[tuple[str, str], list[Sample]], list[str]]:
    """Let the systems take turns, so that whatever disturbs the machine for a while disturbs all of them."""
    turns = [
        (turn, case, system, case.parameters[system.name][quick])
        for turn in range(1 if quick else max(repeats or case.repeats for case in cases))
        for case in cases
        for system in systems
        if turn < (repeats or case.repeats) and case.parameters.get(system.name, ({}, {}))[quick]
    ]
    samples: dict[tuple[str, str], list[Sample]] = {
        (case.name, system.name): [] for case in cases for system in systems
    }
    failures = []
    for done, (turn, case, system, parameters) in enumerate(turns):
        print(f"  {done + 1}/{len(turns)} {case.name}: {system.name}, turn {turn + 1}", file=sys.stderr, flush=True)
        try:
            samples[case.name, system.name] += system.measure(case.name, parameters, base)
        except MeasuringError as error:
            failures.append(f"{case.name}: {error}")
    return samples, failures


def _tell_machine(machine: Machine, systems: Sequence[Subject]) -> None:
    print(*machine.lines(), "", *DURABILITY, sep="\n")
    if len(systems) == 1:
        print(f"No peers: {PEERS_PYTHON} does not name a Python that has them. `make bench` installs them.")
    print(flush=True)


def _tell_case(case: Case, rows: Sequence[Row]) -> None:
    if not rows:
        return
    print(f"\n{case.name}: {case.about}")
    for row in rows:
        spread = f"({row.low:g} to {row.high:g}, n {row.n})" if row.n > 1 else "(n 1)"
        print(f"  {row.system:<22}{row.metric:<24}{row.value:>12g} {row.unit:<10} {spread}")


def _tell_ratios(ratios: Sequence[Ratio]) -> None:
    if not ratios:
        return
    print(f"\n{OURS} is so many times better")
    for ratio in ratios:
        print(f"  {ratio.case:<14}{ratio.metric:<24}{ratio.times:>10g} x  than {ratio.system}")


if __name__ == "__main__":
    raise SystemExit(main())
