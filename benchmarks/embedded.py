"""Measure the embedded stack on SQLite, next to DBOS Transact on SQLite: `python -m benchmarks.embedded`.

    python -m benchmarks.embedded [--quick] [--json FILE] [--only CASE] [--folder FOLDER] [--profile]

Owns: which systems there are, and what is said about their durability.
Must not know: how any case is carried out.

Peers take part when HOLDFAST_PEERS_PYTHON names a Python that has them; `make bench` sees to that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.cases import CASES, Case, Parameters
from benchmarks.machine import describe_machine
from benchmarks.report import make_report, tell, tell_beginning, write
from benchmarks.rows import Sample
from benchmarks.subject import Subject, subjects
from benchmarks.turns import take_turns

QUICK_SYNCS: Final = 50
PERSISTENT: Final = Path("/var/tmp")
"""Where files are kept on a disk: a temporary folder in memory would make every durable write free."""

DURABILITY: Final = (
    "Every commit of every system waits for the disk: one fdatasync each in WAL mode with synchronous=FULL.",
    "holdfast: WAL, synchronous=FULL, as it comes.",
    "dbos: as it comes it uses SQLite's rollback journal with synchronous=FULL, four syncs a commit; that is",
    "      `dbos-rollback-journal`. `dbos` has its file switched to WAL first, which is faster and as durable.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return how many measurements failed."""
    given = _parser().parse_args(arguments)
    cases = _chosen(given.only, given.profile)
    systems = subjects()
    folder = given.folder or (PERSISTENT if PERSISTENT.is_dir() else None)
    with tempfile.TemporaryDirectory(dir=folder, prefix="holdfast-benchmarks-") as base:
        machine = describe_machine(Path(base), *([QUICK_SYNCS] if given.quick else []))
        tell_beginning(machine, DURABILITY, peers=len(systems) > 1)

        def carry_out(case: Case, system: Subject, parameters: Parameters) -> Sequence[Sample]:
            return system.measure(case.name, parameters, Path(base))

        samples, failures = take_turns(cases, systems, carry_out, quick=given.quick, repeats=given.repeats)
    report = make_report(machine, DURABILITY, samples, failures, quick=given.quick)
    tell(report, cases)
    write(report, given.json)
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


if __name__ == "__main__":
    raise SystemExit(main())
