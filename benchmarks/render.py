"""Tables for the documentation, from what `--json` wrote: `python -m benchmarks.render FILE`.

Owns: which numbers are shown to readers, and in which words.
Must not know: how anything was measured.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.cases import CASES
from benchmarks.report import Report
from benchmarks.rows import OURS, Row, compare

SHOWN: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "throughput": (("steps", "2,000 runs of 5 steps at once"), ("cpu", "CPU time of a step of these")),
    "sequential": (
        ("1_step_p50", "1 step, start to result, p50"),
        ("1_step_p99", "1 step, start to result, p99"),
        ("10_step_p50", "10 steps one after the other, p50"),
        ("10_step_p99", "10 steps one after the other, p99"),
    ),
    "fan_out": (("latency", "`gather` over 1,000 steps"),),
    "map_tasks": (
        (r"items_(\d+)", "`map_tasks` over {} items"),
        (r"peak_growth_(\d+)", "memory for `map_tasks` over {} items"),
    ),
    "recovery": (
        ("from_process_start", "1,000 runs killed half-way: from the new process's start to their end"),
        ("from_open", "the same, from opening the store"),
        ("first_to_last", "the same, from the first run's end to the last one's"),
    ),
    "sleeping": (
        ("memory", "memory of a sleeping run"),
        ("wake_all", "1,000 sleeping runs wake at one moment: the last one's end"),
    ),
    "start_latency": (
        ("p50", "start from a second process under full load, p50"),
        ("p99", "start from a second process under full load, p99"),
    ),
    "http_starts": (
        ("p50", "start over HTTP, p50"),
        ("p99", "start over HTTP, p99"),
        ("starts", "starts over HTTP, 16 at a time"),
    ),
}
"""For each case: a pattern of metrics, and what readers know them as."""

NAMES: Final = {
    OURS: "Holdfast",
    "dbos": "DBOS Transact, WAL",
    "dbos-rollback-journal": "DBOS Transact, as it comes",
}


def render(report: Report) -> str:
    """Return the report as Markdown: the machine, one table of all systems, and the profile if there is one."""
    parts = [_machine(report), _table(report.rows)]
    if profile := [row for row in report.rows if row.case == "profile"]:
        parts.append(_profile(profile))
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(report: Report) -> str:
    lines = [f"- {line}" for line in report.machine.lines()]
    lines += [f"- {' '.join(line.split())}" for line in report.durability[:1]]
    if report.quick:
        lines.append("- **These are numbers of a quick run: they only show that it runs.**")
    return "\n".join(lines)


def _table(rows: Sequence[Row]) -> str:
    systems = [name for name in NAMES if any(row.system == name for row in rows if row.case in SHOWN)]
    if not systems:
        return ""
    found = {(row.case, row.metric, row.system): row for row in rows}
    times = {(ratio.case, ratio.metric, ratio.system): ratio.times for ratio in compare(rows)}
    lines = ["| | " + " | ".join(NAMES[system] for system in systems) + " |", "|---|" + "---:|" * len(systems)]
    for case, metric, label in _lines(rows):
        cells = [_cell(found.get((case, metric, system)), times.get((case, metric, system))) for system in systems]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _lines(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Return (case, metric, label) of every line, in the order of the cases."""
    lines = []
    measured = dict.fromkeys((row.case, row.metric) for row in rows)
    for case in CASES:
        for pattern, label in SHOWN.get(case.name, ()):
            for name, metric in measured:
                if name == case.name and (match := re.fullmatch(pattern, metric)):
                    lines.append((name, metric, label.format(*[f"{int(group):,}" for group in match.groups()])))
    return lines


def _cell(row: Row | None, times: float | None) -> str:
    if row is None:
        return ""
    shown = f"{_number(row.value)} {row.unit}"
    if row.n > 1:
        shown += f" ({_number(row.low)}–{_number(row.high)})"
    return shown if times is None else f"{shown}, {_number(times)}×"


def _number(value: float) -> str:
    """Return a value with three significant digits, and without an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _profile(rows: Sequence[Row]) -> str:
    lines = ["| package | share of CPU time |", "|---|---:|"]
    lines += [
        f"| {name} | {row.value:.1f} % |"
        for row in rows
        if (name := row.metric.removeprefix("package ")) != row.metric and row.value >= 0.1
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the tables of the file that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render")
    parser.add_argument("file", type=Path, help="what --json wrote")
    print(render(msgspec.json.decode(parser.parse_args().file.read_bytes(), type=Report)), end="")


if __name__ == "__main__":
    main()
