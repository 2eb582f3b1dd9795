"""Where the time of a run of tests went, by folder: whoever adds a slow one sees what it did.

Owns: the table that `--durations` prints besides pytest's own list of the slowest tests.
Must not know: any test, in how many processes they run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest


def by_folder(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each folder, the slowest first: seconds of all its tests with their fixtures, and how many."""
    seconds: dict[str, float] = defaultdict(float)
    tests: dict[str, set[str]] = defaultdict(set)
    for each in reports:
        folder = "/".join(each.nodeid.split("/")[:2])
        seconds[folder] += each.duration
        tests[folder].add(each.nodeid)
    slowest = sorted(seconds, key=lambda folder: -seconds[folder])
    return [f"{seconds[folder]:8.1f}s {len(tests[folder]):5} in {folder}" for folder in slowest]


def print_seconds(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table where durations are asked for."""
    if config.getoption("durations") is None:
        return
    reports = [each for kind in reporter.stats.values() for each in kind if isinstance(each, pytest.TestReport)]
    reporter.section("seconds of all tests, by folder")
    for line in by_folder(reports):
        reporter.write_line(line)
