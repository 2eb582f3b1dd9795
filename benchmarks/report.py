"""What a measurement has to say: for people as it ends, and for programs.

Owns: the form of a report, how cases and ratios are told.
Must not know: how anything was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.cases import Case
from benchmarks.machine import Machine
from benchmarks.rows import OURS, Ratio, Row, Sample, compare, summarize
from benchmarks.subject import PEERS_PYTHON


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    durability: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[str, ...] = ()


def make_report(
    machine: Machine,
    durability: tuple[str, ...],
    samples: Mapping[tuple[str, str], Sequence[Sample]],
    failures: Sequence[str],
    *,
    quick: bool,
) -> Report:
    """Return the report of samples by (case, system)."""
    rows = [row for (case, system), each in samples.items() for row in summarize(case, system, each)]
    return Report(machine, quick, durability, tuple(rows), tuple(failures))


def tell_beginning(machine: Machine, durability: Sequence[str], *, peers: bool) -> None:
    """Say what is measured on."""
    print(*machine.lines(), "", *durability, sep="\n")
    if not peers:
        print(f"No peers: {PEERS_PYTHON} does not name a Python that has them. `make bench` installs them.")
    print(flush=True)


def tell(report: Report, cases: Sequence[Case]) -> None:
    """Say what was measured."""
    if report.quick:
        print("Quick: far less of everything than is said below, and once. The numbers only show that it runs.")
    for case in cases:
        _tell_case(case, [row for row in report.rows if row.case == case.name])
    _tell_ratios(compare(report.rows))


def write(report: Report, file: Path | None) -> None:
    """Write the report, if there is a file for it."""
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


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
